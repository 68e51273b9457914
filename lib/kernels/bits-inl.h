// Codes of 1 to 8 bits in one stream, the lowest bit first: code i has bits [i * bits, (i + 1) *
// bits) of it, wherever a byte or a word ends. The kernels spread them to a byte each and go on as
// with codes of 8 bits.
#pragma once

#include "kernels/blocks-inl.h"

namespace thaw::kernels {
namespace {

// Code `index` of a stream; reads no byte but those that hold it.
inline int stream_code(const unsigned char* from, std::uint64_t index, std::uint32_t bits) {
  const std::uint64_t at = index * bits;
  const auto shift = static_cast<std::uint32_t>(at % 8);
  std::uint32_t value = static_cast<std::uint32_t>(from[at / 8]) >> shift;
  if (shift + bits > 8) value |= static_cast<std::uint32_t>(from[at / 8 + 1]) << (8 - shift);
  return static_cast<int>(value & ((1u << bits) - 1));
}

// The first of 32 codes stands in the first byte. Reads 3 * bits + 8 bytes; `bits` is below 8.
[[gnu::always_inline]] inline void spread_quarter(const unsigned char* from, std::uint32_t bits,
                                                  unsigned char* to) {
  typedef std::uint64_t Fours __attribute__((vector_size(32)));
  const std::uint64_t halves = (std::uint64_t{1} << 4 * bits) - 1;
  const std::uint64_t pairs = ((std::uint64_t{1} << 2 * bits) - 1) * 0x0000000100000001u;
  const std::uint64_t ones = ((std::uint64_t{1} << bits) - 1) * 0x0001000100010001u;
  Fours x = {load<std::uint64_t>(from), load<std::uint64_t>(from + bits),
             load<std::uint64_t>(from + 2 * bits), load<std::uint64_t>(from + 3 * bits)};
  x = (x & halves) | (((x >> 4 * bits) & halves) << 32);
  x = (x & pairs) | (((x >> 2 * bits) & pairs) << 16);
  x = (x & ones) | (((x >> bits) & ones) << 8);
  __builtin_memcpy(to, &x, sizeof x);
}

// `count` codes from a stream of which `size` bytes may be read, to `to`, which has room for a
// multiple of 32.
inline void spread_stream(const unsigned char* from, std::uint64_t size, std::uint64_t count,
                          std::uint32_t bits, unsigned char* to) {
  const std::uint64_t step = 4 * bits;  // bytes of 32 codes
  for (std::uint64_t i = 0; i < count; i += kQuarter, from += step, to += kQuarter) {
    const std::uint64_t left = size - i / kQuarter * step;
    if (left >= 3 * bits + 8) [[likely]] {
      spread_quarter(from, bits, to);
      continue;
    }
    unsigned char padded[64] = {};
    __builtin_memcpy(padded, from, left < step ? left : step);
    spread_quarter(padded, bits, to);
  }
}

// The planes of codes that are cut: of 32 codes first the 4 lowest bits, then 2, then 1, as many of
// them as make up `bits`. `from` has 4 * bits bytes and may be read 8 further.
inline void spread_planes(const unsigned char* from, std::uint32_t bits, unsigned char* to) {
  typedef unsigned char Bytes __attribute__((vector_size(32)));
  Bytes all = {};
  std::uint32_t done = 0;
  for (std::uint32_t plane = 4; plane != 0; plane /= 2) {
    if ((bits & plane) == 0) continue;
    alignas(32) unsigned char part[kQuarter];
    spread_quarter(from + 4 * done, plane, part);
    Bytes codes;
    __builtin_memcpy(&codes, part, sizeof codes);
    all |= codes << static_cast<unsigned char>(done);
    done += plane;
  }
  __builtin_memcpy(to, &all, sizeof all);
}

// One of those codes; reads no byte but those that hold it.
inline int plane_code(const unsigned char* from, std::uint64_t index, std::uint32_t bits) {
  int code = 0;
  std::uint32_t done = 0;
  for (std::uint32_t plane = 4; plane != 0; plane /= 2) {
    if ((bits & plane) == 0) continue;
    code |= stream_code(from + 4 * done, index, plane) << done;
    done += plane;
  }
  return code;
}

}  // namespace
}  // namespace thaw::kernels
