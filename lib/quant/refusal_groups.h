// Refusals of tensors and modules, those that are alike said once: a model has thousands of them.
// Internal to lib/quant. Format: specs/closed_world.md clause 6.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"

namespace thaw {

class RefusalGroups {
 public:
  // `file` and `name` are raw and must outlive this; `what` is safe for a terminal. Two are alike
  // when their names differ in numbers only and the rest is equal.
  void add(std::string_view file, std::string_view name, const std::string& what,
           std::string_view hint);
  [[nodiscard]] bool empty() const { return groups_.empty(); }
  // One message a group, in the order in which they were begun.
  void move_to(ErrorList& errors);

 private:
  struct Group {
    std::string_view file;
    std::string_view first;
    std::string pattern;
    std::string what;
    std::string_view hint;
    std::size_t count = 0;
  };
  std::unordered_map<std::string, std::size_t> index_;  // of the pattern and what
  std::vector<Group> groups_;
};

}  // namespace thaw
