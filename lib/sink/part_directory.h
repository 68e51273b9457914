// OUT.partial of a run that makes one part of it, while others make the others. Nothing of theirs
// is touched. specs/parts.md clause 3.
#pragma once

#include <string>

#include "sink/part_files.h"
#include "sink/partial_directory.h"

namespace thaw {

// The lock of all parts is taken before the others and let go after them.
class PartDirectory final : public PartialDirectory {
 public:
  PartDirectory(FileSystem& file_system, const PlannedFiles& plan, DirectorySettings settings);
  ~PartDirectory() override;

  [[nodiscard]] bool complete() const override { return state_.complete; }
  // Notes that the part is complete; OUT.partial stays.
  Status publish() override;
  // What is this part's own.
  void remove() override;

 protected:
  Status start() override;
  [[nodiscard]] bool may_remove(const std::string& name) const override;
  void give_back() override { release(); }

 private:
  Status enter();
  Result<bool> join();
  Status settle_alone();
  Status clear_alone();
  Status take_over_own(const PartStates& states);
  void release();
  [[nodiscard]] RunState own_of(const RunState& whole) const;

  const Part part_;
  std::optional<Lock> part_lock_;
};

}  // namespace thaw
