#include "terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "base/columns.h"
#include "table.h"

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

bool understands_escapes(int fd) {
  if (::isatty(fd) == 0) return false;
  const char* const kind = std::getenv("TERM");
  return kind != nullptr && std::string_view(kind) != "dumb";
}

bool takes_colour(int fd) {
  const char* const refused = std::getenv("NO_COLOR");
  return understands_escapes(fd) && (refused == nullptr || *refused == '\0');
}

int width_of(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

// On a terminal, dumb ones too, no line is wider than the window.
std::string fitted(int fd, std::string_view text) {
  if (::isatty(fd) == 0) return std::string(text);
  return wrapped(text, static_cast<std::size_t>(width_of(fd)));
}

std::string labelled(const char* label, const char* colour, std::string_view message) {
  std::string line = label;
  const std::size_t size = line.size();
  line += ' ';
  line += message;
  line = fitted(STDERR_FILENO, line);
  if (stderr_takes_colour()) line = colour + line.substr(0, size) + "\x1b[0m" + line.substr(size);
  line += '\n';
  return line;
}

// Names stand at the beginning of a line; values and what is wrapped does so only in a window that
// is too narrow for them, and is told apart by the gap behind a name.
std::string with_bold_names(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    const std::size_t gap = line.find("  ");
    if (line[0] != ' ' && gap < kFactNameWidth) {
      out.append("\x1b[1m").append(line.substr(0, gap)).append("\x1b[0m").append(line.substr(gap));
    } else {
      out += line;
    }
    text.remove_prefix(end);
  }
  return out;
}

std::string presented(int fd, std::string_view text) {
  return takes_colour(fd) ? with_bold_names(fitted(fd, text)) : fitted(fd, text);
}

}  // namespace

void keep_standard_streams_apart() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one. Reading it as an output fails, as it should.
    static_cast<void>(::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  }
}

bool stderr_is_terminal() { return understands_escapes(STDERR_FILENO); }

bool stderr_takes_colour() { return takes_colour(STDERR_FILENO); }

std::size_t stdout_width() {
  return ::isatty(STDOUT_FILENO) == 0 ? 0 : static_cast<std::size_t>(width_of(STDOUT_FILENO));
}

int terminal_width() { return width_of(STDERR_FILENO); }

Status write_stdout(std::string_view text) {
  if (write_all(STDOUT_FILENO, text) || errno == EPIPE) return {};
  return fail(ErrorCode::io, {"standard output", {}}, std::generic_category().message(errno));
}

void write_stderr(std::string_view text) { (void)write_all(STDERR_FILENO, text); }

Status write_stdout_facts(std::string_view text) {
  return write_stdout(presented(STDOUT_FILENO, text));
}

void write_stderr_facts(std::string_view text) { write_stderr(presented(STDERR_FILENO, text)); }

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
