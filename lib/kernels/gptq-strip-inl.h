// GPTQ whose groups are runs of inputs. Turning 4 lines by 4 outputs, word by word, gives every
// output 16 bytes of consecutive codes: 32 of 4 bits, the form that put_serial takes
// (gemv-inl.h), or 16 of 8 bits, for put_bytes (products-inl.h). A strip is up to 512 output rows;
// its blocks are 128 columns: 16 lines of 4-bit codes, 32 of 8-bit ones.
#pragma once

#include "kernels/gemv-inl.h"
#include "kernels/gptq-factors-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kGptqStripRows = 512;  // 2 KiB of each line

// The codes of 4 bits: tables of kGptqOutputs rows, and what is made of them.
template <class Isa, Target kTarget>
struct GptqNibbles {
  static constexpr std::uint64_t kPerWord = 8;
  static constexpr std::uint64_t kStep = Isa::template kTableBytes<kTarget>;

  struct Tables {
    alignas(64) unsigned char bytes[kGptqOutputs * kStep];
  };

  static void build(const PackedLinear& linear, std::uint64_t group, std::uint64_t row,
                    Tables* tables) {
    const unsigned char* scales = line(linear[Role::scales], group) + row * 2;
    const unsigned char* zeros =
        linear[Role::zeros].data == nullptr ? nullptr : line(linear[Role::zeros], group) + row / 2;
    for (std::uint64_t i = 0; i < kGptqOutputs; i += 8) {
      const std::uint32_t zero_word =
          zeros == nullptr ? 0x88888888u : load<std::uint32_t>(zeros + i / 2) + linear.zero_addend;
      eight_product_tables<Isa, kTarget, ZeroOrder::serial>(scales + i * 2, linear.scale_type,
                                                            zero_word, tables->bytes + i * kStep);
    }
  }

  static auto load_row(const Tables& tables, std::uint64_t i) {
    return Isa::template load_table<kTarget>(tables.bytes + i * kStep);
  }

  static constexpr bool kFuses = false;

  template <bool kStream, bool, class Loaded>
  static void put(const Loaded& loaded, const unsigned char* codes, unsigned char* out) {
    Isa::template put_serial<kTarget, kStream>(loaded, codes, out);
  }
};

// The same of codes of 8 bits.
template <class Isa, Target kTarget>
struct GptqBytes {
  static constexpr std::uint64_t kPerWord = 4;

  struct Tables {
    alignas(64) float scales[kGptqOutputs];
    alignas(64) float zeros[kGptqOutputs];
    bool rare = false;
    bool fused = false;
  };

  static void build(const PackedLinear& linear, std::uint64_t group, std::uint64_t row,
                    Tables* tables) {
    if constexpr (Isa::kFuses) {
      tables->fused = Isa::FusedFactors::template load<Target::float16, 8>(
          linear, group, row, kGptqOutputs, tables->scales, tables->zeros);
      if (tables->fused) return;
    }
    tables->rare = !load_factors<Isa, Target::float16, 8>(linear, group, row, kGptqOutputs,
                                                          tables->scales, tables->zeros);
  }

  static ByteFactors load_row(const Tables& tables, std::uint64_t i) {
    return {tables.scales[i], tables.zeros[i], tables.rare, tables.fused};
  }

  static constexpr bool kFuses = Isa::kFuses;

  // kFused: it is known that they do.
  template <bool kStream, bool kFused>
  static void put(const ByteFactors& loaded, const unsigned char* codes, unsigned char* out) {
    if constexpr (kFused) {
      put_usual_bytes<Isa, kTarget, kStream, true>(loaded, codes, out);
    } else {
      put_bytes<Isa, kTarget, kStream>(loaded, codes, out);
    }
  }
};

template <class Isa, class Codes, Target kTarget, bool kStream>
class GptqStrip {
 public:
  using Tables = typename Codes::Tables;

  // `rows` output rows from `row` on, a multiple of 16 and at most 512; `out` is where they go.
  GptqStrip(const PackedLinear& linear, std::uint64_t row, std::uint64_t rows, unsigned char* out)
      : linear_(linear), row_(row), rows_(rows), out_(out) {}

  void run() { walk_strip(*this, linear_, rows_ / kGptqOutputs); }

  // --- of walk_strip

  template <std::uint64_t kCount>
  void start(std::uint64_t) {}

  Tables* tables(std::uint64_t chunk) { return tables_ + chunk; }

  void build(std::uint64_t chunk, std::uint64_t group, Tables* tables) const {
    Codes::build(linear_, group, row_ + chunk * kGptqOutputs, tables);
  }

  template <std::uint64_t kCount, bool kOneTable>
  void emit(std::uint64_t k, std::uint64_t chunk, Tables* const* tables) const {
    constexpr std::uint64_t kLines = kQuarter / Codes::kPerWord;  // of qweight in a quarter
    const std::uint64_t first = chunk * kGptqOutputs;
    const std::uint64_t line_pitch = linear_[Role::codes].pitch;
    const unsigned char* from =
        line(linear_[Role::codes], k / Codes::kPerWord) + (row_ + first) * 4;
    prefetch(k, chunk);
    alignas(64) unsigned char runs[kGptqOutputs][kCount * kRun];
    for (std::uint64_t l = 0; l < kCount * kLines; l += 4) {
      const unsigned char* lines = from + l * line_pitch;
      for (std::uint64_t n = 0; n < kGptqOutputs; n += 4) {
        Isa::turn_4x4(lines + n * 4, line_pitch, runs[n] + l * 4, sizeof runs[0]);
      }
    }
    unsigned char* out = out_ + first * linear_.in_features * kElement + k * kElement;
    if constexpr (Codes::kFuses) {
      bool fused = true;
      for (std::uint64_t i = 0; i < (kOneTable ? 1 : kCount); ++i) fused &= tables[i]->fused;
      if (fused) [[likely]] {
        return put_rows<kCount, kOneTable, true>(runs, tables, out);
      }
      return put_rows_apart<kCount, kOneTable>(runs, tables, out);
    }
    put_rows<kCount, kOneTable, false>(runs, tables, out);
  }

 private:
  static constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  static constexpr std::uint64_t kRun = kQuarter / Codes::kPerWord * 4;  // bytes of its codes

  template <std::uint64_t kCount, bool kOneTable, bool kFused>
  [[gnu::always_inline]] void put_rows(const unsigned char (&runs)[kGptqOutputs][kCount * kRun],
                                       Tables* const* tables, unsigned char* out) const {
    const std::uint64_t pitch = linear_.in_features * kElement;
    for (std::uint64_t n = 0; n < kGptqOutputs; ++n) {
      auto loaded = Codes::load_row(*tables[0], n);
      for (std::uint64_t i = 0; i < kCount; ++i) {
        if (!kOneTable && i != 0) loaded = Codes::load_row(*tables[i], n);
        Codes::template put<kStream, kFused>(loaded, runs[n] + i * kRun,
                                             out + n * pitch + i * kQuarter * kElement);
      }
    }
  }

  // A function of its own: see GptqPiece.
  template <std::uint64_t kCount, bool kOneTable>
  [[gnu::noinline]] void put_rows_apart(const unsigned char (&runs)[kGptqOutputs][kCount * kRun],
                                        Tables* const* tables, unsigned char* out) const {
    put_rows<kCount, kOneTable, false>(runs, tables, out);
  }

  // Asks for this chunk's share of the lines that follow the block at k: each as a whole, as lines
  // lie on pages of their own. See GemmStrip.
  [[gnu::always_inline]] void prefetch(std::uint64_t k, std::uint64_t chunk) const {
    constexpr std::uint64_t kLines = kBlock / Codes::kPerWord;
    const std::uint64_t chunks = rows_ / kGptqOutputs;
    const unsigned char* from = line(linear_[Role::codes], k / Codes::kPerWord + kLines) + row_ * 4;
    for (std::uint64_t i = chunk * kLines / chunks; i < (chunk + 1) * kLines / chunks; ++i) {
      for (std::uint64_t at = 0; at < rows_ * 4; at += 64) {
        __builtin_prefetch(from + i * linear_[Role::codes].pitch + at);
      }
    }
    prefetch_factors(linear_, k, row_, chunk * kGptqOutputs, kGptqOutputs);
  }

  const PackedLinear& linear_;
  const std::uint64_t row_;
  const std::uint64_t rows_;
  unsigned char* const out_;
  Tables tables_[kGptqStripRows / kGptqOutputs];
};

template <class Isa, class Codes, Target kTarget, bool kStream>
[[gnu::noinline]] void gptq_strip(const PackedLinear& linear, std::uint64_t row, std::uint64_t rows,
                                  unsigned char* out) {
  GptqStrip<Isa, Codes, kTarget, kStream>(linear, row, rows, out).run();
}

}  // namespace
}  // namespace thaw::kernels
