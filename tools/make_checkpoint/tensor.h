// What a checkpoint of random numbers is made of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace thaw::tools {

enum class Content : std::uint8_t {
  nibbles,       // random bits
  scales,        // lognormal around 0.01
  scaled_zeros,  // -(scale * zero), as GEMV_FAST stores it
  weights,       // normal, deviation 0.02
  norm,          // around 1
  same,          // `key`, over and over
  low_nibbles,   // random bits, none of them the highest of a nibble
  group_index,   // the group of each input: first inputs, of second each; stride `key`
  shape,         // two numbers, first and second
};

// A tensor and what decides its bytes: the same TensorSpec gives the same bytes.
struct TensorSpec {
  std::string name;
  std::string dtype;  // "I64", "I32", "F32", "I16", "F16", "BF16"
  std::vector<std::uint64_t> shape;
  Content content = Content::nibbles;
  std::uint64_t key = 0;  // of the random numbers; scales and their scaled zeros share one
  // Only this much of each row, and so many rows, hold numbers; the rest is zero.
  std::uint64_t used_row_bytes = 0;
  std::uint64_t used_rows = 0;
  std::uint64_t first = 0;  // of the content, where it has numbers
  std::uint64_t second = 0;

  // Whether the bytes say how the others are laid out: without them they have no meaning.
  [[nodiscard]] bool structural() const {
    return content == Content::group_index || content == Content::shape;
  }
  [[nodiscard]] std::uint64_t rows() const { return shape.size() == 1 ? 1 : shape[0]; }
  [[nodiscard]] std::uint64_t element_bytes() const {
    return dtype == "I64" ? 8u : dtype == "I32" || dtype == "F32" ? 4u : 2u;
  }
  [[nodiscard]] std::uint64_t row_bytes() const { return shape.back() * element_bytes(); }
  [[nodiscard]] std::uint64_t size() const { return rows() * row_bytes(); }
};

}  // namespace thaw::tools
