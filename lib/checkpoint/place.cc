#include "checkpoint/place.h"

#include <optional>

#include "checkpoint/download_hint.h"
#include "checkpoint/hub_cache.h"
#include "checkpoint/names.h"
#include "checkpoint/near_model.h"
#include "io/directory.h"

namespace thaw {

namespace {

ModelPlace split_path(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {.directory = ".", .file = path};
  return {.directory = slash == 0 ? "/" : path.substr(0, slash), .file = path.substr(slash + 1)};
}

bool ends_with(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

}  // namespace

Result<ModelPlace> find_model(const std::string& model) {
  const Place place{.file = model.empty() ? "MODEL" : std::string_view(model), .tensor = {}};
  if (model.empty() || model.find('\0') != std::string::npos) {
    return fail(ErrorCode::input, place, "is not a path");
  }
  const std::optional<FileKind> kind = file_kind(model);
  if (kind == FileKind::directory) return ModelPlace{.directory = model, .file = {}};
  if (kind == FileKind::regular && ends_with(model, kWeightEnding)) return split_path(model);
  if (kind == FileKind::regular) {
    return fail(ErrorCode::input, place, "is neither a directory nor a .safetensors file",
                ends_with(model, ".json") ? "Pass the directory that holds it as MODEL." : "");
  }
  if (!kind && !exists(model)) {
    if (const std::optional<HubName> name = parse_hub_name(model)) {
      THAW_ASSIGN_OR_RETURN(std::string directory, find_in_hub_cache(*name));
      return ModelPlace{.directory = std::move(directory), .file = {}};
    }
    return fail(ErrorCode::input, place, "no such file or directory",
                near_model(model) +
                    "MODEL is a directory, a .safetensors file, or org/name[@revision] of a model "
                    "in the local Hugging Face cache.");
  }
  THAW_RETURN_IF_ERROR(check_regular_file(model));
  return fail(ErrorCode::input, place, "is not a regular file");  // it was replaced meanwhile
}

Status check_regular_file(const std::string& path) {
  const Place place{.file = path, .tensor = {}};
  const std::optional<FileKind> kind = file_kind(path);
  if (kind == FileKind::regular) return {};
  if (kind == FileKind::directory) {
    return fail(ErrorCode::input, place, "is a directory, expected a file");
  }
  if (kind) {
    return fail(ErrorCode::input, place, "is not a regular file but a device, a FIFO or a socket");
  }
  if (exists(path)) {
    return fail(ErrorCode::input, place, "is a link to a file that is not there",
                download_hint(path));
  }
  return fail(ErrorCode::input, place, "is not there", download_hint(path));
}

}  // namespace thaw
