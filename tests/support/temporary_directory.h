// A directory for one test, removed with everything in it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace thaw::testing {

class TemporaryDirectory {
 public:
  enum class Place : bool { disk, memory };
  // In memory where the system has a file system for that: thousands of small runs are quick there.
  explicit TemporaryDirectory(Place place = Place::disk) {
    std::error_code missing;
    std::filesystem::path parent = std::filesystem::temp_directory_path();
    if (place == Place::memory && std::filesystem::is_directory("/dev/shm", missing)) {
      parent = "/dev/shm";
    }
    std::string name = (parent / "thaw-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return path_ + "/" + std::string(name);
  }
  // Writes a file below the directory, making the folders it needs; returns its path.
  std::string write(std::string_view name, std::string_view content) const {
    const std::string path = *this / name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

 private:
  std::string path_;
};

// The whole content; empty when the file cannot be read.
inline std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace thaw::testing
