// Errors as values: what went wrong, where, and the process exit code that it means.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace thaw {

// The values are the documented exit codes of the program (specs/errors.md).
enum class ErrorCode : std::uint8_t {
  bug = 1,
  usage = 2,
  input = 3,
  numbers = 4,
  io = 5,
  no_space = 6,
  differs = 7,
  locked = 8,
  interrupted = 130,
  terminated = 143,
};

// One or more messages of one stage, each a line without a trailing newline and already safe for
// a terminal, and at most one hint: what the user can do about it.
struct Error {
  ErrorCode code = ErrorCode::bug;
  std::vector<std::string> messages;
  std::string hint;
  // Errors that the last message only counts ("and 5 more"); 0: it is a message like the others.
  std::size_t left_out = 0;

  [[nodiscard]] std::string text() const;  // messages joined by newlines, then the hint
};

// Success, or an Error. Small to return: one pointer.
class [[nodiscard]] Status {
 public:
  Status() = default;
  explicit Status(Error error) : error_(std::make_unique<Error>(std::move(error))) {}

  [[nodiscard]] bool ok() const { return error_ == nullptr; }
  // Only when !ok().
  [[nodiscard]] const Error& error() const {
    assert(error_ != nullptr);
    return *error_;
  }
  [[nodiscard]] Error take_error() && {
    assert(error_ != nullptr);
    return std::move(*error_);
  }

 private:
  std::unique_ptr<Error> error_;
};

// A value, or the Error that stands in its place.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    assert(!status_.ok());
  }

  [[nodiscard]] bool ok() const { return value_.has_value(); }
  [[nodiscard]] const Error& error() const { return status_.error(); }
  [[nodiscard]] Status take_status() && { return std::move(status_); }

  [[nodiscard]] T& value() & {
    assert(ok());
    return *value_;
  }
  [[nodiscard]] const T& value() const& {
    assert(ok());
    return *value_;
  }
  [[nodiscard]] T&& value() && {
    assert(ok());
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
  Status status_;
};

// Where an error was found. Names are raw (straight from a file); they are escaped and shortened
// when the message is built.
struct Place {
  std::string_view file;
  std::string_view tensor;  // empty: the whole file
};

// "<file>: <tensor>: <what>", the form of every message of the program. `what` is ours and is
// taken as it is: parts of it that come from a file go through printable() first.
[[nodiscard]] Error make_error(ErrorCode code, const Place& place, std::string_view what,
                               std::string_view hint = {});
[[nodiscard]] Status fail(ErrorCode code, const Place& place, std::string_view what,
                          std::string_view hint = {});
// "<what>: got <got>, expected <expected>".
[[nodiscard]] Status fail(ErrorCode code, const Place& place, std::string_view what,
                          std::string_view got, std::string_view expected);

// Collects the errors of one stage, so that a user sees them all at once; keeps the first 20 and
// counts the rest. The first error's code wins, and the first hint.
class ErrorList {
 public:
  void add(Error error);
  void add(Status status) {
    if (!status.ok()) add(std::move(status).take_error());
  }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] Status take();  // ok when empty

 private:
  Error all_;
  std::size_t count_ = 0;
};

}  // namespace thaw

// Returns from the calling function when `expression` (a Status) is an error.
#define THAW_RETURN_IF_ERROR(expression)                                  \
  do {                                                                    \
    if (::thaw::Status thaw_status_ = (expression); !thaw_status_.ok()) { \
      return thaw_status_;                                                \
    }                                                                     \
  } while (false)

#define THAW_CONCAT_INNER(a, b) a##b
#define THAW_CONCAT(a, b) THAW_CONCAT_INNER(a, b)
// `declaration` = the value of `expression` (a Result), or returns its error.
#define THAW_ASSIGN_OR_RETURN(declaration, expression) \
  THAW_ASSIGN_OR_RETURN_(THAW_CONCAT(thaw_result_, __LINE__), declaration, expression)
#define THAW_ASSIGN_OR_RETURN_(temporary, declaration, expression) \
  auto temporary = (expression);                                   \
  if (!temporary.ok()) return std::move(temporary).take_status();  \
  declaration = std::move(temporary).value()
