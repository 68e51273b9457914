#include "checkpoint/arena.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace thaw {

namespace {
// Small enough for a checkpoint of ten tensors, and the waste at the end of a block is at most
// one name.
constexpr std::size_t kBlockWords = std::size_t{64} * 1024 / sizeof(std::uint64_t);
}  // namespace

std::uint64_t* Arena::take(std::size_t words) {
  if (words > free_words_) {
    const std::size_t size = std::max(words, kBlockWords);
    blocks_.push_back(std::make_unique_for_overwrite<std::uint64_t[]>(size));
    free_ = blocks_.back().get();
    free_words_ = size;
  }
  std::uint64_t* taken = free_;
  free_ += words;
  free_words_ -= words;
  return taken;
}

std::string_view Arena::copy(std::string_view text) {
  if (text.empty()) return {};
  char* to = reinterpret_cast<char*>(take(divide_up(text.size(), sizeof(std::uint64_t))));
  std::memcpy(to, text.data(), text.size());
  return {to, text.size()};
}

std::span<const std::uint64_t> Arena::copy(std::span<const std::uint64_t> numbers) {
  if (numbers.empty()) return {};
  std::uint64_t* to = take(numbers.size());
  std::copy(numbers.begin(), numbers.end(), to);
  return {to, numbers.size()};
}

}  // namespace thaw
