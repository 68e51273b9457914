// A file that takes its name in one step: it is written under a random name in the same directory,
// and renamed when it is whole and durable. Whoever opens the name sees the old content or the new
// one, never half of it, also when two processes do this at once: each has a file of its own, and
// the later rename wins.
//
// The temporary file is made with O_EXCL and O_NOFOLLOW, so nothing that is there is ever opened:
// neither a link that somebody put there nor a file of the user's. specs/safety.md clause 1.5.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "io/file_system.h"

namespace thaw {

// Owns the temporary file until publish() succeeds; the destructor removes it. Not thread-safe.
class AtomicFile {
 public:
  // Makes the temporary file, empty, so that a directory that cannot be written is found now. Its
  // mode is that of the regular file at `path`, or what the umask leaves of 0666 where there is
  // none. A file that is there is not touched.
  static Result<AtomicFile> create(FileSystem& file_system, const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  ~AtomicFile();

  [[nodiscard]] Status append(std::string_view content);
  // Once: syncs the content, renames, and syncs the directory. A link at `path` is replaced, not
  // followed. After an error before the rename, what was at `path` is there unchanged.
  [[nodiscard]] Status publish();

 private:
  AtomicFile(FileSystem& file_system, std::string path, std::string temporary, int fd);

  FileSystem* file_system_;
  std::string path_;
  std::string temporary_;  // empty: renamed, or moved from
  int fd_;
  std::uint64_t size_ = 0;
};

// The whole content at once.
[[nodiscard]] Status save_file(FileSystem& file_system, const std::string& path,
                               std::string_view content);

// Whether a name is one that AtomicFile gives to its temporary files (".thaw-0123456789abcdef.new",
// whatever the file is to be called). A process that was killed may leave one; in a directory that
// belongs to a run alone it may be removed.
[[nodiscard]] bool is_temporary_name(std::string_view name);

}  // namespace thaw
