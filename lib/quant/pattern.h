// Patterns over module names as the configs of quantizers have them: Python's regular expressions,
// as far as specs/gptq.md clause 6.4 lists them. Matched without backtracking, so that no pattern
// takes more than its length times the name's. Internal to lib/quant.
#pragma once

#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace thaw {

class Pattern {
 public:
  // Errors say what in the pattern is not understood; they name no file.
  [[nodiscard]] static Result<Pattern> compile(std::string_view text);

  // As Python's re.match: from the beginning of the text, not necessarily to its end.
  [[nodiscard]] bool matches_prefix(std::string_view text) const {
    std::uint64_t steps = 0;
    return run(text, 0, 0, false, steps);
  }
  // The same; adds the steps that it took.
  [[nodiscard]] bool matches_prefix(std::string_view text, std::uint64_t& steps) const {
    return run(text, 0, 0, false, steps);
  }
  // As Python's re.search: anywhere in the text.
  [[nodiscard]] bool matches_somewhere(std::string_view text) const {
    std::uint64_t steps = 0;
    return run(text, 0, 0, true, steps);
  }
  // At most so many steps does it take to match `length` bytes.
  [[nodiscard]] std::uint64_t cost(std::size_t length) const {
    return program_.size() * (length + 1) * (looks_ahead_ ? length + 1 : 1);
  }

  using Bytes = std::bitset<256>;

 private:
  friend class PatternCompiler;

  enum class Op : std::uint8_t { bytes, split, jump, begin, end, boundary, look, success };
  // split goes on at `first` and at `second`, jump at `first`; look succeeds when the program at
  // `first` matches from here (or, negated, when it does not) and goes on at `second`.
  struct Step {
    Op op = Op::success;
    bool negated = false;
    std::uint32_t first = 0;
    std::uint32_t second = 0;
    std::uint32_t set = 0;  // index into sets_
  };

  [[nodiscard]] bool run(std::string_view text, std::size_t at, std::uint32_t start, bool anywhere,
                         std::uint64_t& steps) const;
  bool follow(std::string_view text, std::size_t at, std::uint32_t start,
              std::vector<std::uint32_t>& waiting, std::vector<std::uint8_t>& seen,
              std::uint64_t& steps) const;

  std::vector<Step> program_;
  std::vector<Bytes> sets_;
  bool looks_ahead_ = false;
};

}  // namespace thaw
