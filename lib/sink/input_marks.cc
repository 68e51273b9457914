#include "sink/input_marks.h"

#include <charconv>
#include <string_view>

#include "base/hash.h"
#include "base/text.h"

namespace thaw {

namespace {

template <typename Number>
bool take_number(std::string_view& text, Number& number, bool last) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop == text.data()) return false;
  if (last) return stop == end;
  if (stop == end || *stop != ':') return false;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()) + 1);
  return true;
}

Status changed(const std::string& directory, const std::string& what) {
  return fail(ErrorCode::usage, {.file = directory, .tensor = {}},
              "holds a conversion of other input: " + what,
              "Bring the input back as it was, or start over with --restart.");
}

}  // namespace

std::vector<InputMark> input_marks(const PlannedFiles& plan) {
  std::vector<InputMark> marks;
  if (plan.inputs.size() > kMostMarks) return marks;
  marks.reserve(plan.inputs.size());
  for (const MappedFile* input : plan.inputs) {
    const std::string& path = input->path();
    const FileIdentity& identity = input->identity();
    marks.push_back({.name = path.substr(path.rfind('/') + 1),
                     .size = identity.size,
                     .modified_ns = identity.modified_ns,
                     .changed_ns = identity.changed_ns,
                     .inode = identity.inode});
  }
  return marks;
}

std::string input_digest(const PlannedFiles& plan) {
  Hash hash;
  for (const MappedFile* input : plan.inputs) {
    hash.add(input->identity().size);
    hash.add(static_cast<std::uint64_t>(input->identity().modified_ns));
  }
  return hash.hex();
}

Status check_input_marks(const std::string& directory, const std::vector<InputMark>& before,
                         const std::vector<InputMark>& now, bool same_host) {
  if (before.size() != now.size()) {
    return changed(directory, "of " + std::to_string(before.size()) + " files, not " +
                                  std::to_string(now.size()));
  }
  for (std::size_t i = 0; i < now.size(); ++i) {
    const InputMark& was = before[i];
    const InputMark& is = now[i];
    const std::string name = printable(is.name);
    if (was.size != is.size) return changed(directory, name + " has another size");
    if (was.modified_ns != is.modified_ns) {
      return changed(directory, name + " was modified since then");
    }
    if (same_host && was.inode == is.inode && was.changed_ns != is.changed_ns) {
      return changed(directory, name +
                                    " was changed since then, by its change time (ctime), though "
                                    "its modification time is what it was");
    }
  }
  return {};
}

std::string mark_text(const InputMark& mark) {
  std::string text = std::to_string(mark.size);
  text.append(":").append(std::to_string(mark.modified_ns));
  text.append(":").append(std::to_string(mark.changed_ns));
  return text.append(":").append(std::to_string(mark.inode));
}

bool parse_mark(std::string_view text, InputMark& mark) {
  return take_number(text, mark.size, false) && take_number(text, mark.modified_ns, false) &&
         take_number(text, mark.changed_ns, false) && take_number(text, mark.inode, true);
}

}  // namespace thaw
