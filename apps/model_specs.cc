#include "model_specs.h"

#include <sys/auxv.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace thaw::app {

namespace {

// Without /proc, as in a bare chroot, it is what the system was asked to start.
std::filesystem::path program_path(std::error_code& error) {
  std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) return path;
  // The kernel hands it over as a number.
  const auto* const started = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  if (started == nullptr) return path;
  return std::filesystem::canonical(started, error);
}

}  // namespace

std::string model_specs_directory() {
  const char* const variable = std::getenv("THAW_MODELS");
  if (variable != nullptr && *variable != '\0') return variable;
  std::error_code error;
  const std::filesystem::path program = program_path(error);
  if (!error) {
    const auto installed = (program.parent_path() / THAW_INSTALLED_MODELS).lexically_normal();
    if (std::filesystem::is_directory(installed, error)) return installed.string();
  }
  return THAW_SOURCE_MODELS;
}

}  // namespace thaw::app
