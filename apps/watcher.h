// What happens about ten times a second while the library works.
#pragma once

#include "progress.h"
#include "signals.h"
#include "terminal.h"

namespace thaw::app {

class Watcher final : public Observer {
 public:
  Watcher(Signals& signals, ProgressPrinter& printer) : signals_(signals), printer_(printer) {}

  void on_progress(const Progress& progress) override {
    signals_.poll();
    meter_.update(progress);
    if (signals_.take_progress_request()) {
      printer_.finish();  // a bar makes room, and is drawn again below it
      write_stderr(progress_line(progress, meter_) + '\n');
    }
    printer_.show(progress, meter_);
  }

 private:
  Signals& signals_;
  ProgressPrinter& printer_;
  Meter meter_;
};

}  // namespace thaw::app
