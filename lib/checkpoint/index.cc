#include "checkpoint/index.h"

#include <algorithm>
#include <functional>
#include <set>

#include "base/text.h"
#include "checkpoint/names.h"
#include "json/walk.h"

namespace thaw {

namespace {

constexpr std::string_view kMapKey = "weight_map";
constexpr std::size_t kMostKeys = 1000;

// Visits the members of weight_map and proves that all of the text is JSON. The index is walked
// twice rather than kept: it can be as long as all headers together.
Status walk_map(std::string_view path, std::string_view text,
                const std::function<void(std::string_view, const json::Value&)>& visit) {
  json::ObjectWalk walk(path, text, 0);
  const Place place{.file = path, .tensor = {}};
  std::set<std::string, std::less<>> keys;
  while (walk.next()) {
    if (!keys.emplace(walk.key()).second) {
      return fail(ErrorCode::input, place,
                  "the key \"" + printable(walk.key()) + "\" stands twice");
    }
    if (keys.size() > kMostKeys) {
      return fail(ErrorCode::input, place, "more keys beside weight_map than any index has");
    }
    if (walk.key() != kMapKey) continue;
    json::ObjectWalk map = walk.enter();
    while (map.next()) {
      const std::optional<json::Value> value = map.value();
      if (value) visit(map.key(), *value);
    }
    THAW_RETURN_IF_ERROR(map.status());
  }
  THAW_RETURN_IF_ERROR(walk.status());
  if (keys.count(kMapKey) != 0) return {};
  return fail(ErrorCode::input, place, "weight_map", "none",
              "an object of tensor names and file names");
}

std::optional<std::string_view> shard_name_flaw(std::string_view name) {
  const std::optional<std::string_view> flaw = name_flaw(name);
  if (flaw) return flaw;
  const bool ending = name.size() > kWeightEnding.size() &&
                      name.substr(name.size() - kWeightEnding.size()) == kWeightEnding;
  if (!ending) return "does not end in .safetensors";
  return std::nullopt;
}

}  // namespace

Result<std::vector<std::string>> shards_of_index(std::string_view path, std::string_view text) {
  std::set<std::string, std::less<>> names;
  ErrorList errors;
  bool empty = true;
  errors.add(walk_map(path, text, [&](std::string_view tensor, const json::Value& value) {
    empty = false;
    const Place place{.file = path, .tensor = tensor};
    const std::optional<std::string_view> name = value.as_string();
    if (!name) {
      errors.add(fail(ErrorCode::input, place, "the shard", value.text(), "a file name"));
    } else if (names.find(*name) == names.end()) {
      if (const std::optional<std::string_view> flaw = shard_name_flaw(*name)) {
        errors.add(fail(ErrorCode::input, place,
                        "the name of its shard " + std::string(*flaw) + ": got " + value.text() +
                            ", expected the name of a .safetensors file beside the index"));
      } else {
        names.emplace(*name);
      }
    }
  }));
  if (errors.empty() && empty) {
    errors.add(fail(ErrorCode::input, {.file = path, .tensor = {}}, "weight_map lists no tensor"));
  }
  THAW_RETURN_IF_ERROR(errors.take());
  std::vector<std::string> sorted(names.begin(), names.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const std::string& a, const std::string& b) { return natural_less(a, b); });
  return sorted;
}

Status check_index(std::string_view path, std::string_view text, std::span<const Shard> shards,
                   std::span<const Tensor> tensors) {
  std::vector<bool> listed(tensors.size(), false);
  ErrorList errors;
  errors.add(walk_map(path, text, [&](std::string_view name, const json::Value& value) {
    const Place place{.file = path, .tensor = name};
    const auto found =
        std::lower_bound(tensors.begin(), tensors.end(), name,
                         [](const Tensor& t, std::string_view key) { return t.name < key; });
    if (found == tensors.end() || found->name != name) {
      errors.add(fail(ErrorCode::input, place,
                      "is listed in " + value.text() + ", but no shard holds it"));
      return;
    }
    const std::string& shard = shards[found->shard].name;
    if (value.as_string() != std::string_view(shard)) {
      errors.add(fail(ErrorCode::input, place, "the shard", value.text(),
                      '"' + printable(shard) + "\", which holds it"));
    }
    const auto i = static_cast<std::size_t>(found - tensors.begin());
    if (listed[i]) errors.add(fail(ErrorCode::input, place, "is listed twice"));
    listed[i] = true;
  }));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (listed[i]) continue;
    errors.add(fail(
        ErrorCode::input, {.file = path, .tensor = tensors[i].name},
        "is in " + printable(shards[tensors[i].shard].name) + ", but the index does not list it"));
  }
  return errors.take();
}

}  // namespace thaw
