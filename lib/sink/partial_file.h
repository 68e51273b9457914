// The name under which one output file is written, and how it becomes the output: by a rename, when
// it is whole. specs/archives.md clause 5.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "io/file_system.h"
#include "io/folder.h"
#include "io/lock.h"
#include "sink/likeness.h"

namespace thaw {

// Owns `out`.partial, and removes it unless publish() renames it.
class PartialFile {
 public:
  struct Settings {
    std::string out;                     // resolved
    bool replace = false;                // a regular file that stands there
    std::optional<Likeness> found = {};  // what stood there when it was judged; else at open()
    // How a file that an earlier run left begins, if it has any content.
    bool (*is_ours)(std::string_view start) = nullptr;
    std::optional<std::uint64_t> size;  // free space is compared with it
  };
  // Errors: ErrorCode::locked, usage (something else has the name, or it belongs to another user),
  // no_space, io.
  static Result<PartialFile> open(FileSystem& file_system, const Settings& settings);
  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&& other) = delete;
  // False where the file system has no locks.
  [[nodiscard]] bool locked() const { return lock_.supported(); }
  ~PartialFile() { remove(); }

  [[nodiscard]] const std::string& path() const { return path_; }
  // After all of it is durable. What stands at `out` is replaced only if it is as it was judged.
  [[nodiscard]] Status publish();
  void remove();

 private:
  PartialFile(Folder parent, const Settings& settings, Lock lock);
  Status replace();

  Folder parent_;
  std::string out_;  // the name in its folder
  std::string name_;
  std::string path_;
  bool replace_;
  bool ours_ = false;
  Likeness found_;
  Lock lock_;
};

}  // namespace thaw
