#include "sink/directory_sink.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "io/crc32.h"
#include "io/directory.h"
#include "io/read_back.h"
#include "sink/partial_directory.h"

namespace thaw {

namespace {

struct FileState {
  std::mutex mutex;  // of the opening
  std::optional<OutputFile> file;
  std::atomic<std::uint64_t> remaining{0};
  std::atomic<bool> kept{false};  // from an earlier run, and checked
  std::optional<Crc32> crc32;
};

class Directory final : public DirectorySink {
 public:
  Directory(FileSystem& file_system, const PlannedFiles& plan, const OutputSettings& settings,
            std::unique_ptr<PartialDirectory> partial)
      : file_system_(file_system),
        plan_(plan),
        settings_(settings),
        partial_(std::move(partial)),
        files_(plan.files.size()) {
    for (std::size_t i = 0; i < files_.size(); ++i) {
      files_[i].remaining = plan.files[i].size;
      files_[i].crc32.emplace(plan.files[i].size);
      if (!partial_->complete()) continue;
      files_[i].remaining = 0;
      files_[i].kept = true;
    }
  }

  [[nodiscard]] bool ordered() const override { return false; }
  [[nodiscard]] bool rereads() const override { return false; }
  [[nodiscard]] bool used_direct() const override { return used_direct_; }
  [[nodiscard]] bool locked() const override { return partial_->locked(); }
  [[nodiscard]] bool published() const override { return partial_->published(); }
  [[nodiscard]] bool has(std::uint32_t file) const override { return files_[file].kept; }

  [[nodiscard]] std::vector<std::uint32_t> found() const override;
  [[nodiscard]] Status check(std::uint32_t file, std::span<std::byte> buffer,
                             const std::function<Status(std::uint64_t)>& advance) override;
  [[nodiscard]] Status write(std::uint32_t file, std::uint64_t offset,
                             std::span<const std::byte> bytes) override {
    return write_summed(file, offset, bytes, checksum(bytes));
  }
  [[nodiscard]] std::uint32_t checksum(std::span<const std::byte> bytes) const override {
    return crc32_of(bytes);
  }
  [[nodiscard]] Status write_summed(std::uint32_t file, std::uint64_t offset,
                                    std::span<const std::byte> bytes,
                                    std::uint32_t checksum) override;
  [[nodiscard]] Status add(const std::string& name, std::string_view content) override;
  [[nodiscard]] Status finish() override;
  void abandon(Keep keep) override;
  [[nodiscard]] std::string path_of(std::uint32_t file) const override {
    return partial_->path() + "/" + plan_.files[file].name;
  }

 private:
  Status open_file(std::uint32_t file);
  Status close_file(std::uint32_t file);
  Status sync_directories();

  FileSystem& file_system_;
  const PlannedFiles& plan_;
  const OutputSettings settings_;
  std::unique_ptr<PartialDirectory> partial_;
  std::vector<FileState> files_;
  std::atomic<bool> used_direct_{false};
};

std::vector<std::uint32_t> Directory::found() const {
  std::vector<std::uint32_t> files;
  for (std::uint32_t i = 0; i < files_.size(); ++i) {
    if (partial_->found(i) && !files_[i].kept) files.push_back(i);
  }
  return files;
}

// The bytes that stand in the plan, the header of a shard above all, are compared; the checksum
// speaks for the others.
Status Directory::check(std::uint32_t file, std::span<std::byte> buffer,
                        const std::function<Status(std::uint64_t)>& advance) {
  const PlannedFile& planned = plan_.files[file];
  Crc32 crc32(planned.size);
  bool right = true;
  Status stopped;
  const Status read = read_back(
      file_system_, path_of(file), planned.size, buffer,
      [&](std::uint64_t offset, std::span<const std::byte> bytes) {
        crc32.add(offset, bytes.size(), crc32_of(bytes));
        for (const Segment& segment : planned.segments) {
          if (segment.kind != SegmentKind::literal) continue;
          const std::uint64_t from = std::max(offset, segment.offset);
          const std::uint64_t end = std::min(offset + bytes.size(), segment.offset + segment.size);
          if (from >= end) continue;
          const char* const expected =
              plan_.literals[segment.source].data() + segment.begin + (from - segment.offset);
          right = right && std::equal(expected, expected + (end - from),
                                      reinterpret_cast<const char*>(bytes.data()) + from - offset);
        }
        stopped = advance(bytes.size());
        return stopped.ok() && right ? Status() : Status(Error{});
      });
  if (!stopped.ok()) return stopped;
  if (!read.ok() || !right || crc32.value() != partial_->found(file)) return {};
  files_[file].remaining = 0;
  files_[file].kept = true;
  return {};
}

Status Directory::open_file(std::uint32_t file) {
  const std::string path = path_of(file);
  if (plan_.files[file].name.find('/') != std::string::npos) {
    THAW_RETURN_IF_ERROR(make_directories(file_system_, parent_of(path)));
  }
  THAW_ASSIGN_OR_RETURN(files_[file].file, OutputFile::create(file_system_, path + kUnfinished,
                                                              plan_.files[file].size, settings_));
  return {};
}

// Each step is durable before the next: what the state lists is whole.
Status Directory::close_file(std::uint32_t file) {
  FileState& state = files_[file];
  THAW_RETURN_IF_ERROR(state.file->finish());
  if (state.file->used_direct()) used_direct_ = true;
  state.file.reset();
  const std::string path = path_of(file);
  THAW_RETURN_IF_ERROR(rename_path(file_system_, path + kUnfinished, path));
  THAW_RETURN_IF_ERROR(partial_->sync_folders_of(file));
  return partial_->add_finished(file, state.crc32->value());
}

Status Directory::write_summed(std::uint32_t file, std::uint64_t offset,
                               std::span<const std::byte> bytes, std::uint32_t checksum) {
  FileState& state = files_[file];
  {
    const std::lock_guard lock(state.mutex);
    if (!state.file) THAW_RETURN_IF_ERROR(open_file(file));
  }
  state.crc32->add(offset, bytes.size(), checksum);
  THAW_RETURN_IF_ERROR(state.file->write(offset, bytes));
  if (state.remaining.fetch_sub(bytes.size()) == bytes.size()) return close_file(file);
  return {};
}

Status Directory::add(const std::string& name, std::string_view content) {
  const std::string path = partial_->path() + "/" + name;
  const OutputSettings plain{.direct = false, .window = 0};
  THAW_ASSIGN_OR_RETURN(
      OutputFile file, OutputFile::create(file_system_, path + kUnfinished, content.size(), plain));
  THAW_RETURN_IF_ERROR(file.write(0, std::as_bytes(std::span(content))));
  THAW_RETURN_IF_ERROR(file.finish());
  return rename_path(file_system_, path + kUnfinished, path);
}

Status Directory::sync_directories() {
  std::set<std::string> directories = {partial_->path()};
  for (const PlannedFile& file : plan_.files) {
    for (std::size_t slash = file.name.find('/'); slash != std::string::npos;
         slash = file.name.find('/', slash + 1)) {
      directories.insert(partial_->path() + "/" + file.name.substr(0, slash));
    }
  }
  for (const std::string& directory : directories) {
    THAW_RETURN_IF_ERROR(sync_directory(file_system_, directory));
  }
  return {};
}

Status Directory::finish() {
  for (std::uint32_t i = 0; i < files_.size(); ++i) {
    if (files_[i].remaining != 0) {
      return fail(ErrorCode::bug, {.file = path_of(i), .tensor = {}}, "was not written whole");
    }
    if (plan_.files[i].size != 0 || files_[i].kept) continue;
    THAW_RETURN_IF_ERROR(open_file(i));
    THAW_RETURN_IF_ERROR(close_file(i));
  }
  THAW_RETURN_IF_ERROR(sync_directories());
  return partial_->publish();
}

void Directory::abandon(Keep keep) {
  for (FileState& state : files_) state.file.reset();
  if (keep == Keep::nothing) partial_->remove();
}

}  // namespace

Result<std::unique_ptr<DirectorySink>> DirectorySink::open(FileSystem& file_system,
                                                           const PlannedFiles& plan,
                                                           const DirectorySettings& settings) {
  THAW_ASSIGN_OR_RETURN(std::unique_ptr<PartialDirectory> partial,
                        PartialDirectory::open(file_system, plan, settings));
  return std::unique_ptr<DirectorySink>(
      std::make_unique<Directory>(file_system, plan, settings.file, std::move(partial)));
}

}  // namespace thaw
