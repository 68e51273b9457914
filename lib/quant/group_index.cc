#include "quant/group_index.h"

#include <string>

#include "base/bytes.h"
#include "quant/content.h"
#include "quant/module_tensors.h"

namespace thaw {

namespace {

struct Scan {
  bool regular = true;
  std::uint64_t bad_entry = 0;  // where bad_value is
  std::int64_t bad_value = 0;
  bool good = true;
};

template <typename Entry>
Scan scan(std::span<const std::byte> bytes, std::uint64_t groups, std::uint64_t group_size) {
  Scan found;
  std::uint64_t expected = 0;
  std::uint64_t left = group_size;
  for (std::uint64_t i = 0; i < bytes.size() / sizeof(Entry); ++i) {
    const std::int64_t value = load_little_endian<Entry>(&bytes[i * sizeof(Entry)]);
    // Counted from the end where negative. In unsigned arithmetic nothing overflows.
    const std::uint64_t group = static_cast<std::uint64_t>(value) + (value < 0 ? groups : 0);
    if (group >= groups) return {.bad_entry = i, .bad_value = value, .good = false};
    if (left-- == 0) {
      ++expected;
      left = group_size - 1;
    }
    found.regular = found.regular && group == expected;
  }
  return found;
}

}  // namespace

Result<bool> is_regular_index(const Checkpoint& checkpoint, const Tensor& index,
                              std::uint64_t groups, std::uint64_t group_size) {
  if (index.dtype != Dtype::i32 && index.dtype != Dtype::i64) {
    return fail(ErrorCode::input, {}, "g_idx", tensor_text(index), "I32 or I64");
  }
  Scan found;
  THAW_RETURN_IF_ERROR(with_content(checkpoint, index, [&](std::span<const std::byte> bytes) {
    found = index.dtype == Dtype::i32 ? scan<std::int32_t>(bytes, groups, group_size)
                                      : scan<std::int64_t>(bytes, groups, group_size);
  }));
  if (!found.good) {
    return fail(ErrorCode::input, {}, "g_idx: entry " + std::to_string(found.bad_entry),
                std::to_string(found.bad_value),
                std::string("-").append(std::to_string(groups)).append(" to ") +
                    std::to_string(groups - 1));
  }
  return found.regular;
}

PackedOperand whole_operand(const Tensor& tensor) {
  return {.tensor = &tensor, .lines = 1, .pitch = tensor.size(), .block_rows = 1};
}

}  // namespace thaw
