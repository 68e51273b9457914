#include "sink/partial_file.h"

#include <utility>

#include "base/text.h"
#include "io/directory.h"
#include "sink/space.h"

namespace thaw {

namespace {

constexpr std::size_t kStart = 4096;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

PartialFile::PartialFile(FileSystem& file_system, const Settings& settings, Lock lock)
    : file_system_(file_system),
      out_(settings.out),
      path_(settings.out + ".partial"),
      replace_(settings.replace),
      lock_(std::move(lock)) {}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : file_system_(other.file_system_),
      out_(std::move(other.out_)),
      path_(std::move(other.path_)),
      replace_(other.replace_),
      ours_(std::exchange(other.ours_, false)),
      lock_(std::move(other.lock_)) {}

Result<PartialFile> PartialFile::open(FileSystem& file_system, const Settings& settings) {
  const std::string folder = folder_of(settings.out);
  THAW_RETURN_IF_ERROR(make_directories(file_system, folder));
  const std::string path = settings.out + ".partial";
  THAW_ASSIGN_OR_RETURN(Lock lock, Lock::take_file(file_system, path));
  PartialFile partial(file_system, settings, std::move(lock));
  THAW_ASSIGN_OR_RETURN(const std::string start, partial.lock_.read_start(path, kStart));
  // Zeros are space that was reserved and not yet written.
  const bool zeros = start.find_first_not_of('\0') == std::string::npos;
  if (!zeros && !settings.is_ours(start)) {
    return fail(ErrorCode::usage, {.file = path, .tensor = {}}, "exists and was not made by thaw",
                "Move it away, or choose another OUT.");
  }
  partial.ours_ = true;
  if (settings.size) {
    THAW_ASSIGN_OR_RETURN(const FreeSpace space, free_space(file_system, folder));
    THAW_ASSIGN_OR_RETURN(const std::uint64_t held, partial.lock_.allocated(path));
    const std::uint64_t need = file_need(*settings.size, space.block);
    if (space.known && need > space.available + held) {
      return fail(ErrorCode::no_space, {.file = folder, .tensor = {}},
                  "not enough space: the archive needs " + bytes_text(need) + ", free are " +
                      bytes_text(space.available + held),
                  "Choose an OUT on another disk, free some space, or write a tar.zst or a pipe.");
    }
  }
  return partial;
}

Status PartialFile::publish() {
  if (replace_) {
    if (exists(out_) && file_kind(out_) != FileKind::regular) {
      return fail(ErrorCode::usage, {.file = out_, .tensor = {}}, "is no regular file any more");
    }
    THAW_RETURN_IF_ERROR(rename_path(file_system_, path_, out_));
  } else {
    THAW_RETURN_IF_ERROR(rename_to_new(file_system_, path_, out_));
  }
  ours_ = false;
  return sync_directory(file_system_, folder_of(out_));
}

void PartialFile::remove() {
  // Nobody is there to tell when this fails: the run ends with an error already.
  if (std::exchange(ours_, false)) static_cast<void>(file_system_.unlink(path_.c_str()));
}

}  // namespace thaw
