// Edits of a JSON text that leave every other byte as it was.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "json/node.h"

namespace thaw::json {

// Collects edits of one text and applies them together. The nodes are of that text's parse; they
// need not outlive the call, the text must outlive the Editor. An edit inside of something that
// is removed or replaced as a whole is lost with it.
class Editor {
 public:
  explicit Editor(std::string_view text) : text_(text) {}

  // Removes `object.members[index]` with its key, its comma and the white space that was its own.
  void remove_member(const Node& object, std::size_t index);
  // Puts `replacement` (JSON) in place of the value.
  void replace(const Node& value, std::string replacement);
  [[nodiscard]] std::string apply() const;

 private:
  struct Edit {
    std::size_t begin;
    std::size_t end;
    std::string replacement;
  };
  struct Member {
    std::size_t begin;  // of the key
    std::size_t end;    // of the value
    bool removed;
  };
  // Which comma goes with a member depends on which of its neighbours stay, so removals are
  // turned into edits only when all are known.
  struct Object {
    std::size_t begin;
    std::size_t end;
    std::vector<Member> members;
  };
  static void append_removals(const Object& object, std::vector<Edit>& edits);

  std::string_view text_;
  std::vector<Edit> edits_;
  std::vector<Object> objects_;
};

}  // namespace thaw::json
