// Which config group of compressed-tensors a module belongs to: `targets` and `ignore`.
// Format: specs/compressed_tensors.md clause 6.6.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "quant/pattern.h"

namespace thaw {

// Names of modules, "re:" and a pattern that matches their beginning, or names of classes.
class NameList {
 public:
  // `value` is what find() returns; of equal names the last one counts, as in the producer's map.
  // Errors say which pattern is not understood; they name no file.
  [[nodiscard]] Status add(std::string_view name, std::size_t value);
  // Once all are there. Patterns are asked in the order of their text.
  void finish();
  // Names before patterns before "Linear", which every packed module is.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view module) const;
  // A class that no file tells the modules of.
  [[nodiscard]] bool has_unseen_class() const { return unseen_class_; }
  // True once matching has taken more than any real config needs; find() finds nothing from then.
  [[nodiscard]] bool exhausted() const { return work_ > kMostWork; }

 private:
  static constexpr std::uint64_t kMostWork = 1'000'000'000;

  struct Rule {
    std::string text;
    Pattern pattern;
    std::size_t value;
  };
  std::unordered_map<std::string, std::size_t> names_;
  std::vector<Rule> rules_;
  std::optional<std::size_t> linear_;
  bool unseen_class_ = false;
  mutable std::uint64_t work_ = 0;
};

struct Targets {
  // The value of a group that is not read: of another format, or without weights.
  static constexpr std::size_t kOtherGroup = static_cast<std::size_t>(-1);

  NameList groups;  // index into QuantConfig::compressed, or kOtherGroup
  NameList ignored;
  bool said = false;  // a group that is read has targets, and all of them are understood

  [[nodiscard]] bool exhausted() const { return groups.exhausted() || ignored.exhausted(); }
};

}  // namespace thaw
