// What a config says of single modules: `dynamic` of GPTQModel and `extra_config` of auto-round.
// Format: specs/gptq.md clause 6.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "quant/config_places.h"
#include "quant/pattern.h"

namespace thaw {

// What the configs say of a module, or of all of them. Tensors decide; claims fill in what they
// leave open.
struct ModuleClaims {
  std::optional<std::int64_t> bits;
  std::optional<std::int64_t> group_size;  // -1: one group
  std::optional<bool> symmetric;
  bool ignored = false;  // the config says that it is left float
  bool unnamed = false;  // no target of a config group of compressed-tensors names it
};

class Overrides {
 public:
  // dynamic: patterns that match a beginning; the first that does decides, and with the prefix
  // "-:" it says nothing. extra_config: names, then patterns that match anywhere.
  enum class Kind : std::uint8_t { dynamic, extra_config };
  // Reads `map`, the member `key` of a config; what is wrong goes to `errors`.
  void read(Kind kind, const ConfigPlace& place, const std::string& key, const json::Node& map,
            ErrorList& errors);
  [[nodiscard]] bool empty() const { return rules_.empty(); }
  [[nodiscard]] ModuleClaims find(std::string_view module) const;
  // True once matching has taken more than any real config needs; find() says nothing from then on.
  [[nodiscard]] bool exhausted() const { return work_ > kMostWork; }

 private:
  static constexpr std::uint64_t kMostWork = 2'000'000'000;

  struct Rule {
    ModuleClaims claims;
    // The pattern, unless it has nothing but literals, '.' and '\.': then those, any byte as 0.
    std::string literal;
    std::optional<Pattern> pattern;
  };
  [[nodiscard]] bool matches(const Rule& rule, std::string_view module) const;

  Kind kind_ = Kind::dynamic;
  std::vector<Rule> rules_;
  std::unordered_map<std::string, std::size_t> names_;  // of extra_config
  mutable std::uint64_t work_ = 0;
};

}  // namespace thaw
