#include "model/blocks.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "base/text.h"
#include "model/config_number.h"
#include "model/module_name.h"
#include "model/spec_keys.h"

namespace thaw {

namespace {

// More than any model has; numbers beyond are no layers but an attempt to make us count.
constexpr std::uint64_t kMostLayers = 1'000'000;

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text += ", ";
    text += printable(name);
  }
  return text;
}

// The number of a layer as it is written in names: without leading zeros, not absurd.
std::optional<std::uint64_t> layer_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (number >= kMostLayers || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  return number;
}

// One spelling of the path and the numbers of the layers below it.
struct Spelling {
  std::string path;
  std::set<std::uint64_t> numbers;
};

std::vector<Spelling> spellings_used(const ModelSpec& spec, const Checkpoint& checkpoint,
                                     ErrorList& errors) {
  std::vector<Spelling> used;
  std::string_view last;  // names are sorted: most tensors lie in the block of the one before
  for (const Tensor& tensor : checkpoint.tensors()) {
    const std::string_view block = find_block(spec, tensor.name).block;
    if (block.empty() || block == last) continue;
    last = block;
    const std::string_view path = without_last_part(block);
    const auto number = layer_number(block.substr(path.size() + 1));
    if (!number) {
      errors.add(fail(ErrorCode::input, {checkpoint.file_of(tensor), tensor.name},
                      "the number of the layer", printable(block.substr(path.size() + 1)),
                      "one without leading zeros, below " + std::to_string(kMostLayers)));
      continue;
    }
    const auto same = [&](const Spelling& one) { return one.path == path; };
    auto found = std::find_if(used.begin(), used.end(), same);
    if (found == used.end()) found = used.insert(used.end(), {std::string(path), {}});
    found->numbers.insert(*number);
  }
  return used;
}

// What the first of the keys that the config has says, and which that is.
struct Count {
  std::uint64_t value = 0;
  std::string key;  // empty: the config has none of them
};

Count config_count(const Checkpoint& checkpoint, const std::vector<std::string>& keys,
                   ErrorList& errors) {
  for (const std::string& key : keys) {
    const json::Node* node = config_value(checkpoint.config(), key);
    if (node == nullptr) continue;
    const auto value = node->as_integer();
    if (value && *value >= 0) return {static_cast<std::uint64_t>(*value), key};
    errors.add(fail(ErrorCode::input, Place{checkpoint.path(), {}},
                    "config.json: " + printable(key) + " is not a number of layers"));
    break;
  }
  return {};
}

// `numbers` are 0, 1, 2, ...
Status check_gaps(const Checkpoint& checkpoint, const Spelling& spelling) {
  const std::uint64_t end = *spelling.numbers.rbegin() + 1;
  const std::uint64_t missing = end - spelling.numbers.size();
  if (missing == 0) return {};
  std::string text;
  std::uint64_t named = 0;
  for (std::uint64_t i = 0; i < end && named < 8; ++i) {
    if (spelling.numbers.count(i) != 0) continue;
    text += (named++ == 0 ? "" : ", ") + std::to_string(i);
  }
  if (named < missing) text += " and " + std::to_string(missing - named) + " more";
  return fail(ErrorCode::input, Place{checkpoint.path(), {}},
              printable(spelling.path) + ": layers are missing below layer " +
                  std::to_string(end - 1) + ": " + text);
}

}  // namespace

Result<Blocks> locate_blocks(const ModelSpec& spec, const Checkpoint& checkpoint) {
  const Place place{checkpoint.path(), {}};
  ErrorList errors;
  const std::vector<Spelling> used = spellings_used(spec, checkpoint, errors);
  const Count count = config_count(checkpoint, spec.layer_count, errors);
  const Count extra = config_count(checkpoint, spec.extra_layer_count, errors);
  if (used.empty()) {
    errors.add(fail(ErrorCode::input, place,
                    "no tensor lies in a block of the model spec " + printable(spec.name),
                    "no such name", "a layer below " + listed(spec.layers)));
  } else if (used.size() > 1) {
    std::vector<std::string> paths;
    for (const Spelling& spelling : used) paths.push_back(spelling.path);
    errors.add(
        fail(ErrorCode::input, place,
             "blocks stand below more than one path of the model spec " + printable(spec.name),
             listed(paths), "one of them"));
  } else {
    errors.add(check_gaps(checkpoint, used[0]));
    const std::uint64_t found = used[0].numbers.size();
    const bool fits =
        found == count.value || (found > count.value && found - count.value == extra.value);
    if (!count.key.empty() && !fits) {
      std::string expected = std::to_string(count.value) + ", the config's " + printable(count.key);
      if (extra.value != 0) {
        expected += ", or " + std::to_string(extra.value) + " more, its " + printable(extra.key);
      }
      errors.add(fail(ErrorCode::input, place, printable(used[0].path) + ": the number of layers",
                      std::to_string(found), expected));
    }
  }
  THAW_RETURN_IF_ERROR(errors.take());
  const std::uint64_t found = used[0].numbers.size();
  const std::uint64_t blocks = count.key.empty() ? found : count.value;
  return Blocks{used[0].path, blocks, found - blocks};
}

}  // namespace thaw
