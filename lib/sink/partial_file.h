// The name under which one output file is written, and how it becomes the output: by a rename, when
// it is whole. specs/archives.md clause 5.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "io/file_system.h"
#include "io/lock.h"

namespace thaw {

// Owns `out`.partial, and removes it unless publish() renames it.
class PartialFile {
 public:
  struct Settings {
    std::string out;       // resolved
    bool replace = false;  // a regular file that stands there
    // How a file that an earlier run left begins, if it has any content.
    bool (*is_ours)(std::string_view start) = nullptr;
    std::optional<std::uint64_t> size;  // free space is compared with it
  };
  // Errors: ErrorCode::locked, usage (something else has the name), no_space, io.
  static Result<PartialFile> open(FileSystem& file_system, const Settings& settings);
  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&& other) = delete;
  // False where the file system has no locks.
  [[nodiscard]] bool locked() const { return lock_.supported(); }
  ~PartialFile() { remove(); }

  [[nodiscard]] const std::string& path() const { return path_; }
  // After all of it is durable.
  [[nodiscard]] Status publish();
  void remove();

 private:
  PartialFile(FileSystem& file_system, const Settings& settings, Lock lock);

  FileSystem& file_system_;
  std::string out_;
  std::string path_;
  bool replace_;
  bool ours_ = false;
  Lock lock_;
};

}  // namespace thaw
