// Ctrl-C and SIGTERM become a request to stop; the second one kills. SIGUSR1 asks for progress.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "base/stop.h"

namespace thaw::app {

// Catches the signals from its construction to its destruction. A signal that the process was
// started to ignore (nohup, a shell's background job) stays ignored.
class Signals {
 public:
  // `stop` must outlive this.
  explicit Signals(StopFlag& stop);
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // Hands the signals that have come on to the StopFlag; call it a few times a second.
  void poll();
  // True once for any number of SIGUSR1 that poll() has seen since the last call.
  [[nodiscard]] bool take_progress_request();

 private:
  void add(int signal);
  void await_progress_signal();

  StopFlag& stop_;
  boost::asio::io_context context_;
  boost::asio::signal_set signals_;
  boost::asio::signal_set progress_signals_;
  bool progress_requested_ = false;
};

// A closed pipe and a limit of file size are errors of the write (EPIPE, EFBIG), not reasons to die
// without a word.
void ignore_signals_of_writing();

}  // namespace thaw::app
