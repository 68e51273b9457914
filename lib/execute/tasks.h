// Work that is not a plan's: whole conversions side by side.
#pragma once

#include <cstddef>
#include <functional>

namespace thaw {

// Calls task(0), ..., task(count - 1), each once, begun in that order, on at most `threads` threads
// at once; meanwhile calls tick() on the calling thread about ten times a second. Returns when all
// have ended. `task` throws nothing.
void run_tasks(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& task,
               const std::function<void()>& tick);

}  // namespace thaw
