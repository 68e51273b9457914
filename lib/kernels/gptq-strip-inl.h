// GPTQ with tables: codes of 4 bits whose groups are runs of inputs. Turning 4 lines by 4 outputs,
// word by word, gives every output 16 bytes of 32 consecutive codes, the form that put_serial
// takes (gemv-inl.h). A strip is up to 512 output rows; its blocks are 128 columns, 16 lines.
#pragma once

#include "kernels/gemv-inl.h"
#include "kernels/gptq-inl.h"

namespace thaw::kernels {
namespace {

inline constexpr std::uint64_t kGptqStripRows = 512;  // 2 KiB of each line

template <class Isa, Target kTarget, bool kStream>
class GptqStrip {
 public:
  // `rows` output rows from `row` on, a multiple of 16 and at most 512; `out` is where they go.
  GptqStrip(const PackedLinear& linear, std::uint64_t row, std::uint64_t rows, unsigned char* out)
      : linear_(linear), row_(row), rows_(rows), out_(out) {}

  void run() {
    const std::uint64_t end = vector_columns(linear_);
    std::uint64_t k = 0;
    for (; k + kBlock <= end; k += kBlock) {
      const BlockGroups groups(linear_, k);
      if (groups.one) {
        emit_one_group<kQuarters>(k, groups.group[0]);
      } else {
        for (std::uint64_t i = 0; i < kQuarters; ++i) {
          emit_one_group<1>(k + i * kQuarter, groups.group[i]);
        }
      }
    }
    for (; k < end; k += kQuarter) emit_one_group<1>(k, k / linear_.group_size);
  }

 private:
  static constexpr std::uint64_t kStep = Isa::template kTableBytes<kTarget>;
  static constexpr std::uint64_t kElement = sizeof(ElementOf<kTarget>);
  static constexpr std::uint64_t kNoGroup = ~std::uint64_t{0};
  static constexpr std::uint64_t kLines = kQuarter / 8;  // of qweight in a quarter

  // kCount quarters of 32 columns, all in one group.
  template <std::uint64_t kCount>
  void emit_one_group(std::uint64_t k, std::uint64_t group) {
    for (std::uint64_t first = 0; first < rows_; first += kGptqOutputs) {
      if (group != group_) build(first, group);
      emit<kCount>(k, first);
    }
    group_ = group;
  }

  // The tables of 16 rows in one group.
  void build(std::uint64_t first, std::uint64_t group) {
    const std::uint64_t row = row_ + first;
    const unsigned char* scales = line(linear_.scales, group) + row * 2;
    const unsigned char* zeros =
        linear_.qzeros.data == nullptr ? nullptr : line(linear_.qzeros, group) + row / 2;
    for (std::uint64_t i = 0; i < kGptqOutputs; i += 8) {
      const std::uint32_t zero_word =
          zeros == nullptr ? 0x88888888u : load<std::uint32_t>(zeros + i / 2) + linear_.zero_addend;
      eight_product_tables<Isa, kTarget, ZeroOrder::serial>(
          scales + i * 2, linear_.scale_type, zero_word, tables_ + (first + i) * kStep);
    }
  }

  template <std::uint64_t kCount>
  void emit(std::uint64_t k, std::uint64_t first) {
    const std::uint64_t line_pitch = linear_.qweight.pitch;
    const unsigned char* from = line(linear_.qweight, k / 8) + (row_ + first) * 4;
    alignas(64) unsigned char runs[kGptqOutputs][kCount * kRunBytes];
    for (std::uint64_t i = 0; i < kCount; ++i) {
      const unsigned char* lines = from + i * kLines * line_pitch;
      for (std::uint64_t l = 0; l < kLines; ++l) {
        __builtin_prefetch(lines + (kBlock / 8 + l) * line_pitch);
      }
      for (std::uint64_t n = 0; n < kGptqOutputs; n += 4) {
        Isa::turn_4x4(lines + n * 4, line_pitch, runs[n] + i * kRunBytes, sizeof runs[0]);
      }
    }
    const std::uint64_t pitch = linear_.in_features * kElement;
    unsigned char* out = out_ + first * pitch + k * kElement;
    for (std::uint64_t n = 0; n < kGptqOutputs; ++n) {
      const auto loaded = Isa::template load_table<kTarget>(tables_ + (first + n) * kStep);
      for (std::uint64_t i = 0; i < kCount; ++i) {
        Isa::template put_serial<kTarget, kStream>(loaded, runs[n] + i * kRunBytes,
                                                   out + n * pitch + i * kQuarter * kElement);
      }
    }
  }

  const PackedLinear& linear_;
  const std::uint64_t row_;
  const std::uint64_t rows_;
  unsigned char* const out_;
  std::uint64_t group_ = kNoGroup;  // whose tables are in tables_
  alignas(64) unsigned char tables_[kGptqStripRows * kStep];
};

template <class Isa, Target kTarget, bool kStream>
[[gnu::noinline]] void gptq_strip(const PackedLinear& linear, std::uint64_t row, std::uint64_t rows,
                                  unsigned char* out) {
  GptqStrip<Isa, kTarget, kStream>(linear, row, rows, out).run();
}

inline bool gptq_fits_tables(const PackedLinear& linear) {
  return linear.bits == 4 && linear.group_index.data == nullptr &&
         (linear.group_size % kQuarter == 0 || linear.group_size >= linear.in_features);
}

template <class Isa, Target kTarget>
void gptq_output_rows(const PackedLinear& linear, std::uint64_t row_begin, std::uint64_t row_end,
                      void* out, const OutputFormat& format) {
  if (linear.scale_type == FloatType::float32) {
    return gptq_plain<Gptq, kTarget>(linear, row_begin, row_end, out);
  }
  const std::uint64_t pitch = linear.in_features * sizeof(ElementOf<kTarget>);
  auto* const bytes = static_cast<unsigned char*>(out);
  std::uint64_t row = row_begin;
  if (gptq_fits_tables(linear)) {
    const bool stream = can_stream<kTarget>(linear, format);
    const std::uint64_t end = row_begin + (row_end - row_begin) / kGptqOutputs * kGptqOutputs;
    while (row < end) {
      const std::uint64_t rows = end - row < kGptqStripRows ? end - row : kGptqStripRows;
      unsigned char* to = bytes + (row - row_begin) * pitch;
      stream ? gptq_strip<Isa, kTarget, true>(linear, row, rows, to)
             : gptq_strip<Isa, kTarget, false>(linear, row, rows, to);
      row += rows;
    }
    if (stream) Isa::fence();
    gptq_without_tables<Isa, kTarget>(linear, row_begin, end, vector_columns(linear),
                                      linear.in_features, out, format);
  }
  gptq_without_tables<Isa, kTarget>(linear, row, row_end, 0, linear.in_features,
                                    bytes + (row - row_begin) * pitch, format);
}

}  // namespace
}  // namespace thaw::kernels
