#include "quant/refusal_groups.h"

#include "base/text.h"
#include "quant/name_pattern.h"

namespace thaw {

void RefusalGroups::add(std::string_view file, std::string_view name, const std::string& what,
                        std::string_view hint) {
  std::string pattern = name_pattern(name);
  const auto [entry, is_new] = index_.try_emplace(pattern + '\n' + what, groups_.size());
  if (is_new) groups_.push_back({file, name, std::move(pattern), what, hint, 0});
  ++groups_[entry->second].count;
}

void RefusalGroups::move_to(ErrorList& errors) {
  for (const Group& group : groups_) {
    if (group.count == 1) {
      errors.add(fail(ErrorCode::input, Place{group.file, group.first}, group.what, group.hint));
      continue;
    }
    errors.add(fail(ErrorCode::input, Place{group.file, group.pattern},
                    group.what + " (" + std::to_string(group.count) + " of them, the first " +
                        printable(group.first) + ")",
                    group.hint));
  }
  groups_.clear();
  index_.clear();
}

}  // namespace thaw
