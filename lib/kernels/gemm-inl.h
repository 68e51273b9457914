// AutoAWQ's GEMM layout: stored [in_features, out_features / 8], wanted [out_features,
// in_features], so this kernel transposes.
//
// A strip is up to 512 output rows, which are 256 bytes of every input line. It is made in blocks
// of 128 columns: copy the 128 pieces of lines to scratch (reading them in place would fight over
// a few cache sets, their pitch being a large power of two as a rule), then, 32 rows at a time,
// transpose, look up and store four cache lines to each output row.
//
// An `Isa` adds to values-inl.h
//   arrange(from, pitch, scratch, quarter)      32 lines x 64 bytes, as emit wants them;
//   emit<kTarget, kStream, kCount, kOneTable>(scratch, chunk, quarter, tables, out, pitch)
//                                               kCount quarters of 32 rows, those of bytes
//                                               [16 chunk, 16 chunk + 16) of the 64;
//   fence()                                     after non-temporal stores.
#pragma once

#include "kernels/blocks-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kLineBytes = 64;                     // 16 words
inline constexpr std::uint64_t kLineRows = 128;                     // output rows of a line
inline constexpr std::uint64_t kStripLines = 4;                     // 512 output rows
inline constexpr std::uint64_t kChunkRows = 32;                     // output rows of 16 bytes
inline constexpr std::uint64_t kLineScratch = kBlock * kLineBytes;  // one line of a block
inline constexpr std::uint64_t kChunks = kLineRows / kChunkRows * kStripLines;

template <class Isa, Target kTarget, bool kStream>
class GemmStrip {
 public:
  // `rows` output rows from `row` on, a multiple of 32 and at most 512; `out` is where they go.
  GemmStrip(const PackedLinear& linear, std::uint64_t row, std::uint64_t rows, unsigned char* out)
      : linear_(linear), row_(row), rows_(rows), out_(out) {}

  void run() { walk_strip(*this, linear_, rows_ / kChunkRows); }

  // --- of walk_strip

  // Lines [k, k + 32 * count) to scratch.
  template <std::uint64_t kCount>
  void start(std::uint64_t k) {
    const unsigned char* from = line(linear_[Role::codes], k) + row_ / 2;
    const std::uint64_t pitch = linear_[Role::codes].pitch;
    const std::uint64_t whole = rows_ / kLineRows;
    const std::uint64_t rest = rows_ % kLineRows / 2;  // bytes
    for (std::uint64_t quarter = 0; quarter < kCount; ++quarter) {
      const unsigned char* lines = from + quarter * kQuarter * pitch;
      for (std::uint64_t l = 0; l < whole; ++l) {
        Isa::arrange(lines + l * kLineBytes, pitch, scratch_ + l * kLineScratch, quarter);
      }
      if (rest != 0) {
        alignas(64) unsigned char padded[kQuarter * kLineBytes] = {};
        for (std::uint64_t i = 0; i < kQuarter; ++i) {
          __builtin_memcpy(padded + i * kLineBytes, lines + i * pitch + whole * kLineBytes, rest);
        }
        Isa::arrange(padded, kLineBytes, scratch_ + whole * kLineScratch, quarter);
      }
    }
  }

  unsigned char* tables(std::uint64_t chunk) { return tables_ + chunk * kChunkTables; }

  // The tables of 32 rows, from row_ + 32 * chunk on, in one group.
  void build(std::uint64_t chunk, std::uint64_t group, unsigned char* tables) const {
    const std::uint64_t row = row_ + chunk * kChunkRows;
    const unsigned char* scales = line(linear_[Role::scales], group) + row * 2;
    const unsigned char* zeros = linear_[Role::zeros].data == nullptr
                                     ? nullptr
                                     : line(linear_[Role::zeros], group) + row / 2;
    for (std::uint64_t word = 0; word < kChunkRows / 8; ++word) {
      const std::uint32_t zero_word =
          zeros == nullptr ? 0x88888888u : load<std::uint32_t>(zeros + word * 4);
      eight_product_tables<Isa, kTarget, ZeroOrder::awq>(
          scales + word * 16, linear_.scale_type, zero_word,
          tables + word * 8 * Isa::template kTableBytes<kTarget>);
    }
  }

  template <std::uint64_t kCount, bool kOneTable>
  void emit(std::uint64_t k, std::uint64_t chunk, unsigned char* const* tables) {
    prefetch(k, chunk);
    const std::uint64_t pitch = linear_.in_features * kElement;
    unsigned char* out = out_ + chunk * kChunkRows * pitch + k * kElement;
    Isa::template emit<kTarget, kStream, kCount, kOneTable>(scratch_ + chunk / 4 * kLineScratch,
                                                            chunk % 4, tables, out, pitch);
  }

 private:
  static constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  static constexpr std::uint64_t kChunkTables = kChunkRows * Isa::template kTableBytes<kTarget>;

  // Asks for this chunk's share of the lines that follow the block at k. Spread over the chunks,
  // they arrive while the processor computes and stores. Inlined by force: g++ 12 takes a function
  // that only prefetches for one without effects, and drops the call.
  [[gnu::always_inline]] void prefetch(std::uint64_t k, std::uint64_t chunk) const {
    const std::uint64_t chunks = rows_ / kChunkRows;
    const unsigned char* from = line(linear_[Role::codes], k + kBlock) + row_ / 2;
    for (std::uint64_t i = chunk * kBlock / chunks; i < (chunk + 1) * kBlock / chunks; ++i) {
      for (std::uint64_t at = 0; at < rows_ / 2; at += kLineBytes) {
        __builtin_prefetch(from + i * linear_[Role::codes].pitch + at);
      }
    }
    prefetch_factors(linear_, k, row_, chunk * kChunkRows, kChunkRows);
  }

  const PackedLinear& linear_;
  const std::uint64_t row_;
  const std::uint64_t rows_;
  unsigned char* const out_;
  alignas(64) unsigned char scratch_[kStripLines * kLineScratch];
  alignas(64) unsigned char tables_[kChunks * kChunkTables];
};

template <class Isa, Target kTarget, bool kStream>
[[gnu::noinline]] void gemm_strip(const PackedLinear& linear, std::uint64_t row, std::uint64_t rows,
                                  unsigned char* out) {
  GemmStrip<Isa, kTarget, kStream>(linear, row, rows, out).run();
}

template <class Isa, Target kTarget>
void gemm_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
               void* out, const OutputFormat& format) {
  const std::uint64_t vector_end = row_begin + (row_end - row_begin) / kChunkRows * kChunkRows;
  for_strips<Isa, AwqGemm, kTarget>(
      linear, row_begin, vector_end, kStripLines * kLineRows, out, format,
      [&](std::uint64_t row, std::uint64_t rows, unsigned char* to, bool stream) {
        stream ? gemm_strip<Isa, kTarget, true>(linear, row, rows, to)
               : gemm_strip<Isa, kTarget, false>(linear, row, rows, to);
      });
  auto* const rest =
      static_cast<ElementOf<kTarget>*>(out) + (vector_end - row_begin) * linear.in_features;
  dequantize_plain<AwqGemm, kTarget>(linear, vector_end, row_end, rest);
}

}  // namespace
}  // namespace thaw::kernels
