#include "base/columns.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace thaw {

namespace {

struct Range {
  std::uint32_t from;
  std::uint32_t to;
};

// Unicode's East Asian Width W and F, in blocks rather than letter by letter.
constexpr std::array<Range, 17> kWide = {{{0x1100, 0x115f},
                                          {0x2e80, 0x303e},
                                          {0x3041, 0x33ff},
                                          {0x3400, 0x4dbf},
                                          {0x4e00, 0x9fff},
                                          {0xa000, 0xa4cf},
                                          {0xa960, 0xa97f},
                                          {0xac00, 0xd7a3},
                                          {0xf900, 0xfaff},
                                          {0xfe30, 0xfe6f},
                                          {0xff00, 0xff60},
                                          {0xffe0, 0xffe6},
                                          {0x1f300, 0x1f64f},
                                          {0x1f680, 0x1f6ff},
                                          {0x1f900, 0x1f9ff},
                                          {0x20000, 0x2fffd},
                                          {0x30000, 0x3fffd}}};
constexpr std::array<Range, 6> kMarks = {{{0x0300, 0x036f},
                                          {0x1ab0, 0x1aff},
                                          {0x1dc0, 0x1dff},
                                          {0x20d0, 0x20ff},
                                          {0xfe00, 0xfe0f},
                                          {0xfe20, 0xfe2f}}};

bool in(std::span<const Range> ranges, std::uint32_t letter) {
  return std::any_of(ranges.begin(), ranges.end(), [letter](const Range& range) {
    return letter >= range.from && letter <= range.to;
  });
}

// The letter at `at`, which moves behind it. A byte that is no UTF-8 counts as a letter.
std::uint32_t take_letter(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0xc0) return first;
  std::uint32_t letter = first >= 0xf0 ? first & 7u : first >= 0xe0 ? first & 15u : first & 31u;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) {
    letter = (letter << 6) | (static_cast<unsigned char>(text[at++]) & 0x3fu);
  }
  return letter;
}

std::size_t width_of(std::uint32_t letter) {
  if (letter < 0x300) return 1;
  return in(kMarks, letter) ? 0 : in(kWide, letter) ? 2 : 1;
}

// Where the lines after the first begin.
std::size_t hanging_indent(std::string_view line, std::size_t width) {
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  const std::size_t gap = line.find("  ", begin);
  std::size_t second = gap == std::string_view::npos ? begin : line.find_first_not_of(' ', gap);
  if (second == std::string_view::npos) second = begin;
  const std::size_t indent = columns_of(line.substr(0, second));
  if (indent <= width / 2) return indent;
  return begin <= width / 2 ? begin : 0;
}

void append_wrapped(std::string& out, std::string_view line, std::size_t width) {
  if (columns_of(line) <= width) {
    out += line;
    return;
  }
  const std::size_t indent = hanging_indent(line, width);
  std::size_t used = 0;
  bool first = true;
  while (!line.empty()) {
    const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    const std::string_view spaces = line.substr(0, begin);
    const std::string_view word = line.substr(begin, end - begin);
    const std::size_t columns = columns_of(word);
    line.remove_prefix(end);
    if (word.empty()) break;
    const std::size_t room = width > columns ? width - columns : 0;
    if (first) {
      used = std::min(spaces.size(), room);
      out.append(used, ' ');
    } else if (used + spaces.size() <= room) {
      out += spaces;
      used += spaces.size();
    } else {
      used = std::min(indent, room);
      out += '\n';
      out.append(used, ' ');
    }
    used += columns;
    out += word;
    first = false;
  }
}

}  // namespace

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t at = 0; at < text.size();) columns += width_of(take_letter(text, at));
  return columns;
}

std::string_view first_columns(std::string_view text, std::size_t columns) {
  std::size_t used = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    used += width_of(take_letter(text, at));
    if (used > columns) return text.substr(0, begin);
  }
  return text;
}

std::string wrapped(std::string_view text, std::size_t width) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    append_wrapped(out, text.substr(0, end), width);
    if (end < text.size()) out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace thaw
