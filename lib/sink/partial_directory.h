// OUT.partial: taking it, continuing what an earlier run left in it, and giving it the name OUT.
// specs/output.md clauses 6 and 7.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "io/file_system.h"
#include "io/lock.h"
#include "plan/plan.h"
#include "sink/directory_sink.h"
#include "sink/run_state.h"

namespace thaw {

[[nodiscard]] std::string parent_of(const std::string& path);

// Where the state is while OUT.partial becomes OUT: OUT and this.
constexpr const char* kAside = ".partial-state.json";

// Holds the lock as long as it lives. `plan` must outlive it.
class PartialDirectory {
 public:
  // Errors as DirectorySink::open.
  static Result<std::unique_ptr<PartialDirectory>> open(FileSystem& file_system, const Plan& plan,
                                                        const DirectorySettings& settings);

  [[nodiscard]] const std::string& path() const { return path_; }
  // The checksum of a file that an earlier run has finished: it has the right name and size, and
  // is to be read before it is relied on.
  [[nodiscard]] std::optional<std::uint32_t> found(std::size_t file) const { return found_[file]; }
  // Notes durably that a file of the plan is whole and durable. Thread-safe.
  [[nodiscard]] Status add_finished(std::size_t file, std::uint32_t crc32);
  // Makes the name of a file of the plan durable.
  [[nodiscard]] Status sync_folders_of(std::size_t file);

  // The last step: OUT.partial becomes OUT. All files and folders are durable.
  [[nodiscard]] Status publish();
  // True once OUT is the new directory, even if publish() failed after that.
  [[nodiscard]] bool published() const { return published_; }
  // Nobody is there to tell when this fails: the run ends with an error already.
  void remove();

 private:
  PartialDirectory(FileSystem& file_system, const Plan& plan, DirectorySettings settings);

  // take_over.cc
  Status start();
  Status take_lock();
  Status take_over();
  Status match_files(const RunState& state);
  Status clean(const std::string& directory, const std::string& prefix);
  Status clear();
  Status check_space() const;

  // publish.cc
  [[nodiscard]] std::string aside_path() const { return settings_.out + kAside; }
  Result<bool> settle_publication();
  Status put_away_old(const Publication& publication);
  Status finish_backup(const Publication& publication);
  Status put_aside();
  Status remove_aside();

  FileSystem& file_system_;
  const Plan& plan_;
  DirectorySettings settings_;
  std::string path_;
  std::optional<PathLock> lock_;
  std::vector<std::optional<std::uint32_t>> found_;  // by file of the plan
  bool published_ = false;

  std::mutex mutex_;
  RunState state_;
  bool saving_ = false;   // a thread writes the state; it takes along what comes meanwhile
  bool changed_ = false;  // since it began
};

}  // namespace thaw
