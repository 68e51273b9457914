#include "base/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/text.h"

namespace thaw {

namespace {

constexpr std::size_t kLongest = 128;  // bytes; the time stays that of a glance
constexpr std::size_t kShortestAbbreviation = 3;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool abbreviates(std::string_view word, std::string_view whole) {
  if (word.size() < kShortestAbbreviation || whole.empty() || lower(word[0]) != lower(whole[0])) {
    return false;
  }
  std::size_t at = 0;
  for (const char c : whole) {
    if (at < word.size() && lower(word[at]) == lower(c)) ++at;
  }
  return at == word.size();
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Rows of the usual table: two letters back, one back, this one.
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::swap(before, last);
    std::swap(last, row);
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const bool same = lower(a[i]) == lower(b[j]);
      row[j + 1] = std::min({last[j] + (same ? 0 : 1), last[j + 1] + 1, row[j] + 1});
      if (i == 0 || j == 0) continue;
      const bool swapped = lower(a[i]) == lower(b[j - 1]) && lower(a[i - 1]) == lower(b[j]);
      if (swapped) row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
    }
  }
  return row.back();
}

std::vector<std::string> nearest_words(std::string_view word, const std::vector<std::string>& known,
                                       std::size_t most) {
  if (word.empty() || word.size() > kLongest) return {};
  const std::size_t farthest = std::max<std::size_t>(1, word.size() / 3);
  std::vector<std::pair<std::size_t, std::string>> near;
  std::vector<std::string> longer;
  for (const std::string& one : known) {
    if (one.empty() || one.size() > kLongest) continue;
    const std::size_t letters = edit_distance(word, one);
    // A word of which nothing is left is another word.
    if (letters <= farthest && letters < word.size()) near.emplace_back(letters, one);
    if (abbreviates(word, one)) longer.push_back(one);
  }
  std::sort(near.begin(), near.end());
  near.erase(std::unique(near.begin(), near.end()), near.end());
  std::vector<std::string> words;
  for (std::size_t i = 0; i < near.size() && i < most; ++i) words.push_back(near[i].second);
  if (words.empty() && longer.size() == 1) words = std::move(longer);
  return words;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known,
                         std::string_view before) {
  const std::vector<std::string> near = nearest_words(word, known);
  if (near.empty()) return {};
  std::string text = "Did you mean ";
  text += before;
  text += printable(near.front());
  text += '?';
  return text;
}

}  // namespace thaw
