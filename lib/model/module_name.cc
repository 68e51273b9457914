#include "model/module_name.h"

namespace thaw {

namespace {

// Takes the first part off `name`.
std::string_view take_part(std::string_view& name) {
  const std::string_view part = name.substr(0, name.find('.'));
  name.remove_prefix(part.size() == name.size() ? part.size() : part.size() + 1);
  return part;
}

template <typename Same>
bool compare(std::string_view a, std::string_view b, const Same& same) {
  while (!a.empty() && !b.empty()) {
    if (!same(take_part(a), take_part(b))) return false;
  }
  return a.empty() && b.empty();
}

bool stands_for(std::string_view pattern, std::string_view part) {
  return pattern == part || (pattern == "#" && is_number(part));
}

}  // namespace

bool is_dotted_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.back() != '.' &&
         name.find("..") == std::string_view::npos;
}

bool is_module_pattern(std::string_view name) {
  while (!name.empty()) {
    const std::string_view part = take_part(name);
    if (part != "#" && part.find('#') != std::string_view::npos) return false;
  }
  return true;
}

bool is_number(std::string_view part) {
  return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string_view without_last_part(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return name.substr(0, dot == std::string_view::npos ? 0 : dot);
}

bool has_prefix(std::string_view name, std::string_view prefix) {
  return name.starts_with(prefix) && (name.size() == prefix.size() || name[prefix.size()] == '.');
}

bool matches(std::string_view pattern, std::string_view name) {
  return compare(pattern, name, stands_for);
}

bool overlap(std::string_view pattern, std::string_view other) {
  return compare(pattern, other, [](std::string_view a, std::string_view b) {
    return stands_for(a, b) || stands_for(b, a);
  });
}

}  // namespace thaw
