#include "quant/pattern.h"

#include <string>

namespace thaw {

namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

// Adds what can be reached from `start` without reading a byte to `waiting`; true when that is
// success.
bool Pattern::follow(std::string_view text, std::size_t at, std::uint32_t start,
                     std::vector<std::uint32_t>& waiting, std::vector<std::uint8_t>& seen,
                     std::uint64_t& steps) const {
  std::vector<std::uint32_t> open = {start};
  while (!open.empty()) {
    const std::uint32_t index = open.back();
    open.pop_back();
    ++steps;
    if (seen[index] != 0) continue;
    seen[index] = 1;
    const Step& step = program_[index];
    const bool after_word = at > 0 && is_word(text[at - 1]);
    const bool before_word = at < text.size() && is_word(text[at]);
    switch (step.op) {
      case Op::bytes:
        waiting.push_back(index);
        break;
      case Op::split:
        open.push_back(step.second);
        open.push_back(step.first);
        break;
      case Op::jump:
        open.push_back(step.first);
        break;
      case Op::begin:
        if (at == 0) open.push_back(step.first);
        break;
      case Op::end:
        if (at == text.size()) open.push_back(step.first);
        break;
      case Op::boundary:
        if ((after_word != before_word) != step.negated) open.push_back(step.first);
        break;
      case Op::look:
        if (run(text, at, step.first, false, steps) != step.negated) open.push_back(step.second);
        break;
      case Op::success:
        return true;
    }
  }
  return false;
}

bool Pattern::run(std::string_view text, std::size_t at, std::uint32_t start, bool anywhere,
                  std::uint64_t& steps) const {
  std::vector<std::uint32_t> waiting;
  std::vector<std::uint32_t> next;
  std::vector<std::uint8_t> seen(program_.size());
  if (follow(text, at, start, waiting, seen, steps)) return true;
  for (; at < text.size(); ++at) {
    if (waiting.empty() && !anywhere) return false;
    next.clear();
    seen.assign(program_.size(), 0);
    steps += program_.size() / 16 + waiting.size();
    const auto byte = static_cast<unsigned char>(text[at]);
    for (const std::uint32_t index : waiting) {
      const Step& step = program_[index];
      if (sets_[step.set][byte] && follow(text, at + 1, step.first, next, seen, steps)) return true;
    }
    if (anywhere && follow(text, at + 1, start, next, seen, steps)) return true;
    waiting.swap(next);
  }
  return false;
}

}  // namespace thaw
