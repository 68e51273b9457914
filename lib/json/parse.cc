// json::parse. simdjson proves that the text is JSON and says what each value is; a cursor that
// moves over the same text says where it is. The cursor may be simple, because the text is valid.
#include <algorithm>

#include "base/text.h"
#include "json/line.h"
#include "json/locate.h"
#include "json/node.h"
#include "json/python_numbers.h"
#include "json/scan.h"
#include "json/strict.h"

namespace thaw::json {

namespace {

namespace dom = simdjson::dom;

// What is parsed, as messages speak of it.
struct Source {
  std::string_view file;
  std::string_view text;
  bool lines;
};

Status fail_at(const Source& source, std::size_t offset, std::string_view what) {
  std::string message =
      source.lines ? line_and_column(source.text, offset) : "byte " + std::to_string(offset);
  message.append(": ").append(what);
  return fail(ErrorCode::input, {source.file, {}}, message);
}

class Builder {
 public:
  // `plain` is `text` with its Python numbers replaced, and is what simdjson parsed.
  Builder(const Source& source, std::string_view plain, std::size_t most_values)
      : source_(source), text_(source.text), plain_(plain), values_left_(most_values) {}

  Status build(dom::element element, Node& node) {
    at_ = skip_space(text_, at_);
    node.begin = at_;
    if (values_left_ == 0) return fail_at(source_, at_, "more values than thaw reads in one file");
    --values_left_;
    if (element.is_object()) {
      THAW_RETURN_IF_ERROR(build_object(as_object(element), node));
    } else if (element.is_array()) {
      THAW_RETURN_IF_ERROR(build_array(as_array(element), node));
    } else {
      build_scalar(element, node);
    }
    node.end = at_;
    return {};
  }

 private:
  Status build_object(dom::object object, Node& node) {
    node.kind = Kind::object;
    ++at_;  // the brace
    for (const dom::key_value_pair member : object) {
      at_ = skip_space(text_, at_);
      auto& [key, value] = node.members.emplace_back(std::string(member.key), Node());
      value.key_begin = at_;
      at_ = skip_space(text_, skip_string(text_, at_)) + 1;  // and the colon
      THAW_RETURN_IF_ERROR(build(member.value, value));
      at_ = skip_space(text_, at_);
      if (text_[at_] == ',') ++at_;
    }
    at_ = skip_space(text_, at_) + 1;
    return check_keys(node);
  }

  Status build_array(dom::array array, Node& node) {
    node.kind = Kind::array;
    ++at_;
    for (const dom::element item : array) {
      THAW_RETURN_IF_ERROR(build(item, node.items.emplace_back()));
      at_ = skip_space(text_, at_);
      if (text_[at_] == ',') ++at_;
    }
    at_ = skip_space(text_, at_) + 1;
    return {};
  }

  void build_scalar(dom::element element, Node& node) {
    const std::size_t end = skip_value(text_, at_);
    const bool replaced = text_.substr(at_, end - at_) != plain_.substr(at_, end - at_);
    at_ = end;
    if (element.is_string()) {
      node.kind = Kind::string;
      node.string = as_string(element);
    } else if (element.is_bool()) {
      node.kind = Kind::boolean;
      node.boolean = element.get_bool().value_unsafe();
    } else if (element.is_null()) {
      node.kind = Kind::null;
    } else if (element.is_int64() && !replaced) {
      node.kind = Kind::integer;
      node.integer = element.get_int64().value_unsafe();
    } else {
      node.kind = Kind::number;
    }
  }

  Status check_keys(const Node& node) const {
    std::vector<const std::pair<std::string, Node>*> sorted;
    sorted.reserve(node.members.size());
    for (const auto& member : node.members) sorted.push_back(&member);
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto* a, const auto* b) { return a->first < b->first; });
    for (std::size_t i = 1; i < sorted.size(); ++i) {
      if (sorted[i - 1]->first != sorted[i]->first) continue;
      return fail_at(source_, sorted[i]->second.key_begin,
                     "the key \"" + printable(sorted[i]->first) + "\" stands twice in one object");
    }
    return {};
  }

  const Source& source_;
  std::string_view text_;
  std::string_view plain_;
  std::size_t values_left_;
  std::size_t at_ = 0;
};

}  // namespace

Result<Node> parse(std::string_view file, std::string_view text, const ParseOptions& options) {
  if (text.size() > options.most_bytes) {
    return fail(ErrorCode::input, {file, {}}, "too large to be read as JSON",
                std::to_string(text.size()) + " bytes",
                "at most " + std::to_string(options.most_bytes));
  }
  const Source source{file, text, options.lines};
  if (text.substr(0, 3) == "\xef\xbb\xbf") {
    return fail(ErrorCode::input, {file, {}}, "byte 0: begins with a byte order mark",
                "save the file as UTF-8 without a byte order mark");
  }
  std::string replaced;
  if (options.python_numbers) replaced = without_python_numbers(text);
  const std::string_view plain = options.python_numbers ? std::string_view(replaced) : text;
  StrictParser parser(options.most_depth);
  dom::element root;
  if (const auto error = parser.parse(plain, root)) {
    if (error == simdjson::DEPTH_ERROR) {
      return fail(ErrorCode::input, {file, {}},
                  "nested deeper than " + std::to_string(options.most_depth) + " levels");
    }
    const Flaw flaw = locate(plain, options.most_depth);
    return fail_at(source, flaw.offset, "not valid JSON: " + flaw.what);
  }
  Node node;
  THAW_RETURN_IF_ERROR(Builder(source, plain, options.most_values).build(root, node));
  return node;
}

}  // namespace thaw::json
