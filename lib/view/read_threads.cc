#include "view/read_threads.h"

#include "io/process.h"

namespace thaw {

ReadThreads::ReadThreads(unsigned most) : most_(most != 0 ? most : processor_count()) {}

// Of another process's threads only their names are here: nothing could be joined.
ReadThreads::~ReadThreads() {
  if (process_ != this_process()) static_cast<void>(threads_.release());
}

Status ReadThreads::run(std::uint64_t count, const std::function<Status(std::uint64_t)>& part) {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (count < 2 || most_ < 2 || !lock.owns_lock()) {
    return guarded([&]() -> Status {
      for (std::uint64_t i = 0; i < count; ++i) THAW_RETURN_IF_ERROR(part(i));
      return {};
    });
  }
  if (process_ != this_process()) {
    static_cast<void>(threads_.release());
    process_ = this_process();
    threads_ = std::make_unique<Parallel>(most_, never_, [] {});
  }
  return threads_->run(count, [&](unsigned, std::uint64_t index) { return part(index); });
}

}  // namespace thaw
