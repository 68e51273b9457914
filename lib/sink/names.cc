#include "sink/names.h"

#include "io/atomic_file.h"
#include "sink/part_files.h"

namespace thaw {

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool is_own_name(std::string_view name) {
  // The first versions made the state under thaw-state.json.new.
  return name == kStateFile || name == "thaw-state.json.new" || name == kAsideInside ||
         name == kProbe || name == kOtherProbe || is_part_name(name) || is_temporary_name(name);
}

}  // namespace thaw
