// Modules that are none of ours and are copied as they are. Internal to lib/quant.
// Format: specs/awq.md clause 9.9.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace thaw {

class UnknownModules {
 public:
  // Borrows both. `marks` has an entry for each tensor; those of noted modules become 2.
  UnknownModules(const Checkpoint& checkpoint, std::vector<std::uint8_t>& marks)
      : checkpoint_(checkpoint), marks_(marks) {}

  // All tensors of a module together, its bias too: the output type would mean nothing to them.
  void note(std::string_view module);
  // The same of a module that was taken for a linear and is none: its packed tensors too.
  void note_instead_of_linear(std::string_view module);
  // One warning that names them.
  void warn(std::vector<std::string>& warnings) const;

 private:
  template <typename Function>
  void for_each_of(std::string_view module, const Function& function) const;
  void mark(std::size_t index);

  const Checkpoint& checkpoint_;
  std::vector<std::uint8_t>& marks_;
  std::uint64_t count_ = 0;
  std::string names_;  // the first of them
};

}  // namespace thaw
