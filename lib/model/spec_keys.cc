#include "model/spec_keys.h"

#include <algorithm>

#include "base/text.h"
#include "model/module_name.h"

namespace thaw {

namespace {

template <typename Items>
bool contains(const Items& items, std::string_view one) {
  return std::find(items.begin(), items.end(), one) != items.end();
}

}  // namespace

void SpecKeys::add(const std::string& key, const std::string& what) {
  const std::string where = key.empty() ? "" : printable(key) + ": ";
  errors_.add(fail(ErrorCode::input, Place{file_, {}}, where + what));
}

bool SpecKeys::check(const json::Node& node, const std::string& key,
                     std::initializer_list<std::string_view> required,
                     std::initializer_list<std::string_view> optional) {
  if (!node.is_object()) {
    add(key, "is not an object");
    return false;
  }
  const std::string prefix = key.empty() ? "" : key + ".";
  bool complete = true;
  for (const auto& [name, value] : node.members) {
    if (!contains(required, name) && !contains(optional, name)) {
      add(prefix + name, "is not a key of a model spec");
    }
  }
  for (const std::string_view name : required) {
    if (node.find(name) != nullptr) continue;
    add(prefix + std::string(name), "is missing");
    complete = false;
  }
  return complete;
}

std::vector<std::string> SpecKeys::strings(const json::Node& node, const std::string& key) {
  std::vector<std::string> found;
  if (node.kind != json::Kind::array || node.items.empty()) {
    add(key, "is not an array of at least one string");
    return found;
  }
  for (const json::Node& item : node.items) {
    if (item.kind != json::Kind::string || item.string.empty()) {
      add(key, "holds something that is not a string, or an empty one");
    } else if (contains(found, item.string)) {
      add(key, "holds " + in_quotes(item.string) + " twice");
    } else {
      found.push_back(item.string);
    }
  }
  return found;
}

bool SpecKeys::check_name(const std::string& key, const std::string& name, bool pattern) {
  if (!is_dotted_name(name)) {
    add(key, in_quotes(name) + " is not a name of parts between single dots");
  } else if (!pattern && name.find('#') != std::string::npos) {
    add(key, in_quotes(name) + " holds a #, which has no meaning here");
  } else if (!is_module_pattern(name)) {
    add(key, in_quotes(name) + " holds a # that is not a part of its own");
  } else {
    return true;
  }
  return false;
}

std::vector<std::string> SpecKeys::all_names(const json::Node& node, const std::string& key,
                                             bool pattern) {
  std::vector<std::string> found = strings(node, key);
  std::erase_if(found, [&](const std::string& name) { return !check_name(key, name, pattern); });
  return found;
}

std::string SpecKeys::one_name(const json::Node& node, const std::string& key, bool pattern) {
  if (node.kind != json::Kind::string) {
    add(key, "is not a string");
    return {};
  }
  return check_name(key, node.string, pattern) ? node.string : std::string();
}

std::vector<std::string> SpecKeys::names(const json::Node& node, const std::string& key) {
  return all_names(node, key, false);
}

std::vector<std::string> SpecKeys::patterns(const json::Node& node, const std::string& key) {
  return all_names(node, key, true);
}

std::string SpecKeys::name(const json::Node& node, const std::string& key) {
  return one_name(node, key, false);
}

std::string SpecKeys::pattern(const json::Node& node, const std::string& key) {
  return one_name(node, key, true);
}

}  // namespace thaw
