#include "json/edit.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace thaw::json {

void Editor::remove_member(const Node& object, std::size_t index) {
  assert(object.is_object() && index < object.members.size());
  auto known = std::find_if(objects_.begin(), objects_.end(),
                            [&](const Object& o) { return o.begin == object.begin; });
  if (known == objects_.end()) {
    Object copy{object.begin, object.end, {}};
    for (const auto& [key, value] : object.members) {
      copy.members.push_back({value.key_begin, value.end, false});
    }
    known = objects_.insert(objects_.end(), std::move(copy));
  }
  known->members[index].removed = true;
}

void Editor::replace(const Node& value, std::string replacement) {
  edits_.push_back({value.begin, value.end, std::move(replacement)});
}

// A run of removed members goes with the commas and white space up to the next member that stays;
// without one, from the end of the last that stays; without any, with all between the braces.
void Editor::append_removals(const Object& object, std::vector<Edit>& edits) {
  const std::vector<Member>& members = object.members;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (!members[i].removed) continue;
    const std::size_t first = i;
    while (i < members.size() && members[i].removed) ++i;
    if (i < members.size()) {
      edits.push_back({members[first].begin, members[i].begin, {}});
    } else if (first > 0) {
      edits.push_back({members[first - 1].end, members.back().end, {}});
    } else {
      edits.push_back({object.begin + 1, object.end - 1, {}});
    }
  }
}

std::string Editor::apply() const {
  std::vector<Edit> edits = edits_;
  for (const Object& object : objects_) append_removals(object, edits);
  // An outer edit before those inside it; of two edits of one range the later call's.
  std::reverse(edits.begin(), edits.end());
  std::stable_sort(edits.begin(), edits.end(), [](const Edit& a, const Edit& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
  });
  std::string out;
  std::size_t at = 0;
  for (const Edit& edit : edits) {
    if (edit.begin < at) continue;
    out += text_.substr(at, edit.begin - at);
    out += edit.replacement;
    at = edit.end;
  }
  out += text_.substr(at);
  return out;
}

}  // namespace thaw::json
