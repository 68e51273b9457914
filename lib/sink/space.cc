#include "sink/space.h"

namespace thaw {

std::uint64_t directory_need(const PlannedFiles& plan, std::uint64_t block,
                             const std::function<bool(std::size_t)>& there) {
  std::uint64_t need = 0;
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    if (!there(i)) need += file_need(plan.files[i].size, block);
  }
  return need;
}

}  // namespace thaw
