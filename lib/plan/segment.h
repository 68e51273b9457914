// A piece of a tensor or of a file that knows how its bytes are made from the mapped input, and
// from nothing else. Segments can be cut, at multiples of grain(), so the size of the pieces that
// are made never matters.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace thaw {

enum class SegmentKind : std::uint8_t {
  literal,  // bytes that stand in the plan
  copy,     // a range of an input file, unchanged
  cast,     // a range of a float tensor, converted to another float type
  tile,     // rows of a linear's weight, dequantized
  woven,    // rows of a matrix that is made of others (plan/weave.h)
};

struct Segment {
  static constexpr std::uint32_t kNoTensor = 0xffffffff;

  SegmentKind kind = SegmentKind::literal;
  Dtype from = Dtype::u8;  // cast: type of the source
  Dtype to = Dtype::u8;    // copy, cast, tile, woven: type of the output
  // literal: Plan::literals; copy, cast: Plan::inputs; tile: Plan::linears; woven: Plan::weaves.
  std::uint32_t source = 0;
  std::uint32_t divisor = 0;         // cast, tile: not 0: 1 + the index into Plan::divisors
  std::uint32_t tensor = kNoTensor;  // index into Plan::tensors; of a header or another file: none
  std::uint64_t offset = 0;          // bytes into the output file
  std::uint64_t size = 0;            // bytes of output
  std::uint64_t begin = 0;           // literal, copy, cast: first byte of the source; others: row
  std::uint64_t row_bytes = 0;       // tile, woven: bytes of one output row
  // tile, woven: rows that are made together. `begin` is a multiple of it, and so is every cut.
  std::uint32_t row_block = 1;
  std::uint32_t row_step = 1;  // tile: the rows that are made fastest; a multiple of row_block

  // Bytes of input that make one unit of output, as a fraction; only for copy and cast.
  [[nodiscard]] std::uint64_t input_size() const {
    return kind == SegmentKind::cast ? size / (dtype_bits(to) / 8) * (dtype_bits(from) / 8) : size;
  }
  // The number of output bytes that cutting must not split.
  [[nodiscard]] std::uint64_t grain() const {
    if (kind == SegmentKind::tile || kind == SegmentKind::woven) return row_block * row_bytes;
    return kind == SegmentKind::cast ? dtype_bits(to) / 8 : 1;
  }
};

// The part of `whole` that makes its output bytes [from, from + size), counted from its start;
// `from` is a multiple of grain(), and so is `size`, or the part ends where `whole` does.
[[nodiscard]] Segment cut(const Segment& whole, std::uint64_t from, std::uint64_t size);

}  // namespace thaw
