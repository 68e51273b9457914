// How a run tells what has happened so far.
#pragma once

#include <cstdint>
#include <string_view>

namespace thaw {

struct Progress {
  std::string_view stage;         // "reading headers", "reading scales", "converting", "finishing"
  std::uint64_t bytes_done = 0;   // of the output
  std::uint64_t bytes_total = 0;  // 0 before the plan stands
  std::uint64_t tensors_done = 0;
  std::uint64_t tensors_total = 0;
  double seconds = 0;  // since the run began
};

class Observer {
 public:
  virtual ~Observer() = default;
  // About ten times a second while the run works, and at each change of stage; always on the
  // thread that called the library.
  virtual void on_progress(const Progress& progress) = 0;
};

}  // namespace thaw
