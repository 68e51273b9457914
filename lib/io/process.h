// What the system says about this process.
#pragma once

#include <cstdint>

namespace thaw {

// The largest resident set so far, in bytes; 0 where the system does not tell.
[[nodiscard]] std::uint64_t peak_resident_bytes();
// Processors this process may run on, at least 1.
[[nodiscard]] unsigned processor_count();

}  // namespace thaw
