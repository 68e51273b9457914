// OUT.partial: taking it, continuing what an earlier run left in it, and giving it the name OUT.
// specs/output.md clauses 6 and 7, specs/parts.md clauses 3 and 4.
//
// One run makes all of it, or one part, or does the last step of parts. What each of them does with
// what it finds there is the table in take_over.cc; what becomes of it at the end is the one in
// publication.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "io/folder.h"
#include "io/lock.h"
#include "plan/plan.h"
#include "sink/directory_sink.h"
#include "sink/part_files.h"
#include "sink/publication.h"
#include "sink/run_state.h"

namespace thaw {

// Holds the locks as long as it lives. `plan` must outlive it.
class PartialDirectory {
 public:
  // Errors as DirectorySink::open.
  static Result<std::unique_ptr<PartialDirectory>> open(FileSystem& file_system,
                                                        const PlannedFiles& plan,
                                                        const DirectorySettings& settings);
  PartialDirectory(const PartialDirectory&) = delete;
  PartialDirectory& operator=(const PartialDirectory&) = delete;
  ~PartialDirectory();

  // Where files are made; not while elsewhere().
  [[nodiscard]] const Folder& folder() const { return *work_; }
  [[nodiscard]] std::string path() const { return settings_.out + kPartial; }
  // The checksum of a file that an earlier run has finished: it has the right name and size, and
  // is to be read before it is relied on.
  [[nodiscard]] std::optional<std::uint32_t> found(std::size_t file) const { return found_[file]; }
  // Notes durably that a file of the plan is whole and durable. Thread-safe.
  [[nodiscard]] Status add_finished(std::size_t file, std::uint32_t crc32);

  // True when every file that was found can be relied on as it is.
  [[nodiscard]] bool complete() const { return elsewhere_ || (part() && state_.complete); }
  // True where other parts have published all of the plan while this one waited for them: then
  // there is nothing to do.
  [[nodiscard]] bool elsewhere() const { return elsewhere_; }

  // False where the file system has no locks.
  [[nodiscard]] bool locked() const { return !lock_ || lock_->supported(); }

  // The last step: OUT.partial becomes OUT; a part is noted as finished instead. All files and
  // folders are durable.
  [[nodiscard]] Status publish();
  // True once OUT is the new directory, even if publish() failed after that.
  [[nodiscard]] bool published() const { return publisher_ && publisher_->published(); }
  // What this run has made. Nobody is there to tell when this fails: the run ends with an error
  // already.
  void remove();

 private:
  enum class Role : std::uint8_t { whole, part, last };
  enum class Holds : std::uint8_t;
  enum class Step : std::uint8_t;
  struct Scene;

  PartialDirectory(FileSystem& file_system, const PlannedFiles& plan, DirectorySettings settings);

  // partial_directory.cc
  Status check_names() const;
  Status start();
  Status settle();
  Status lock(Sharing sharing);
  Status lock_partial(Sharing sharing);
  Status keep_parts_out();
  Result<bool> check_destination();
  Status check_space() const;
  Status save_first_state();
  void release();
  [[nodiscard]] std::optional<Part> part() const { return settings_.part; }
  [[nodiscard]] std::string name(const char* ending) const { return out_ + ending; }

  // take_over.cc
  Result<bool> take_over();
  Result<Scene> look();
  Status look_as_whole(bool of_parts, Scene& scene);
  Status look_for_parts(Scene& scene);
  [[nodiscard]] Step next(const Scene& scene) const;
  Status go_on(const Scene& scene);
  Status go_on_as_part(const Scene& scene);
  Status gather_parts(const PartStates& states);
  Status keep_finished();
  Status match_files(const std::string& state_name, const RunState& state);
  Status clean(const Folder& folder, const std::string& prefix);
  Status clear();
  [[nodiscard]] bool may_remove(const std::string& name) const;

  FileSystem& file_system_;
  const PlannedFiles& plan_;
  const DirectorySettings settings_;
  const Role role_;
  const std::string out_;  // the name of OUT in its folder
  const std::string state_name_;
  std::optional<Folder> parent_;
  std::optional<Folder> work_;
  std::optional<Publisher> publisher_;
  // Taken in this order, and let go in the other.
  std::optional<Lock> parts_lock_;
  std::optional<Lock> lock_;
  std::optional<Lock> part_lock_;
  Likeness at_out_;                                  // what stood at OUT when it was judged
  std::vector<std::optional<std::uint32_t>> found_;  // by file of the plan
  bool elsewhere_ = false;

  std::mutex mutex_;
  RunState state_;
  bool saving_ = false;   // a thread writes the state; it takes along what comes meanwhile
  bool changed_ = false;  // since it began
};

}  // namespace thaw
