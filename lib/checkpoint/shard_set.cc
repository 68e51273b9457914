#include "checkpoint/shard_set.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "checkpoint/names.h"

namespace thaw {

namespace {

// The number that fills `text`, of at most 9 digits.
std::optional<std::uint32_t> whole_number(std::string_view text) {
  std::uint32_t number = 0;
  if (text.empty() || text.size() > 9 || text.front() == '-') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

struct NumberedName {
  std::uint32_t number = 0;
  std::uint32_t count = 0;
};

// model-<number>-of-<count>.safetensors
std::optional<NumberedName> parse_numbered(std::string_view name) {
  constexpr std::string_view kPrefix = "model-";
  constexpr std::string_view kOf = "-of-";
  if (name.size() < kPrefix.size() + kWeightEnding.size()) return std::nullopt;
  if (name.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  if (name.substr(name.size() - kWeightEnding.size()) != kWeightEnding) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  name.remove_suffix(kWeightEnding.size());
  const std::size_t of = name.find(kOf);
  if (of == std::string_view::npos) return std::nullopt;
  const std::optional<std::uint32_t> number = whole_number(name.substr(0, of));
  const std::optional<std::uint32_t> count = whole_number(name.substr(of + kOf.size()));
  if (!number || !count) return std::nullopt;
  return NumberedName{*number, *count};
}

Status fail_set(const std::string& directory, const std::string& what) {
  return fail(ErrorCode::input, {.file = directory, .tensor = {}}, what,
              "The download may be incomplete; download the model again.");
}

Result<std::vector<std::string>> complete_set(
    const std::string& directory, std::uint32_t count,
    const std::map<std::uint32_t, std::vector<std::string>>& numbers) {
  const std::string of = " of " + std::to_string(count);
  std::vector<std::string> names;
  for (const auto& [number, same] : numbers) {
    if (number == 0 || number > count) {
      return fail_set(directory, "shard " + std::to_string(number) + of + ": no such number");
    }
    if (same.size() > 1) {
      return fail_set(directory, "shard " + std::to_string(number) + of + " is there twice: " +
                                     printable(same[0]) + " and " + printable(same[1]));
    }
    names.push_back(same[0]);
  }
  if (names.size() != count) {
    std::uint32_t missing = 1;
    while (numbers.count(missing) != 0) ++missing;
    return fail_set(directory, "an incomplete set of shards: got " + std::to_string(names.size()) +
                                   of + ", and number " + std::to_string(missing) + " is missing");
  }
  return names;
}

// Why there is nothing to read, and what to do about it.
Status fail_nothing(const std::string& directory, std::span<const DirectoryEntry> entries) {
  std::string safetensors;
  std::string other;
  for (const DirectoryEntry& entry : entries) {
    if (!is_weight_name(entry.name)) continue;
    const std::string_view name = entry.name;
    const bool ours = name.size() > kWeightEnding.size() &&
                      name.substr(name.size() - kWeightEnding.size()) == kWeightEnding;
    std::string& first = ours ? safetensors : other;
    if (first.empty()) first = entry.name;
  }
  const Place place{.file = directory, .tensor = {}};
  const std::string expected =
      "expected model.safetensors, model.safetensors.index.json or a complete set of "
      "model-0000i-of-0000N.safetensors";
  if (!safetensors.empty()) {
    return fail(
        ErrorCode::input, place,
        "no model under a name that thaw knows: got " + printable(safetensors) + ", " + expected,
        "Pass the file itself as MODEL, if it is the whole model: " +
            printable(join_path(directory, safetensors)));
  }
  if (!other.empty()) {
    return fail(ErrorCode::input, place,
                "no safetensors weights: got " + printable(other) + ", " + expected,
                "thaw reads safetensors only, no pickles (.bin, .pt) and no other formats; convert "
                "the weights to safetensors first.");
  }
  return fail(ErrorCode::input, place, "no weights in this directory: " + expected);
}

}  // namespace

Result<std::vector<std::string>> shards_without_index(const std::string& directory,
                                                      std::span<const DirectoryEntry> entries) {
  // By count, then by number, the names.
  std::map<std::uint32_t, std::map<std::uint32_t, std::vector<std::string>>> sets;
  for (const DirectoryEntry& entry : entries) {
    if (entry.name == kSingleName) return std::vector<std::string>{entry.name};
    if (const std::optional<NumberedName> name = parse_numbered(entry.name)) {
      sets[name->count][name->number].push_back(entry.name);
    }
  }
  if (sets.empty()) return fail_nothing(directory, entries);
  if (sets.size() > 1) {
    return fail(ErrorCode::input, {.file = directory, .tensor = {}},
                "shards of more than one model: sets of " + std::to_string(sets.begin()->first) +
                    " and of " + std::to_string(std::next(sets.begin())->first),
                "Leave one set in the directory, or add the index that says which is meant.");
  }
  return complete_set(directory, sets.begin()->first, sets.begin()->second);
}

}  // namespace thaw
