#include "signals.h"

#include <csignal>
#include <utility>

namespace thaw::app {

Signals::Signals(StopFlag& stop) : stop_(stop), signals_(context_), progress_signals_(context_) {
  add(SIGINT);
  add(SIGTERM);
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    stop_.request(signal == SIGINT ? ErrorCode::interrupted : ErrorCode::terminated);
    signals_.clear();  // both have their default action again
  });
  struct sigaction action {};
  if (::sigaction(SIGUSR1, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) {
    boost::system::error_code ignored;
    progress_signals_.add(SIGUSR1, ignored);
    await_progress_signal();
  }
}

void Signals::await_progress_signal() {
  progress_signals_.async_wait([this](const boost::system::error_code& error, int /*signal*/) {
    if (error) return;
    progress_requested_ = true;
    await_progress_signal();
  });
}

bool Signals::take_progress_request() { return std::exchange(progress_requested_, false); }

void Signals::add(int signal) {
  struct sigaction action {};
  if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) return;
  boost::system::error_code ignored;
  signals_.add(signal, ignored);
  // The default action is back as soon as one has come, so that a second kills even a process
  // that hangs in a system call and never polls.
  if (::sigaction(signal, nullptr, &action) == 0) {
    action.sa_flags |= static_cast<int>(SA_RESETHAND);
    ::sigaction(signal, &action, nullptr);
  }
}

void Signals::poll() { context_.poll(); }

void ignore_signals_of_writing() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace thaw::app
