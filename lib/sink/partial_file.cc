#include "sink/partial_file.h"

#include <utility>

#include "base/text.h"
#include "io/directory.h"
#include "sink/names.h"
#include "sink/ownership.h"
#include "sink/space.h"

namespace thaw {

namespace {

constexpr std::size_t kStart = 4096;

}  // namespace

PartialFile::PartialFile(Folder parent, const Settings& settings, Lock lock)
    : parent_(std::move(parent)),
      out_(settings.out.substr(settings.out.rfind('/') + 1)),
      name_(out_ + kPartial),
      path_(settings.out + kPartial),
      replace_(settings.replace),
      lock_(std::move(lock)) {}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : parent_(std::move(other.parent_)),
      out_(std::move(other.out_)),
      name_(std::move(other.name_)),
      path_(std::move(other.path_)),
      replace_(other.replace_),
      ours_(std::exchange(other.ours_, false)),
      found_(std::move(other.found_)),
      lock_(std::move(other.lock_)) {}

Result<PartialFile> PartialFile::open(FileSystem& file_system, const Settings& settings) {
  const std::string folder = parent_of(settings.out);
  THAW_RETURN_IF_ERROR(make_directories(file_system, folder));
  THAW_ASSIGN_OR_RETURN(Folder parent, Folder::open(file_system, folder));
  const std::string path = settings.out + kPartial;
  const std::string out = settings.out.substr(settings.out.rfind('/') + 1);
  // It becomes the output: as open as any new file, but not more than what it replaces.
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> old, parent.look(out));
  const mode_t mode = old ? old->mode & 0666 : 0666;
  THAW_ASSIGN_OR_RETURN(Lock lock,
                        take_own_lock(parent, out + kPartial, Sharing::exclusive, mode | 0600));
  THAW_ASSIGN_OR_RETURN(const Likeness now, Likeness::at(parent, out));
  PartialFile partial(std::move(parent), settings, std::move(lock));
  partial.found_ = settings.found.value_or(now);
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
  THAW_ASSIGN_OR_RETURN(const Entry mine, lock_.entry(path_));
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> named, parent_.look(name_));
  if (!named || !named->same_as(mine)) {
    ours_ = false;
    return fail(ErrorCode::io, {.file = path_, .tensor = {}},
                "was replaced by another file while this run wrote it",
                "Choose an OUT where nobody else may rename, and run again.");
  }
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> old, parent_.look(out_));
  THAW_ASSIGN_OR_RETURN(const Likeness now, Likeness::at(parent_, out_));
  const std::string out = parent_.path_of(out_);
  if (old && old->kind == FileKind::directory) {
    return fail(ErrorCode::usage, {.file = out, .tensor = {}}, "is no regular file any more");
  }
  if (!(now == found_)) {
    return fail(ErrorCode::io, {.file = out, .tensor = {}},
                "changed while this run worked, so it is not replaced", "Look at it.");
  }
  if (replace_ && old) {
    THAW_RETURN_IF_ERROR(parent_.set_access(name_, {old->mode & 0777, old->owner, old->group}));
    THAW_RETURN_IF_ERROR(replace());
  } else {
    THAW_RETURN_IF_ERROR(parent_.rename_to_new(name_, out_));
  }
  ours_ = false;
  return parent_.sync();
}

// What comes out is looked at before it goes.
Status PartialFile::replace() {
  THAW_ASSIGN_OR_RETURN(const bool exchanged, parent_.exchange(name_, out_));
  if (!exchanged) return parent_.rename(name_, out_);
  ours_ = false;
  THAW_ASSIGN_OR_RETURN(const Likeness out, Likeness::at(parent_, name_));
  if (out == found_) return parent_.remove(name_);
  return fail(ErrorCode::io, {.file = path_, .tensor = {}},
              "holds what stood at OUT and was changed while it was replaced: it is kept",
              "Look at it, then move it or remove it.");
}

void PartialFile::remove() {
  // Nobody is there to tell when this fails: the run ends with an error already.
  if (!std::exchange(ours_, false)) return;
  const Result<Entry> mine = lock_.entry(path_);
  const Result<std::optional<Entry>> named = parent_.look(name_);
  if (!mine.ok() || !named.ok() || !named.value() || !named.value()->same_as(mine.value())) return;
  static_cast<void>(parent_.remove(name_));
}

}  // namespace thaw
