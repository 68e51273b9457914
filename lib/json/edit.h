// Edits of a JSON text that leave every other byte as it was.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "json/node.h"

namespace thaw::json {

// Collects edits of one text and applies them together. The nodes are of that text's parse.
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
  std::string_view text_;
  std::vector<Edit> edits_;
};

}  // namespace thaw::json
