#include "model/choose.h"

#include "base/nearest.h"
#include "base/text.h"
#include "model/spec_keys.h"

namespace thaw {

namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text.append(text.empty() ? "" : ", ").append(in_quotes(name));
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
  constexpr std::size_t kMost = 3;
  std::vector<std::string> known;
  for (const ModelSpec& spec : specs) {
    known.push_back(spec.name);
    known.insert(known.end(), spec.model_types.begin(), spec.model_types.end());
  }
  return nearest_words(name, known, kMost);
}

Status unknown_spec(std::span<const ModelSpec> specs, const std::string& directory,
                    std::string_view name) {
  const std::vector<std::string> near = nearest_names(specs, name);
  std::string what = "no model spec has the name or serves the type " + in_quotes(name);
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
