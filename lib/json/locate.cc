#include "json/locate.h"

#include "json/scan.h"
#include "json/strict.h"

namespace thaw::json {

namespace {

// The offset within `part` of a flaw in it; moves `part` to the smallest part that is at fault.
// Returns true when there is a smaller one.
bool descend(StrictParser& parser, std::string_view& part, std::size_t& offset, Flaw& flaw) {
  Splitter splitter(part);
  simdjson::dom::element ignored;
  while (splitter.next()) {
    if (!splitter.key().empty()) {
      if (const auto error = parser.parse(splitter.key(), ignored)) {
        flaw = {offset + splitter.key_begin(), std::string(explain(error))};
        return false;
      }
    }
    if (const auto error = parser.parse(splitter.value(), ignored)) {
      flaw = {offset + splitter.value_begin(), std::string(explain(error))};
      offset += splitter.value_begin();
      part = splitter.value();
      return part.front() == '{' || part.front() == '[';
    }
  }
  if (splitter.malformed()) flaw = {offset + splitter.position(), splitter.problem()};
  return false;
}

}  // namespace

Flaw locate(std::string_view text, std::size_t most_depth) {
  StrictParser parser(most_depth);
  simdjson::dom::element ignored;
  std::size_t offset = skip_space(text, 0);
  std::string_view part = text.substr(offset);
  const simdjson::error_code error = parser.parse(text, ignored);
  Flaw flaw{offset, std::string(explain(error))};
  if (error == simdjson::DEPTH_ERROR || part.empty()) return flaw;
  if (part.front() != '{' && part.front() != '[') return flaw;
  for (std::size_t depth = 0; depth <= most_depth; ++depth) {
    if (!descend(parser, part, offset, flaw)) break;
  }
  return flaw;
}

}  // namespace thaw::json
