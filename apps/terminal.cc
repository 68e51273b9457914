#include "terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace thaw::app {

namespace {

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::string labelled(const char* label, const char* colour, std::string_view message) {
  std::string line = label;
  if (stderr_takes_colour()) line = std::string(colour) + label + "\x1b[0m";
  line += ' ';
  line += message;
  line += '\n';
  return line;
}

}  // namespace

void keep_standard_streams_apart() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one. Reading it as an output fails, as it should.
    static_cast<void>(::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  }
}

bool stderr_is_terminal() {
  if (::isatty(STDERR_FILENO) == 0) return false;
  const char* const kind = std::getenv("TERM");
  return kind != nullptr && std::string_view(kind) != "dumb";
}

bool stderr_takes_colour() {
  const char* const refused = std::getenv("NO_COLOR");
  return stderr_is_terminal() && (refused == nullptr || *refused == '\0');
}

int terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

Status write_stdout(std::string_view text) {
  if (write_all(STDOUT_FILENO, text)) return {};
  return fail(ErrorCode::io, {"standard output", {}}, std::generic_category().message(errno));
}

void write_stderr(std::string_view text) { (void)write_all(STDERR_FILENO, text); }

int print_error(const Error& error) {
  constexpr const char* kRed = "\x1b[1;31m";
  std::string text;
  for (const std::string& message : error.messages) text += labelled("thaw:", kRed, message);
  if (!error.hint.empty()) text += labelled("thaw:", kRed, "hint: " + error.hint);
  write_stderr(text);
  return static_cast<int>(error.code);
}

void print_warning(std::string_view message) {
  constexpr const char* kYellow = "\x1b[1;33m";
  write_stderr(labelled("thaw: warning:", kYellow, message));
}

}  // namespace thaw::app
