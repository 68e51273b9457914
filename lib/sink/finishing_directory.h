// OUT.partial of the run that publishes what all parts have made. specs/parts.md clause 4.
#pragma once

#include <string>

#include "sink/partial_directory.h"

namespace thaw {

// Errors of open() beside the others: ErrorCode::usage where parts are missing.
class FinishingDirectory final : public PartialDirectory {
 public:
  using PartialDirectory::PartialDirectory;

 protected:
  Status take_lock() override;
  Status take_over() override;
  [[nodiscard]] bool may_remove(const std::string& name) const override;
  Status remove_states() override;
  void give_back() override;
};

}  // namespace thaw
