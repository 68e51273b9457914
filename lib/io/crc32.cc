// A CRC is linear: that of the whole file is the exclusive or of those of its pieces, each taken
// past as many zeros as bytes follow it. So no order has to be kept, and no list of pieces.
#include "io/crc32.h"

#include <isa-l/crc.h>
#include <zlib.h>

namespace thaw {

std::uint32_t crc32_of(std::span<const std::byte> bytes) {
  return ::crc32_gzip_refl(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

void Crc32::add(std::uint64_t offset, std::uint64_t size, std::uint32_t crc32) {
  const std::uint64_t behind = size_ - offset - size;
  const auto shifted =
      static_cast<std::uint32_t>(::crc32_combine(crc32, 0, static_cast<z_off_t>(behind)));
  value_.fetch_xor(shifted);
}

}  // namespace thaw
