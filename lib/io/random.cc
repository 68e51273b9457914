#include "io/random.h"

#include <sys/random.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace thaw {

std::string random_token() {
  constexpr std::size_t kCount = 16;
  static std::atomic<std::uint64_t> count{0};
  std::uint64_t number = 0;
  // Where the system has no random numbers, process, time and count differ.
  if (::getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number) {
    const auto time = std::chrono::system_clock::now().time_since_epoch().count();
    number = static_cast<std::uint64_t>(time) * 0x9E3779B97F4A7C15u;
    number ^= static_cast<std::uint64_t>(::getpid()) << 32;
    number += count.fetch_add(1);
  }
  std::string token;
  for (std::size_t i = 0; i < kCount; ++i) token += "0123456789abcdef"[(number >> (4 * i)) & 15];
  return token;
}

}  // namespace thaw
