#include "sink/directory_sink.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/text.h"
#include "io/directory.h"
#include "io/lock.h"

namespace thaw {

namespace {

constexpr const char* kStateFile = "thaw-state.json";
constexpr const char* kUnfinished = ".unfinished";

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

struct FileState {
  std::mutex mutex;  // of the opening
  std::optional<OutputFile> file;
  std::atomic<std::uint64_t> remaining{0};
};

class Directory final : public DirectorySink {
 public:
  Directory(FileSystem& file_system, const Plan& plan, DirectorySettings settings)
      : file_system_(file_system),
        plan_(plan),
        settings_(std::move(settings)),
        partial_(settings_.out + ".partial"),
        files_(plan.files.size()) {
    for (std::size_t i = 0; i < files_.size(); ++i) files_[i].remaining = plan.files[i].size;
  }

  Status start();

  [[nodiscard]] bool ordered() const override { return false; }
  [[nodiscard]] bool rereads() const override { return false; }
  [[nodiscard]] bool used_direct() const override { return used_direct_; }

  [[nodiscard]] Status write(std::uint32_t file, std::uint64_t offset,
                             std::span<const std::byte> bytes) override;
  [[nodiscard]] Status finish() override;
  void abandon(Keep keep) override;

 private:
  [[nodiscard]] std::string path_of(std::size_t file) const {
    return partial_ + "/" + plan_.files[file].name;
  }
  Status take_over();
  Status check_space() const;
  Status open_file(std::size_t file);
  Status close_file(std::size_t file);
  Status sync_directories();
  Status put_away_old();

  FileSystem& file_system_;
  const Plan& plan_;
  DirectorySettings settings_;
  std::string partial_;
  std::optional<PathLock> lock_;
  std::vector<FileState> files_;
  std::atomic<bool> used_direct_{false};
};

Status Directory::start() {
  if (!settings_.backup.empty() && exists(settings_.backup)) {
    return fail(ErrorCode::usage, {.file = settings_.backup, .tensor = {}},
                "exists already, and the old checkpoint would be renamed to it",
                "Move it away or remove it.");
  }
  THAW_RETURN_IF_ERROR(make_directories(file_system_, parent_of(settings_.out)));
  THAW_RETURN_IF_ERROR(make_directories(file_system_, partial_));
  THAW_ASSIGN_OR_RETURN(lock_, PathLock::take(file_system_, partial_));
  THAW_RETURN_IF_ERROR(take_over());
  THAW_RETURN_IF_ERROR(check_space());
  // The fingerprint is hexadecimal: nothing in it needs escaping.
  const std::string state = "{\"version\": 1, \"fingerprint\": \"" + plan_.fingerprint + "\"}\n";
  const OutputSettings plain{.direct = false, .window = 0};
  THAW_ASSIGN_OR_RETURN(
      OutputFile file,
      OutputFile::create(file_system_, partial_ + "/" + kStateFile, state.size(), plain));
  THAW_RETURN_IF_ERROR(file.write(0, std::as_bytes(std::span(state))));
  return file.finish();
}

// What an earlier run left is ours when it says so; anything else is somebody's data.
Status Directory::take_over() {
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(partial_));
  if (entries.empty()) return {};
  const std::string state = partial_ + "/" + kStateFile;
  if (!exists(state)) {
    return fail(ErrorCode::usage, {.file = partial_, .tensor = {}},
                "exists and was not made by thaw", "Move it away, or choose another OUT.");
  }
  // The mark goes last, so that a crash in here leaves a directory that is still ours.
  for (const DirectoryEntry& entry : entries) {
    if (entry.name == kStateFile) continue;
    THAW_RETURN_IF_ERROR(remove_tree(file_system_, partial_ + "/" + entry.name));
  }
  return remove_tree(file_system_, state);
}

Status Directory::check_space() const {
  THAW_ASSIGN_OR_RETURN(const FreeSpace space, free_space(file_system_, partial_));
  std::uint64_t need = 0;
  for (const PlannedFile& file : plan_.files) need += file.size + space.block;
  if (need <= space.available) return {};
  return fail(ErrorCode::no_space, {.file = parent_of(settings_.out), .tensor = {}},
              "not enough space: the output needs " + bytes_text(need) + ", free are " +
                  bytes_text(space.available),
              "Choose an OUT on another disk, or free some space.");
}

Status Directory::open_file(std::size_t file) {
  const std::string path = path_of(file);
  if (plan_.files[file].name.find('/') != std::string::npos) {
    THAW_RETURN_IF_ERROR(make_directories(file_system_, parent_of(path)));
  }
  THAW_ASSIGN_OR_RETURN(
      files_[file].file,
      OutputFile::create(file_system_, path + kUnfinished, plan_.files[file].size, settings_.file));
  return {};
}

Status Directory::close_file(std::size_t file) {
  FileState& state = files_[file];
  THAW_RETURN_IF_ERROR(state.file->finish());
  if (state.file->used_direct()) used_direct_ = true;
  state.file.reset();
  const std::string path = path_of(file);
  return rename_path(file_system_, path + kUnfinished, path);
}

Status Directory::write(std::uint32_t file, std::uint64_t offset,
                        std::span<const std::byte> bytes) {
  FileState& state = files_[file];
  {
    const std::lock_guard lock(state.mutex);
    if (!state.file) THAW_RETURN_IF_ERROR(open_file(file));
  }
  THAW_RETURN_IF_ERROR(state.file->write(offset, bytes));
  if (state.remaining.fetch_sub(bytes.size()) == bytes.size()) return close_file(file);
  return {};
}

Status Directory::sync_directories() {
  std::set<std::string> directories = {partial_};
  for (const PlannedFile& file : plan_.files) {
    for (std::size_t slash = file.name.find('/'); slash != std::string::npos;
         slash = file.name.find('/', slash + 1)) {
      directories.insert(partial_ + "/" + file.name.substr(0, slash));
    }
  }
  for (const std::string& directory : directories) {
    THAW_RETURN_IF_ERROR(sync_directory(file_system_, directory));
  }
  return {};
}

Status Directory::finish() {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (files_[i].remaining != 0) {
      return fail(ErrorCode::bug, {.file = path_of(i), .tensor = {}}, "was not written whole");
    }
    if (plan_.files[i].size != 0) continue;
    THAW_RETURN_IF_ERROR(open_file(i));
    THAW_RETURN_IF_ERROR(close_file(i));
  }
  THAW_RETURN_IF_ERROR(remove_tree(file_system_, partial_ + "/" + kStateFile));
  THAW_RETURN_IF_ERROR(sync_directories());
  const std::string parent = parent_of(settings_.out);
  if (settings_.replace && exists(settings_.out)) {
    THAW_RETURN_IF_ERROR(exchange_paths(file_system_, partial_, settings_.out));
    THAW_RETURN_IF_ERROR(sync_directory(file_system_, parent));
    // The old checkpoint carries the temporary name now.
    THAW_RETURN_IF_ERROR(put_away_old());
  } else {
    THAW_RETURN_IF_ERROR(rename_path(file_system_, partial_, settings_.out));
  }
  return sync_directory(file_system_, parent);
}

Status Directory::put_away_old() {
  if (settings_.backup.empty()) return remove_tree(file_system_, partial_);
  THAW_RETURN_IF_ERROR(rename_path(file_system_, partial_, settings_.backup));
  THAW_RETURN_IF_ERROR(sync_directory(file_system_, parent_of(settings_.backup)));
  return settings_.keep_backup ? Status() : remove_tree(file_system_, settings_.backup);
}

void Directory::abandon(Keep keep) {
  for (FileState& state : files_) state.file.reset();
  // Nobody is there to tell when this fails: the run ends with an error already.
  if (keep == Keep::nothing) static_cast<void>(remove_tree(file_system_, partial_));
}

}  // namespace

Result<std::unique_ptr<DirectorySink>> DirectorySink::open(FileSystem& file_system,
                                                           const Plan& plan,
                                                           const DirectorySettings& settings) {
  auto sink = std::make_unique<Directory>(file_system, plan, settings);
  if (Status status = sink->start(); !status.ok()) {
    // Leaves no empty directory behind; one with something in it stays, and so does another run's.
    if (status.error().code != ErrorCode::locked) {
      static_cast<void>(file_system.rmdir((settings.out + ".partial").c_str()));
    }
    return status;
  }
  return std::unique_ptr<DirectorySink>(std::move(sink));
}

}  // namespace thaw
