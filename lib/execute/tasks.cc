#include "execute/tasks.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>

namespace thaw {

void run_tasks(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& task,
               const std::function<void()>& tick) {
  if (count == 0) return;
  boost::asio::io_context context;
  auto work = boost::asio::make_work_guard(context);
  boost::asio::steady_timer timer(context);
  const std::function<void()> beat = [&] {
    tick();
    timer.expires_after(std::chrono::milliseconds(100));
    timer.async_wait([&](const boost::system::error_code& error) {
      if (!error && work.owns_work()) beat();
    });
  };
  boost::asio::post(context, beat);

  boost::asio::thread_pool pool(std::max<std::size_t>(1, std::min<std::size_t>(threads, count)));
  std::atomic<std::size_t> left = count;
  for (std::size_t i = 0; i < count; ++i) {
    boost::asio::post(pool, [&, i] {
      task(i);
      if (left.fetch_sub(1) != 1) return;
      boost::asio::post(context, [&] {
        work.reset();
        timer.cancel();
      });
    });
  }
  context.run();
  pool.join();
}

}  // namespace thaw
