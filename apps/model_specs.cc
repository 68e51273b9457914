#include "model_specs.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace thaw::app {

std::string model_specs_directory() {
  const char* const variable = std::getenv("THAW_MODELS");
  if (variable != nullptr && *variable != '\0') return variable;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    const auto installed = (program.parent_path() / THAW_INSTALLED_MODELS).lexically_normal();
    if (std::filesystem::is_directory(installed, error)) return installed.string();
  }
  return THAW_SOURCE_MODELS;
}

}  // namespace thaw::app
