#include "base/dtype.h"

#include <array>
#include <cstddef>

namespace thaw {

namespace {

struct Row {
  std::string_view name;
  std::uint32_t bits;
};

// In the order of the enum.
constexpr std::array<Row, 20> kRows = {{{"BOOL", 8},    {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6},
                                        {"U8", 8},      {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8},
                                        {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16},    {"F16", 16},
                                        {"BF16", 16},   {"I32", 32}, {"U32", 32},    {"F32", 32},
                                        {"C64", 64},    {"I64", 64}, {"U64", 64},    {"F64", 64}}};

const Row& row(Dtype dtype) { return kRows[static_cast<std::size_t>(dtype)]; }

}  // namespace

std::string_view dtype_name(Dtype dtype) { return row(dtype).name; }

std::uint32_t dtype_bits(Dtype dtype) { return row(dtype).bits; }

std::optional<Dtype> parse_dtype(std::string_view name) {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name == name) return static_cast<Dtype>(i);
  }
  return std::nullopt;
}

std::string_view torch_dtype_name(Dtype dtype) {
  switch (dtype) {
    case Dtype::f16:
      return "float16";
    case Dtype::bf16:
      return "bfloat16";
    case Dtype::f32:
      return "float32";
    default:
      return dtype_name(dtype);
  }
}

std::optional<Dtype> parse_torch_dtype(std::string_view name) {
  constexpr std::string_view kPrefix = "torch.";
  if (name.substr(0, kPrefix.size()) == kPrefix) name.remove_prefix(kPrefix.size());
  for (const Dtype dtype : {Dtype::f16, Dtype::bf16, Dtype::f32}) {
    if (torch_dtype_name(dtype) == name) return dtype;
  }
  return std::nullopt;
}

}  // namespace thaw
