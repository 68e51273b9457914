// A random packed linear of any layout in memory of exactly its size, what it must become, and the
// check of one kernel against that.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "support/oracle.h"

namespace thaw::test {

// fused: those of which AVX2 multiplies and subtracts in one step (lib/kernels/products-inl.h), its
// bounds often; nearly_fused: among them a few that it must not.
enum class Scales { usual, random_bits, huge, tiny, fused, nearly_fused };

struct Shape {
  std::string layout;
  std::uint64_t in_features;
  std::uint64_t out_features;
  std::uint64_t group_size;
  bool has_zeros = true;
  std::uint64_t misalignment = 0;  // bytes
  std::uint64_t extra_pitch = 0;   // bytes between lines, as a view of a wider tensor has
  // Of ct_pack, ct_int8, gptq and gptq_rows, gptq_bits and gptq_bits_rows.
  std::uint64_t bits = 4;
  // Of ct_pack and ct_int8, whose zeros are always int8.
  bool int8_zeros = false;
  std::uint64_t rows_per_slice = 0;
  bool shuffled = false;      // columns name their groups
  bool single_scale = false;  // one for the whole weight
  std::uint64_t rows_per_scale = 1;
  // Of gptq and the like.
  bool v1 = false;
  std::uint64_t word_bytes = 4;   // of gptq_bits and gptq_bits_rows
  bool planes = false;            // likewise
  std::uint64_t index_bytes = 0;  // of an entry of a random g_idx; 0: none
};

class PackedCase {
 public:
  PackedCase(const Shape& shape, kernels::FloatType scale_type, Scales scales, std::uint32_t seed);

  // Lays `bytes`, as far as they go, over the scales, then the zeros, then the codes; any value is
  // legal there.
  void overwrite(const std::vector<unsigned char>& bytes);

  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] kernels::PackedLinear linear() const;
  // Whether a view can start there: of ct_pack and ct_int8 at row 0 only; rows of inputs need the
  // start of a group, or an index.
  [[nodiscard]] bool can_start_at(std::uint64_t row) const;
  // A part of it that starts at out feature `row`, a multiple of the row block (of 8 for
  // gemv_fast), where can_start_at(row).
  [[nodiscard]] kernels::PackedLinear view(std::uint64_t row, std::uint64_t rows) const;

  // All elements as the output format has them.
  [[nodiscard]] std::vector<unsigned char> expected(const kernels::OutputFormat& format) const;
  // How many overflow: finite scale, finite zero, infinite result (or result on the way).
  [[nodiscard]] std::uint64_t expected_overflows(const kernels::OutputFormat& format) const;

  // Runs rows [begin, end) of the view that starts at `first_row`; empty, or what is wrong.
  [[nodiscard]] std::string check(const kernels::Table& table, const kernels::OutputFormat& format,
                                  const std::vector<unsigned char>& want, std::uint64_t first_row,
                                  std::uint64_t begin, std::uint64_t end) const;

 private:
  [[nodiscard]] oracle::Packed packed() const;
  void make_group_index(std::uint32_t seed);

  Shape shape_;
  kernels::FloatType scale_type_;
  std::uint32_t seed_;
  std::vector<unsigned char> qweight_, qzeros_, scales_, group_index_, index_;
  std::uint64_t qweight_pitch_ = 0, qzeros_pitch_ = 0, scales_pitch_ = 0;
};

[[nodiscard]] const oracle::Type& oracle_type(kernels::FloatType type);
[[nodiscard]] std::string name_of(const kernels::OutputFormat& format);
[[nodiscard]] std::uint64_t row_block(const std::string& layout);

// Whether this is a sanitizer's build, or one that an emulator runs.
[[nodiscard]] bool runs_slowly();
// `trials`, or an eighth where it runs slowly.
[[nodiscard]] int divided(int trials);

}  // namespace thaw::test
