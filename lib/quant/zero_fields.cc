#include "quant/zero_fields.h"

#include "base/bytes.h"
#include "quant/content.h"

namespace thaw {

namespace {

// The lowest bit of every field whose bits are all set, for `fields` fields of a word.
std::uint32_t highest_fields(std::uint32_t word, std::uint32_t bits) {
  const std::uint32_t pairs = word & word >> 1;
  const std::uint32_t fours = pairs & pairs >> 2;
  return bits == 4 ? fours & 0x11111111u : fours & fours >> 4 & 0x01010101u;
}

}  // namespace

Result<ZeroFields> read_zero_fields(const Checkpoint& checkpoint, const Tensor& qzeros,
                                    std::uint32_t bits, std::uint64_t outputs) {
  ZeroFields found;
  const std::uint64_t words = qzeros.shape[1];
  const std::uint32_t half = bits == 4 ? 0x88888888u : 0x80808080u;
  const auto used = static_cast<std::uint32_t>(outputs * bits % 32);  // bits of the last word
  const std::uint32_t last_mask = used == 0 ? ~0u : (1u << used) - 1;
  std::uint64_t column = 0;  // of the next word
  const auto scan = [&](std::span<const std::byte> bytes) {
    std::uint32_t differences = 0;
    std::uint32_t highest = 0;
    for (std::uint64_t at = 0; at < bytes.size(); at += 4) {
      const bool last = ++column == words;
      if (last) column = 0;
      const std::uint32_t mask = last ? last_mask : ~0u;
      const std::uint32_t word = load_little_endian<std::uint32_t>(&bytes[at]) & mask;
      differences |= word ^ (half & mask);
      highest |= highest_fields(word, bits);
    }
    found.all_half = found.all_half && differences == 0;
    found.any_highest = found.any_highest || highest != 0;
  };
  THAW_RETURN_IF_ERROR(with_content(checkpoint, qzeros, scan));
  return found;
}

Result<ZeroFields> read_zero_streams(const Checkpoint& checkpoint, const Tensor& qzeros,
                                     std::uint32_t bits, std::uint64_t outputs) {
  ZeroFields found;
  const std::uint64_t row_bytes = qzeros.shape[1] * (dtype_bits(qzeros.dtype) / 8);
  const std::uint32_t highest = (1u << bits) - 1;
  std::uint64_t at = 0;      // in the row
  std::uint64_t fields = 0;  // of the row, so far
  std::uint32_t held = 0;    // bits that are no whole field yet
  std::uint32_t count = 0;   // of them
  const auto scan = [&](std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      held |= static_cast<std::uint32_t>(byte) << count;
      for (count += 8; count >= bits; count -= bits, held >>= bits) {
        if (fields++ >= outputs) continue;  // padding
        const std::uint32_t field = held & highest;
        found.all_half = found.all_half && field == 1u << (bits - 1);
        found.any_highest = found.any_highest || field == highest;
      }
      if (++at != row_bytes) continue;
      at = fields = 0;
      held = count = 0;
    }
  };
  THAW_RETURN_IF_ERROR(with_content(checkpoint, qzeros, scan));
  return found;
}

}  // namespace thaw
