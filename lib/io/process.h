// What the system says about this process, and waiting.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace thaw {

// The largest resident set so far, in bytes; 0 where the system does not tell.
[[nodiscard]] std::uint64_t peak_resident_bytes();
// Processors this process may run on, at least 1.
[[nodiscard]] unsigned processor_count();
// Differs in a process that was forked from this one.
[[nodiscard]] std::int64_t this_process();
// Returns after about that time; what may end the waiting is looked at between short pauses.
void pause_for(std::chrono::milliseconds time);

// Which run this is, for people: where another one waits for it.
struct RunIdentity {
  std::int64_t pid = 0;
  std::string host;
  std::string started;  // 2026-11-21T10:58:27Z
};
[[nodiscard]] RunIdentity this_run();

}  // namespace thaw
