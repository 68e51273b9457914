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

// Holds the lock as long as it lives. `plan` must outlive it. Where several runs make one output,
// two others take its place: PartDirectory and FinishingDirectory.
class PartialDirectory {
 public:
  virtual ~PartialDirectory() = default;
  // Errors as DirectorySink::open.
  static Result<std::unique_ptr<PartialDirectory>> open(FileSystem& file_system,
                                                        const PlannedFiles& plan,
                                                        const DirectorySettings& settings);

  [[nodiscard]] const std::string& path() const { return path_; }
  // The checksum of a file that an earlier run has finished: it has the right name and size, and
  // is to be read before it is relied on.
  [[nodiscard]] std::optional<std::uint32_t> found(std::size_t file) const { return found_[file]; }
  // Notes durably that a file of the plan is whole and durable. Thread-safe.
  [[nodiscard]] Status add_finished(std::size_t file, std::uint32_t crc32);
  // Makes the name of a file of the plan durable.
  [[nodiscard]] Status sync_folders_of(std::size_t file);

  // True when every file that was found can be relied on as it is.
  [[nodiscard]] virtual bool complete() const { return false; }

  // The last step: OUT.partial becomes OUT. All files and folders are durable.
  [[nodiscard]] virtual Status publish();
  // False where the file system has no locks.
  [[nodiscard]] bool locked() const { return !lock_ || lock_->supported(); }
  // True once OUT is the new directory, even if publish() failed after that.
  [[nodiscard]] bool published() const { return published_; }
  // Nobody is there to tell when this fails: the run ends with an error already.
  virtual void remove();

  // Only open() begins what a constructor has made.
  PartialDirectory(FileSystem& file_system, const PlannedFiles& plan, DirectorySettings settings);

 protected:
  // take_over.cc
  Status check_names() const;
  virtual Status start();
  virtual Status take_lock();
  virtual Status take_over();
  Status lock_directory(Sharing sharing);
  Status keep_parts_out();
  Status find_finished(const std::string& state_name, const RunState& state);
  Status match_files(const std::string& state_name, const RunState& state);
  Status clean(const std::string& directory, const std::string& prefix);
  Status clear();
  Status check_space() const;
  Status save_first_state();
  virtual void give_back();  // where start() failed
  // Whether what is no finished file may be removed; `name` as in the plan.
  [[nodiscard]] virtual bool may_remove(const std::string& name) const;

  // publish.cc
  [[nodiscard]] std::string aside_path() const { return settings_.out + kAside; }
  Result<bool> settle_publication();
  Status put_away_old(const Publication& publication);
  Status finish_backup(const Publication& publication);
  Status put_aside();
  virtual Status remove_states();
  Status remove_aside();

  FileSystem& file_system_;
  const PlannedFiles& plan_;
  DirectorySettings settings_;
  std::string path_;
  std::string state_name_ = kStateFile;
  std::optional<Lock> parts_lock_;  // taken before lock_, and let go after it
  std::optional<Lock> lock_;
  std::vector<std::optional<std::uint32_t>> found_;  // by file of the plan
  bool published_ = false;

  std::mutex mutex_;
  RunState state_;
  bool saving_ = false;   // a thread writes the state; it takes along what comes meanwhile
  bool changed_ = false;  // since it began
};

}  // namespace thaw
