// What somebody may have meant who mistyped a word.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace thaw {

// How many letters must be put in, left out, replaced or swapped with their neighbour to make `b`
// of `a`; ASCII case aside. The work is the product of the lengths: bound them first.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// Those of `known` that `word` may have been meant as, the nearest first, each once, at most
// `most`: those at a distance of at most a third of the word's letters, but one where it is short;
// where none is near, the one that `word` abbreviates (it begins with the same letter and has the
// letters of `word` in their order), if it is the only one. Words of more than 128 bytes are near
// nothing. specs/cli.md clause 1.6.
[[nodiscard]] std::vector<std::string> nearest_words(std::string_view word,
                                                     const std::vector<std::string>& known,
                                                     std::size_t most = 1);

// "Did you mean <before><nearest>?", safe for a terminal; empty when nothing is near.
[[nodiscard]] std::string did_you_mean(std::string_view word, const std::vector<std::string>& known,
                                       std::string_view before = {});

}  // namespace thaw
