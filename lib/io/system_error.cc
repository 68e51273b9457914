#include "io/system_error.h"

#include <cerrno>
#include <system_error>

#include "io/limits.h"

namespace thaw {

Status system_error(std::string_view path, std::string_view action, int error_number,
                    ErrorCode code) {
  if (error_number == ENOSPC || error_number == EDQUOT) code = ErrorCode::no_space;
  std::string what = "cannot ";
  what += action;
  what += ": ";
  what += std::generic_category().message(error_number);
  const Place place{.file = path, .tensor = {}};
  const std::optional<LimitText> limit = limit_behind(error_number);
  if (!limit) return fail(code, place, what);
  return fail(ErrorCode::no_space, place, what + ": " + limit->what, limit->hint);
}

}  // namespace thaw
