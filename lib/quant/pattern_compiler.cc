// From the text of a pattern to its program: a recursive descent over alternatives, sequences,
// repetitions and atoms. Format: specs/gptq.md clause 6.4.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "quant/pattern.h"

namespace thaw {

namespace {

constexpr std::size_t kLongestPattern = 1000;
constexpr std::size_t kLargestProgram = 4000;
constexpr int kDeepest = 30;
constexpr std::uint32_t kMostRepeats = 1000;

Pattern::Bytes range(char first, char last) {
  Pattern::Bytes set;
  for (int c = first; c <= last; ++c) set.set(static_cast<std::size_t>(c));
  return set;
}

// \d, \w, \s and their complements.
std::optional<Pattern::Bytes> class_of(char letter) {
  Pattern::Bytes set;
  switch (letter) {
    case 'd':
    case 'D':
      set = range('0', '9');
      break;
    case 'w':
    case 'W':
      set = range('0', '9') | range('a', 'z') | range('A', 'Z') | range('_', '_');
      break;
    case 's':
    case 'S':
      set = range('\t', '\r') | range(' ', ' ');
      break;
    default:
      return std::nullopt;
  }
  return letter >= 'a' ? set : ~set;
}

}  // namespace

class PatternCompiler {
 public:
  explicit PatternCompiler(std::string_view text) : text_(text) {}

  Result<Pattern> compile() {
    if (text_.size() > kLongestPattern) problem_ = "it is longer than 1000 bytes";
    if (ok()) alternatives(0);
    if (ok() && at_ != text_.size()) problem_ = "an unmatched )";
    add({.op = Op::success});
    if (!ok()) {
      return fail(ErrorCode::input, {},
                  "the pattern \"" + printable(text_) + "\" is not understood: " + problem_);
    }
    return std::move(pattern_);
  }

 private:
  using Op = Pattern::Op;
  using Step = Pattern::Step;

  [[nodiscard]] bool ok() const { return problem_.empty(); }
  [[nodiscard]] bool more() const { return ok() && at_ < text_.size(); }
  [[nodiscard]] char peek() const { return text_[at_]; }
  bool take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  [[nodiscard]] std::uint32_t here() const {
    return static_cast<std::uint32_t>(pattern_.program_.size());
  }
  std::uint32_t add(const Step& step) {
    if (pattern_.program_.size() >= kLargestProgram) problem_ = "it repeats too much";
    if (ok() || step.op == Op::success) pattern_.program_.push_back(step);
    return ok() ? here() - 1 : 0;
  }
  void add_set(const Pattern::Bytes& set) {
    const std::uint32_t index = add({.op = Op::bytes, .first = here() + 1});
    if (!ok()) return;
    pattern_.program_[index].set = static_cast<std::uint32_t>(pattern_.sets_.size());
    pattern_.sets_.push_back(set);
  }
  // Makes room for a step before `begin` and moves what points behind it.
  void insert(std::uint32_t begin, const Step& step) {
    add({});
    if (!ok()) return;
    auto& program = pattern_.program_;
    std::rotate(program.begin() + begin, program.end() - 1, program.end());
    for (std::uint32_t i = begin + 1; i < here(); ++i) {
      ++program[i].first;  // all targets of a finished part lie in it or right behind it
      ++program[i].second;
    }
    program[begin] = step;
  }

  void alternatives(int depth) {
    if (depth > kDeepest) problem_ = "it is nested too deeply";
    const std::uint32_t begin = here();
    sequence(depth);
    if (!ok() || !take("|")) return;
    insert(begin, {.op = Op::split, .first = begin + 1});
    const std::uint32_t jump = add({.op = Op::jump});
    if (!ok()) return;
    pattern_.program_[begin].second = here();
    alternatives(depth);
    if (ok()) pattern_.program_[jump].first = here();
  }

  void sequence(int depth) {
    while (more() && peek() != '|' && peek() != ')') {
      const std::uint32_t begin = here();
      const bool repeatable = atom(depth);
      if (ok()) repetition(begin, repeatable);
    }
  }

  // True for what may be repeated.
  bool atom(int depth) {
    if (take("^")) return assertion({.op = Op::begin});
    if (take("$")) return assertion({.op = Op::end});
    if (take("\\b")) return assertion({.op = Op::boundary});
    if (take("\\B")) return assertion({.op = Op::boundary, .negated = true});
    if (take("\\A")) return assertion({.op = Op::begin});
    if (take("\\Z")) return assertion({.op = Op::end});
    if (take("(?=")) return look(false, depth);
    if (take("(?!")) return look(true, depth);
    if (take("(?:") || (!text_.substr(at_).starts_with("(?") && take("("))) {
      alternatives(depth + 1);
      close();
      return true;
    }
    if (peek() == '(') problem_ = "a kind of group that thaw does not know";
    if (peek() == '*' || peek() == '+' || peek() == '?') problem_ = "nothing to repeat";
    if (!ok()) return false;
    if (take("[")) {
      set();
    } else if (take(".")) {
      add_set(~range('\n', '\n'));
    } else {
      add_set(one());
    }
    return true;
  }

  bool assertion(Step step) {
    step.first = here() + 1;
    add(step);
    return false;
  }

  // The look itself, the part it looks for, its success; then the rest.
  bool look(bool negated, int depth) {
    if (in_look_) problem_ = "a lookahead inside another";
    const std::uint32_t begin = add({.op = Op::look, .negated = negated});
    if (!ok()) return false;
    pattern_.looks_ahead_ = true;
    pattern_.program_[begin].first = here();
    in_look_ = true;
    alternatives(depth + 1);
    in_look_ = false;
    close();
    if (ok()) add({.op = Op::success});
    if (ok()) pattern_.program_[begin].second = here();
    return false;
  }

  void close() {
    if (ok() && !take(")")) problem_ = "a missing )";
  }

  // One byte, or an escape.
  Pattern::Bytes one() {
    const char c = text_[at_++];
    if (c != '\\') return single(c);
    if (at_ == text_.size()) {
      problem_ = "a backslash at its end";
      return {};
    }
    const char escaped = text_[at_++];
    if (const auto known = class_of(escaped)) return *known;
    if (escaped == 'n') return single('\n');
    if (escaped == 't') return single('\t');
    const bool letter = (escaped >= 'a' && escaped <= 'z') || (escaped >= 'A' && escaped <= 'Z') ||
                        (escaped >= '0' && escaped <= '9');
    if (letter) problem_ = "an escape that thaw does not know";
    return single(escaped);
  }
  static Pattern::Bytes single(char c) {
    Pattern::Bytes set;
    set.set(static_cast<unsigned char>(c));
    return set;
  }

  void set() {
    const bool negated = take("^");
    Pattern::Bytes all;
    for (bool first = true; more() && (first || peek() != ']'); first = false) {
      const char from = peek();
      const Pattern::Bytes part = one();
      all |= part;
      const bool is_range = ok() && part.count() == 1 && from != '\\' && at_ + 1 < text_.size() &&
                            peek() == '-' && text_[at_ + 1] != ']';
      if (!is_range) continue;
      ++at_;
      const char to = text_[at_++];
      const auto last = static_cast<unsigned char>(to);  // char is unsigned on ARM
      if (to == '\\' || last < static_cast<unsigned char>(from) || last >= 0x80) {
        problem_ = "a range of bytes that thaw does not know";
        return;
      }
      all |= range(from, to);
    }
    if (ok() && !take("]")) problem_ = "a missing ]";
    add_set(negated ? ~all : all);
  }

  struct Counts {
    std::uint32_t least = 1;
    std::uint32_t most = 1;  // 0: without end
  };

  void repetition(std::uint32_t begin, bool repeatable) {
    for (Counts counts; ok() && quantifier(counts); counts = {}) {
      if (!repeatable) {
        problem_ = "nothing to repeat";
        return;
      }
      static_cast<void>(take("?"));  // greedy or not, the same names match
      repeat(begin, counts);
    }
  }

  bool quantifier(Counts& counts) {
    if (take("*")) return counts = {0, 0}, true;
    if (take("+")) return counts = {1, 0}, true;
    if (take("?")) return counts = {0, 1}, true;
    const std::size_t start = at_;
    if (!take("{")) return false;
    const std::optional<std::uint32_t> least = number();
    const bool open = take(",");
    const std::optional<std::uint32_t> most = open ? number() : least;
    if (!take("}") || (!least && !most)) {
      at_ = start;
      problem_ = "a { that counts nothing";
      return false;
    }
    counts = {least.value_or(0), most.value_or(0)};
    if (most && (*most < counts.least || *most == 0)) problem_ = "a count that is not possible";
    return ok();
  }

  std::optional<std::uint32_t> number() {
    std::optional<std::uint32_t> value;
    while (at_ < text_.size() && peek() >= '0' && peek() <= '9') {
      value = value.value_or(0) * 10 + static_cast<std::uint32_t>(text_[at_++] - '0');
      if (*value > kMostRepeats) problem_ = "it repeats too much", value = kMostRepeats;
    }
    return value;
  }

  // x{2,} becomes x x x*, and x{1,3} becomes x x? x?.
  void repeat(std::uint32_t begin, const Counts& counts) {
    const std::vector<Step> once(pattern_.program_.begin() + begin, pattern_.program_.end());
    pattern_.program_.resize(begin);
    const auto copy = [&] {
      const std::uint32_t moved = here() - begin;
      for (Step step : once) {
        step.first += moved;
        step.second += moved;
        add(step);
      }
    };
    for (std::uint32_t i = 0; i < counts.least && ok(); ++i) copy();
    if (counts.most == 0 && ok()) {
      const std::uint32_t split = add({.op = Op::split, .first = here() + 1});
      copy();
      add({.op = Op::jump, .first = split});
      if (ok()) pattern_.program_[split].second = here();
      return;
    }
    for (std::uint32_t i = counts.least; i < counts.most && ok(); ++i) {
      const std::uint32_t split = add({.op = Op::split, .first = here() + 1});
      copy();
      if (ok()) pattern_.program_[split].second = here();
    }
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  bool in_look_ = false;
  Pattern pattern_;
  std::string problem_;
};

Result<Pattern> Pattern::compile(std::string_view text) { return PatternCompiler(text).compile(); }

}  // namespace thaw
