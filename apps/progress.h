// How far a conversion is, on standard error.
#pragma once

#include <memory>
#include <string>

#include "arguments.h"
#include "convert/convert.h"

namespace thaw::app {

// Bytes a second over the last few seconds, and what is left.
class Meter {
 public:
  void update(const Progress& progress);
  [[nodiscard]] double rate() const { return rate_; }
  // Negative while unknown.
  [[nodiscard]] double seconds_left(const Progress& progress) const;

 private:
  double seconds_ = 0;
  double bytes_ = 0;
  double rate_ = 0;
};

class ProgressPrinter {
 public:
  virtual ~ProgressPrinter() = default;
  virtual void show(const Progress& progress, const Meter& meter) = 0;
  // Nothing is shown after this; a line that stands half-drawn is removed.
  virtual void finish() {}
};

// auto is a bar on a terminal and plain lines elsewhere; a bar that was asked for elsewhere is
// plain lines too, because escape sequences belong on a terminal only.
[[nodiscard]] std::unique_ptr<ProgressPrinter> make_progress_printer(ProgressMode mode);

// "converting: 47 %, 66.3 GB of 141.1 GB, 2.4 GB/s, 0:31 left".
[[nodiscard]] std::string progress_line(const Progress& progress, const Meter& meter);

// "converting  [######......]  47 %  66.3 of 141.1 GB  2.4 GB/s  0:31 left", at most `width`
// columns: the bar shrinks first, then what stands at the end is left out.
[[nodiscard]] std::string bar_line(const Progress& progress, const Meter& meter, int width);

}  // namespace thaw::app
