#include "plan/side_file_name.h"

#include <cassert>

namespace thaw {

std::string side_file_name(const PlanRequest& request, const MappedFile& file) {
  std::string beginning = request.frame().directory();
  if (!beginning.empty() && beginning.back() != '/') beginning += '/';
  assert(file.path().starts_with(beginning));
  return file.path().substr(beginning.size());
}

}  // namespace thaw
