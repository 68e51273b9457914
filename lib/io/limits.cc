#include "io/limits.h"

#include <sys/resource.h>

#include <cerrno>

namespace thaw {

namespace {

// "is 12 bytes"; empty where there is no limit.
std::string value_of(decltype(RLIMIT_AS) resource, const char* unit) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
  return " is " + std::to_string(limit.rlim_cur) + unit;
}

LimitText of_processes() {
  return {
      "the limit of processes and threads (ulimit -u, pids.max of a container, TasksMax of a "
      "service)" +
          value_of(RLIMIT_NPROC, "") + " or that of address space is reached",
      "Raise it (docker --pids-limit, systemd TasksMax=, ulimit -u), or give the run a smaller "
      "--threads."};
}

LimitText of_memory() {
  const std::string space = value_of(RLIMIT_AS, " bytes");
  if (space.empty()) {
    return {"the system gives this process no more memory",
            "Give it more, or use a smaller --memory."};
  }
  return {"the limit of address space (ulimit -v)" + space,
          "Inputs are mapped, which needs as much address space as they are large: raise it with "
          "ulimit -v unlimited. What bounds memory is --memory."};
}

LimitText of_file_size() {
  const std::string size = value_of(RLIMIT_FSIZE, " bytes");
  if (size.empty()) {
    return {"the file would be larger than this file system allows",
            "Use a smaller --max-shard-size, or another file system."};
  }
  return {"the limit of file size (ulimit -f, LimitFSIZE of a service)" + size,
          "Raise it with ulimit -f unlimited, or use a smaller --max-shard-size."};
}

}  // namespace

std::optional<LimitText> limit_behind(int error_number) {
  switch (error_number) {
    case EMFILE:
      return LimitText{"the limit of open files (ulimit -n)" + value_of(RLIMIT_NOFILE, ""),
                       "Every shard of the input is one: raise it, with ulimit -n 4096 or "
                       "LimitNOFILE of a service."};
    case ENFILE:
      return LimitText{"the system has as many open files as it allows (fs.file-max)",
                       "Try again later, or raise it."};
    case EFBIG:
      return of_file_size();
    case ENOMEM:
      return of_memory();
    case EAGAIN:
      return of_processes();
    default:
      return std::nullopt;
  }
}

Status threads_refused(unsigned got, unsigned needed) {
  LimitText text = of_processes();
  return fail(ErrorCode::no_space, {},
              "the system gave " + std::to_string(got) + " of the " + std::to_string(needed) +
                  " threads that a run needs at least: " + text.what,
              std::move(text.hint));
}

}  // namespace thaw
