#include "view/specs_beside.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace thaw {

std::string model_specs_beside() {
  const char* const variable = std::getenv("THAW_MODELS");
  if (variable != nullptr && *variable != '\0') return variable;
  Dl_info loaded{};
  if (::dladdr(reinterpret_cast<const void*>(&model_specs_beside), &loaded) == 0 ||
      loaded.dli_fname == nullptr) {
    return THAW_SOURCE_MODELS;
  }
  std::error_code error;
  std::filesystem::path folder = std::filesystem::canonical(loaded.dli_fname, error).parent_path();
  // thaw/share in a wheel, /usr/share for /usr/lib and for /usr/lib/x86_64-linux-gnu.
  for (int up = 0; up < 3 && !error; ++up, folder = folder.parent_path()) {
    const std::filesystem::path models = folder / "share/thaw/models";
    if (std::filesystem::is_directory(models, error)) return models.string();
  }
  return THAW_SOURCE_MODELS;
}

}  // namespace thaw
