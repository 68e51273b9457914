#include "io/system_error.h"

#include <cerrno>
#include <system_error>

namespace thaw {

Status system_error(std::string_view path, std::string_view action, int error_number,
                    ErrorCode code) {
  if (error_number == ENOSPC || error_number == EDQUOT) code = ErrorCode::no_space;
  std::string what = "cannot ";
  what += action;
  what += ": ";
  what += std::generic_category().message(error_number);
  return fail(code, {.file = path, .tensor = {}}, what);
}

}  // namespace thaw
