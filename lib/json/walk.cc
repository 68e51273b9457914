#include "json/walk.h"

#include "base/text.h"
#include "json/locate.h"
#include "json/scan.h"
#include "json/strict.h"

namespace thaw::json {

struct ObjectWalk::State {
  State(std::string_view the_file, std::string_view the_text, std::uint64_t the_offset,
        const WalkOptions& the_options)
      : file(the_file),
        text(the_text),
        offset(the_offset),
        options(the_options),
        splitter(the_text),
        keys(1),
        values(the_options.most_depth) {}

  bool fail_at(std::size_t at, std::string_view tensor, const std::string& what) {
    if (failure.ok()) {
      failure = fail(ErrorCode::input, {file, tensor},
                     "byte " + std::to_string(offset + at) + ": " + what);
    }
    return false;
  }

  bool check_length(std::size_t length, std::size_t at) {
    if (length <= options.most_member_bytes) return true;
    return fail_at(at, {},
                   "a member of " + std::to_string(length) + " bytes; thaw reads up to " +
                       std::to_string(options.most_member_bytes));
  }

  bool read_key() {
    if (!check_length(splitter.key().size(), splitter.key_begin())) return false;
    simdjson::dom::element element;
    const simdjson::error_code error = keys.parse(splitter.key(), element);
    if (error || element.get_string().get(key)) {
      return fail_at(splitter.key_begin(), {}, "not valid JSON: " + std::string(explain(error)));
    }
    return true;
  }

  bool read_value() {
    if (checked) return failure.ok();
    checked = true;
    const std::string_view raw = splitter.value();
    if (!check_length(raw.size(), splitter.value_begin())) return false;
    const simdjson::error_code error = values.parse(raw, value);
    if (!error) {
      const std::optional<std::string_view> twin = repeated_key(value);
      if (!twin) return true;
      return fail_at(splitter.value_begin(), key,
                     "the key \"" + printable(*twin) + "\" stands twice in one object");
    }
    const Flaw flaw = locate(raw, options.most_depth);
    return fail_at(splitter.value_begin() + flaw.offset, key, "not valid JSON: " + flaw.what);
  }

  std::string_view file;
  std::string_view text;
  std::uint64_t offset;
  WalkOptions options;
  Splitter splitter;
  StrictParser keys;
  StrictParser values;
  std::string_view key;
  simdjson::dom::element value;
  bool checked = true;  // the current value, by read_value() or by another walk
  Status failure;
};

ObjectWalk::ObjectWalk(std::string_view file, std::string_view text, std::uint64_t offset,
                       const WalkOptions& options)
    : state_(std::make_unique<State>(file, text, offset, options)) {
  const std::size_t first = skip_space(text, 0);
  if (first == text.size() || text[first] != '{') {
    state_->fail_at(first, {}, "not a JSON object: expected {");
  }
}

ObjectWalk::~ObjectWalk() = default;

bool ObjectWalk::next() {
  State& state = *state_;
  if (!state.failure.ok() || !state.read_value()) return false;
  if (state.splitter.next()) {
    state.checked = false;
    return state.read_key();
  }
  if (state.splitter.malformed()) {
    state.fail_at(state.splitter.position(), {},
                  std::string("not valid JSON: ") + state.splitter.problem());
  }
  return false;
}

Status ObjectWalk::status() {
  if (state_->failure.ok()) return {};
  return Status(state_->failure.error());
}

std::string_view ObjectWalk::key() const { return state_->key; }

std::uint64_t ObjectWalk::offset() const { return state_->offset + state_->splitter.key_begin(); }

std::optional<Value> ObjectWalk::value() {
  if (!state_->read_value()) return std::nullopt;
  return Value(&state_->value);
}

ObjectWalk ObjectWalk::enter() {
  state_->checked = true;
  return ObjectWalk(state_->file, state_->splitter.value(),
                    state_->offset + state_->splitter.value_begin(), state_->options);
}

}  // namespace thaw::json
