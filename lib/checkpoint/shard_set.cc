#include "checkpoint/shard_set.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "checkpoint/download_hint.h"
#include "checkpoint/file_role.h"
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

using Numbers = std::map<std::uint32_t, std::vector<std::string>>;  // by number, the names

bool is_there(std::span<const DirectoryEntry> entries, std::string_view name) {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const DirectoryEntry& entry) { return entry.name == name; });
}

Status fail_set(const std::string& directory, const std::string& what) {
  return fail(ErrorCode::input, {.file = directory, .tensor = {}}, what,
              download_hint(join_path(directory, kSingleName)));
}

Result<std::vector<std::string>> complete_set(const std::string& directory, std::uint32_t count,
                                              const Numbers& numbers) {
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
  std::string adapter;
  for (const DirectoryEntry& entry : entries) {
    if (!is_weight_name(entry.name)) continue;
    if (role_of(entry.name, "") == FileRole::adapter) {
      adapter = entry.name;
      continue;
    }
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
  if (!adapter.empty()) {
    return fail(ErrorCode::input, place,
                "an adapter and no model: got " + printable(adapter) + ", " + expected,
                "Pass the model that the adapter is for.");
  }
  return fail(ErrorCode::input, place, "no weights in this directory: " + expected);
}

// Whether a file may be the model under another name than model.safetensors.
bool may_be_model(const DirectoryEntry& entry) {
  return entry.kind == FileKind::regular && entry.name.size() > kWeightEnding.size() &&
         entry.name.ends_with(kWeightEnding) && role_of(entry.name, "") != FileRole::adapter &&
         !lowered_name(entry.name).starts_with("consolidated") &&
         !lowered_name(entry.name).starts_with("optimizer") && !names_prediction_blocks(entry.name);
}

// Files of one name, numbered or not: "gptq_model-4bit-128g" and its count; of one file 0.
using Family = std::pair<std::string, std::uint32_t>;

// The files of another name than model.safetensors.
Result<std::vector<std::string>> shards_of_other_name(const std::string& directory,
                                                      std::span<const DirectoryEntry> entries,
                                                      std::string_view base_name) {
  std::map<Family, Numbers> families;
  for (const DirectoryEntry& entry : entries) {
    if (!may_be_model(entry)) continue;
    const std::string_view name = entry.name;
    if (const std::optional<NumberedName> numbered = parse_numbered(name)) {
      families[{std::string(numbered->stem), numbered->count}][numbered->number].push_back(
          entry.name);
    } else {
      families[{std::string(name.substr(0, name.size() - kWeightEnding.size())), 0}][1].push_back(
          entry.name);
    }
  }
  const auto keep_only = [&](const auto& is_meant) {
    if (families.size() < 2) return;
    std::map<Family, Numbers> meant;
    for (const auto& [family, numbers] : families) {
      if (is_meant(family.first)) meant.emplace(family, numbers);
    }
    if (!meant.empty()) families = std::move(meant);
  };
  keep_only([&](const std::string& stem) { return stem == base_name; });
  keep_only([](const std::string& stem) { return stem.starts_with("gptq_model-"); });
  const bool config = is_there(entries, kConfigName) ||
                      std::any_of(quantization_names().begin(), quantization_names().end(),
                                  [&](std::string_view name) { return is_there(entries, name); });
  if (families.size() != 1 || !config) return fail_nothing(directory, entries);
  const auto& [family, numbers] = *families.begin();
  if (family.second == 0) return numbers.begin()->second;
  return complete_set(directory, family.second, numbers);
}

}  // namespace

std::optional<NumberedName> parse_numbered(std::string_view name) {
  constexpr std::string_view kOf = "-of-";
  if (!name.ends_with(kWeightEnding)) return std::nullopt;
  name.remove_suffix(kWeightEnding.size());
  const std::size_t of = name.rfind(kOf);
  if (of == std::string_view::npos) return std::nullopt;
  const std::size_t dash = name.substr(0, of).rfind('-');
  if (dash == std::string_view::npos || dash == 0) return std::nullopt;
  const std::optional<std::uint32_t> number = whole_number(name.substr(dash + 1, of - dash - 1));
  const std::optional<std::uint32_t> count = whole_number(name.substr(of + kOf.size()));
  if (!number || !count) return std::nullopt;
  return NumberedName{name.substr(0, dash), *number, *count};
}

std::string index_name(std::span<const DirectoryEntry> entries) {
  constexpr std::string_view kEnding = ".safetensors.index.json";
  if (is_there(entries, kIndexName)) return std::string(kIndexName);
  if (is_there(entries, kSingleName)) return {};
  std::string found;
  for (const DirectoryEntry& entry : entries) {
    if (!entry.name.ends_with(kEnding) || entry.kind != FileKind::regular) continue;
    if (role_of(entry.name, "") == FileRole::adapter) continue;
    if (lowered_name(entry.name).starts_with("consolidated")) continue;
    if (!found.empty()) return {};
    found = entry.name;
  }
  return found;
}

Result<std::vector<std::string>> shards_without_index(const std::string& directory,
                                                      std::span<const DirectoryEntry> entries,
                                                      std::string_view base_name) {
  if (is_there(entries, kSingleName)) return std::vector<std::string>{std::string(kSingleName)};
  std::map<std::uint32_t, Numbers> sets;  // by count
  for (const DirectoryEntry& entry : entries) {
    const std::optional<NumberedName> name = parse_numbered(entry.name);
    if (name && name->stem == "model") sets[name->count][name->number].push_back(entry.name);
  }
  if (sets.empty()) return shards_of_other_name(directory, entries, base_name);
  if (sets.size() > 1) {
    return fail(ErrorCode::input, {.file = directory, .tensor = {}},
                "shards of more than one model: sets of " + std::to_string(sets.begin()->first) +
                    " and of " + std::to_string(std::next(sets.begin())->first),
                "Leave one set in the directory, or add the index that says which is meant.");
  }
  return complete_set(directory, sets.begin()->first, sets.begin()->second);
}

}  // namespace thaw
