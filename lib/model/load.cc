// Model specs from files.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "io/directory.h"
#include "model/spec.h"

namespace thaw {

namespace {

constexpr std::uint64_t kMostBytes = 1u << 20;

// Two specs for one type: whichever came first would decide what is converted.
void check_types(const std::vector<ModelSpec>& specs, const ModelSpec& added, ErrorList& errors) {
  for (const std::string& type : added.model_types) {
    const ModelSpec* other = find_model_spec(specs, type);
    if (other == nullptr) continue;
    errors.add(fail(ErrorCode::input, Place{added.file, {}},
                    "model_types: \"" + printable(type) + "\" is served by " +
                        printable(other->file) + " too"));
  }
}

}  // namespace

Result<ModelSpec> load_model_spec(FileSystem& file_system, const std::string& path) {
  THAW_ASSIGN_OR_RETURN(const std::string text, read_file(file_system, path, kMostBytes));
  return parse_model_spec(path, text);
}

Result<std::vector<ModelSpec>> load_model_specs(FileSystem& file_system,
                                                const std::string& directory) {
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(directory));
  std::vector<ModelSpec> specs;
  ErrorList errors;
  for (const DirectoryEntry& entry : entries) {
    if (!entry.name.ends_with(".json")) continue;
    std::string path = directory;
    path.append("/").append(entry.name);
    Result<ModelSpec> spec = load_model_spec(file_system, path);
    if (!spec.ok()) {
      errors.add(std::move(spec).take_status());
      continue;
    }
    check_types(specs, spec.value(), errors);
    specs.push_back(std::move(spec).value());
  }
  THAW_RETURN_IF_ERROR(errors.take());
  return specs;
}

const ModelSpec* find_model_spec(std::span<const ModelSpec> specs, std::string_view model_type) {
  for (const ModelSpec& spec : specs) {
    const auto& types = spec.model_types;
    if (std::find(types.begin(), types.end(), model_type) != types.end()) return &spec;
  }
  return nullptr;
}

}  // namespace thaw
