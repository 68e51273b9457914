#include "base/status.h"

#include "base/text.h"

namespace thaw {

namespace {
constexpr std::size_t kMostMessages = 20;
}

std::string Error::text() const {
  std::string joined;
  for (const std::string& message : messages) {
    if (!joined.empty()) joined += '\n';
    joined += message;
  }
  if (!hint.empty()) {
    joined += '\n';
    joined += hint;
  }
  return joined;
}

Error make_error(ErrorCode code, const Place& place, std::string_view what, std::string_view hint) {
  std::string message;
  if (!place.file.empty()) message += printable(place.file) + ": ";
  if (!place.tensor.empty()) message += printable(place.tensor) + ": ";
  message += what;
  return Error{.code = code, .messages = {std::move(message)}, .hint = std::string(hint)};
}

Status fail(ErrorCode code, const Place& place, std::string_view what, std::string_view hint) {
  return Status(make_error(code, place, what, hint));
}

Status fail(ErrorCode code, const Place& place, std::string_view what, std::string_view got,
            std::string_view expected) {
  std::string text(what);
  text += ": got ";
  text += got;
  text += ", expected ";
  text += expected;
  return fail(code, place, text);
}

void ErrorList::add(Error error) {
  if (count_ == 0) all_.code = error.code;
  if (all_.hint.empty()) all_.hint = error.hint;
  // Of a list within this one only the number goes on.
  if (error.left_out != 0) error.messages.pop_back();
  for (std::string& message : error.messages) {
    if (count_ < kMostMessages) all_.messages.push_back(std::move(message));
    ++count_;
  }
  count_ += error.left_out;
}

Status ErrorList::take() {
  if (count_ == 0) return {};
  if (count_ > all_.messages.size()) {
    all_.left_out = count_ - all_.messages.size();
    all_.messages.push_back("and " + std::to_string(all_.left_out) + " more");
  }
  count_ = 0;
  return Status(std::move(all_));
}

}  // namespace thaw
