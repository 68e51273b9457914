// Reads the keys of one spec file. Every problem is noted with the key it stands at, and reading
// goes on. Internal to lib/model.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "json/node.h"

namespace thaw {

class SpecKeys {
 public:
  // `file`, for messages, must outlive this.
  explicit SpecKeys(const std::string& file) : file_(file) {}

  void add(const std::string& key, const std::string& what);
  [[nodiscard]] Status take_errors() { return errors_.take(); }

  // Whether `node` is an object with all of `required`; any other key but `optional` is noted too.
  bool check(const json::Node& node, const std::string& key,
             std::initializer_list<std::string_view> required,
             std::initializer_list<std::string_view> optional);

  // An array of at least one string, none empty and none twice.
  std::vector<std::string> strings(const json::Node& node, const std::string& key);
  // The same, each parts between single dots; in patterns '#' may be a part.
  std::vector<std::string> names(const json::Node& node, const std::string& key);
  std::vector<std::string> patterns(const json::Node& node, const std::string& key);
  // A string that is such a name; empty when it is not.
  std::string name(const json::Node& node, const std::string& key);
  std::string pattern(const json::Node& node, const std::string& key);

 private:
  bool check_name(const std::string& key, const std::string& name, bool pattern);
  std::vector<std::string> all_names(const json::Node& node, const std::string& key, bool pattern);
  std::string one_name(const json::Node& node, const std::string& key, bool pattern);

  const std::string& file_;
  ErrorList errors_;
};

}  // namespace thaw
