#include "quant/group_index.h"

#include <string>

#include "base/bytes.h"
#include "quant/content.h"
#include "quant/module_tensors.h"

namespace thaw {

namespace {

// Goes through the entries part by part.
class Scan {
 public:
  Scan(std::uint64_t groups, std::uint64_t group_size)
      : groups_(groups), group_size_(group_size), left_(group_size) {}

  template <typename Entry>
  void add(std::span<const std::byte> bytes) {
    for (std::uint64_t i = 0; good_ && i < bytes.size() / sizeof(Entry); ++i) {
      add(load_little_endian<Entry>(&bytes[i * sizeof(Entry)]));
    }
  }
  [[nodiscard]] bool regular() const { return regular_; }
  [[nodiscard]] bool good() const { return good_; }
  // The entry that is not good, and where it stands.
  [[nodiscard]] std::uint64_t entry() const { return entry_; }
  [[nodiscard]] std::int64_t value() const { return value_; }

 private:
  void add(std::int64_t value) {
    // Counted from the end where negative. In unsigned arithmetic nothing overflows.
    const std::uint64_t group = static_cast<std::uint64_t>(value) + (value < 0 ? groups_ : 0);
    if (group >= groups_) {
      good_ = false;
      value_ = value;
      return;
    }
    if (left_-- == 0) {
      ++expected_;
      left_ = group_size_ - 1;
    }
    regular_ = regular_ && group == expected_;
    ++entry_;
  }

  std::uint64_t groups_;
  std::uint64_t group_size_;
  std::uint64_t left_;  // of the group that is expected
  std::uint64_t expected_ = 0;
  std::uint64_t entry_ = 0;
  std::int64_t value_ = 0;
  bool regular_ = true;
  bool good_ = true;
};

}  // namespace

Result<bool> is_regular_index(const Checkpoint& checkpoint, const Tensor& index,
                              std::uint64_t groups, std::uint64_t group_size) {
  if (index.dtype != Dtype::i32 && index.dtype != Dtype::i64) {
    return fail(ErrorCode::input, {}, "g_idx", tensor_text(index), "I32 or I64");
  }
  Scan found(groups, group_size);
  THAW_RETURN_IF_ERROR(with_content(checkpoint, index, [&](std::span<const std::byte> bytes) {
    if (index.dtype == Dtype::i32) return found.add<std::int32_t>(bytes);
    found.add<std::int64_t>(bytes);
  }));
  if (!found.good()) {
    return fail(ErrorCode::input, {}, "g_idx: entry " + std::to_string(found.entry()),
                std::to_string(found.value()),
                std::string("-").append(std::to_string(groups)).append(" to ") +
                    std::to_string(groups - 1));
  }
  return found.regular();
}

PackedOperand whole_operand(const Tensor& tensor) {
  return {.tensor = &tensor, .lines = 1, .pitch = tensor.size(), .block_rows = 1};
}

}  // namespace thaw
