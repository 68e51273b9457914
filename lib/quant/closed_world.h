// Every tensor of a checkpoint is consumed by a linear, known to be plain, dropped with a word, or
// a reason to stop. The class is internal to lib/quant. Format: specs/closed_world.md.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "quant/linears.h"
#include "quant/refusal_groups.h"
#include "quant/unknown.h"

namespace thaw {

// What the tensors are that no linear consumed. One checkpoint's; borrows it.
class ClosedWorld {
 public:
  explicit ClosedWorld(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  // `module` was refused already, or noted as unknown: its other tensors are not named again.
  void answered(std::string_view module) { answered_.insert(module); }

  // Once every linear was found, and they are sorted by module: marks in `result` what is dropped,
  // and collects what nothing is known of.
  void look_at_the_rest(QuantizedLinears& result);

  // What was collected stops the conversion.
  void refuse(RefusalGroups& refusals) const;
  // Or it is copied with all of its module. A linear with a tensor that its layout does not name is
  // no linear then.
  void copy(QuantizedLinears& result, UnknownModules& unknown) const;

 private:
  struct Unknown {
    const Tensor* tensor;
    std::string what;  // "packed codes"
  };
  struct Module {
    std::vector<Unknown> tensors;
    std::string title;  // of the layout of the linear that they stand beside; empty: of none
  };
  struct Count {
    std::size_t tensors = 0;
    const Tensor* first = nullptr;
    void note(const Tensor& tensor) {
      if (tensors++ == 0) first = &tensor;
    }
  };

  [[nodiscard]] bool is_answered(const Tensor& tensor) const;
  // What is wrong with a tensor that is not beside a linear; empty: it is plain.
  [[nodiscard]] std::string suspicion(const Tensor& tensor) const;
  [[nodiscard]] bool has_float_stem(const Tensor& tensor, std::string_view ending) const;

  const Checkpoint& checkpoint_;
  std::set<std::string_view> answered_;
  std::map<std::string_view, Module> unknown_;  // by module
};

// What is packed in a checkpoint in a way that no layout of thaw's has, a line for tensors that are
// alike, safe for a terminal. Reads no config. Empty for a float model.
[[nodiscard]] std::vector<std::string> list_unknown_tensors(const Checkpoint& checkpoint);
// The same with the packed weights of thaw's own layouts.
[[nodiscard]] std::vector<std::string> list_packed_tensors(const Checkpoint& checkpoint);

}  // namespace thaw
