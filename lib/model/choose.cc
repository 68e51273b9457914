#include "model/choose.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/text.h"
#include "model/spec_keys.h"

namespace thaw {

namespace {

constexpr std::size_t kLongestName = 64;  // beyond it nothing is near

// How many letters must be put in, left out or replaced, case aside.
std::size_t distance(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (const char c : a) {
    std::size_t diagonal = row[0]++;
    for (std::size_t i = 0; i < b.size(); ++i) {
      const std::size_t replaced = diagonal + (lower(c) == lower(b[i]) ? 0 : 1);
      diagonal = row[i + 1];
      row[i + 1] = std::min({replaced, row[i] + 1, row[i + 1] + 1});
    }
  }
  return row.back();
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text.append(text.empty() ? "" : ", ").append(quoted(name));
  return text;
}

}  // namespace

bool is_spec_path(std::string_view name) {
  return name.find('/') != std::string_view::npos || name.ends_with(".json");
}

const ModelSpec* find_named_spec(std::span<const ModelSpec> specs, std::string_view name) {
  for (const ModelSpec& spec : specs) {
    if (spec.name == name) return &spec;
  }
  return find_model_spec(specs, name);
}

std::vector<std::string> nearest_names(std::span<const ModelSpec> specs, std::string_view name) {
  std::vector<std::pair<std::size_t, std::string>> near;
  const auto consider = [&](const std::string& known) {
    if (known.size() > kLongestName || name.size() > kLongestName) return;
    const std::size_t letters = distance(name, known);
    if (letters <= std::max<std::size_t>(2, name.size() / 3)) near.emplace_back(letters, known);
  };
  for (const ModelSpec& spec : specs) {
    consider(spec.name);
    for (const std::string& type : spec.model_types) consider(type);
  }
  std::sort(near.begin(), near.end());
  near.erase(std::unique(near.begin(), near.end()), near.end());
  std::vector<std::string> names;
  for (std::size_t i = 0; i < near.size() && i < 3; ++i) names.push_back(near[i].second);
  return names;
}

Status unknown_spec(std::span<const ModelSpec> specs, const std::string& directory,
                    std::string_view name) {
  const std::vector<std::string> near = nearest_names(specs, name);
  std::string what = "no model spec has the name or serves the type " + quoted(name);
  if (!near.empty()) what += "; the nearest are " + joined(near);
  return fail(ErrorCode::input, Place{directory, {}}, what,
              "thaw specs lists all; thaw specs --derive MODEL drafts one from a checkpoint");
}

Result<ModelSpec> choose_model_spec(FileSystem& file_system, const std::string& directory,
                                    std::string_view name, std::string_view model_type) {
  if (is_spec_path(name)) return load_model_spec(file_system, std::string(name));
  THAW_ASSIGN_OR_RETURN(const std::vector<ModelSpec> specs,
                        load_model_specs(file_system, directory));
  const std::string_view asked = name.empty() ? model_type : name;
  if (asked.empty()) {
    return fail(ErrorCode::input, Place{directory, {}},
                "config.json has no model_type to choose a model spec by", "name one with --spec");
  }
  const ModelSpec* spec =
      name.empty() ? find_model_spec(specs, asked) : find_named_spec(specs, asked);
  if (spec == nullptr) return unknown_spec(specs, directory, asked);
  return *spec;
}

}  // namespace thaw
