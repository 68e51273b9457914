#include "quant/overrides.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace thaw {

namespace {

constexpr std::size_t kMostPatterns = 4096;
constexpr std::string_view kSpecial = "\\^$*+?{}[]|()";
constexpr char kAnyByte = '\0';

// The text of a pattern that has no other operators than '.'; empty for any other pattern.
std::string literal_of(std::string_view pattern) {
  std::string literal;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size() && pattern[i + 1] == '.') {
      literal += pattern[++i];
    } else if (pattern[i] == '.') {
      literal += kAnyByte;
    } else if (kSpecial.find(pattern[i]) == std::string_view::npos && pattern[i] != kAnyByte) {
      literal += pattern[i];
    } else {
      return {};
    }
  }
  return literal;
}

class ValueReader {
 public:
  ValueReader(const ConfigPlace& place, std::string key, const json::Node& value, ErrorList& errors)
      : place_(place), key_(std::move(key)), value_(value), errors_(errors) {}

  std::optional<std::int64_t> integer(const char* name, std::int64_t least) {
    const json::Node* node = find(name);
    if (node == nullptr) return std::nullopt;
    const std::optional<std::int64_t> value = node->as_integer();
    if (!value || (*value < 1 && *value != least) || *value > kLargest) {
      wrong(name, "a positive integer" + std::string(least < 1 ? " or -1" : ""));
    }
    return value;
  }

  std::optional<bool> boolean(const char* name) {
    const json::Node* node = find(name);
    if (node == nullptr) return std::nullopt;
    const std::optional<bool> value = node->as_boolean();
    if (!value) wrong(name, "true or false");
    return value;
  }

 private:
  static constexpr std::int64_t kLargest = std::int64_t{1} << 20;

  const json::Node* find(const char* name) const {
    const json::Node* node = value_.find(name);
    return node == nullptr || node->kind == json::Kind::null ? nullptr : node;
  }
  void wrong(const char* name, const std::string& expected) {
    errors_.add(fail(ErrorCode::input, Place{place_.file, {}},
                     printable(place_.member(key_) + "." + name) + ": expected " + expected));
  }

  const ConfigPlace& place_;
  const std::string key_;
  const json::Node& value_;
  ErrorList& errors_;
};

}  // namespace

void Overrides::read(Kind kind, const ConfigPlace& place, const std::string& key,
                     const json::Node& map, ErrorList& errors) {
  kind_ = kind;
  const auto wrong = [&](const std::string& name, const std::string& what) {
    errors.add(fail(ErrorCode::input, Place{place.file, {}},
                    printable(place.member(name.empty() ? key : key + "." + name)) + ": " + what));
  };
  if (!map.is_object()) return wrong("", "expected an object");
  std::size_t patterns = 0;
  for (const auto& [name, value] : map.members) {
    std::string_view text = name;
    const bool negative = kind == Kind::dynamic && text.starts_with("-:");
    if (kind == Kind::dynamic && (negative || text.starts_with("+:"))) text.remove_prefix(2);
    Rule rule;
    if (!negative) {
      if (!value.is_object()) {
        wrong(name, "expected an object");
        continue;
      }
      ValueReader values(place, key + "." + name, value, errors);
      rule.claims = {.bits = values.integer("bits", 1),
                     .group_size = values.integer("group_size", -1),
                     .symmetric = values.boolean("sym")};
    }
    rule.literal = literal_of(text);
    if (kind == Kind::extra_config && text.find_first_of(kSpecial) == std::string_view::npos) {
      names_.emplace(name, rules_.size());
      rule.literal.clear();
    } else if (rule.literal.empty()) {
      Result<Pattern> pattern = Pattern::compile(text);
      if (!pattern.ok()) {
        wrong("", pattern.error().messages.front());
        continue;
      }
      rule.pattern = std::move(pattern).value();
      if (++patterns > kMostPatterns) return wrong("", "more than 4096 patterns");
    }
    rules_.push_back(std::move(rule));
  }
}

bool Overrides::matches(const Rule& rule, std::string_view module) const {
  if (rule.pattern) {
    work_ += rule.pattern->cost(module.size());
    if (exhausted()) return false;
    return kind_ == Kind::dynamic ? rule.pattern->matches_prefix(module)
                                  : rule.pattern->matches_somewhere(module);
  }
  if (rule.literal.empty()) return false;  // a name: found before
  const auto fits = [&](std::string_view text) {
    work_ += 1;
    return text.size() >= rule.literal.size() &&
           std::equal(rule.literal.begin(), rule.literal.end(), text.begin(),
                      [](char want, char have) { return want == kAnyByte || want == have; });
  };
  if (kind_ == Kind::dynamic) return fits(module);
  for (std::size_t at = 0; at <= module.size(); ++at) {
    if (fits(module.substr(at))) return true;
  }
  return false;
}

ModuleClaims Overrides::find(std::string_view module) const {
  if (!names_.empty()) {
    const auto found = names_.find(std::string(module));
    if (found != names_.end()) return rules_[found->second].claims;
  }
  for (const Rule& rule : rules_) {
    if (matches(rule, module)) return rule.claims;
  }
  return {};
}

}  // namespace thaw
