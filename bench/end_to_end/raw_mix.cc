// raw_mix: reads the bytes of a checkpoint and writes as many as its conversion does, with the same
// calls in the same sizes and order, and computes nothing:
//   raw_mix MODEL OUT BYTES [TILE [WINDOW]]
// One thread populates the mapped shards of MODEL 4 MiB at a time and two threads write BYTES in
// pieces of TILE (14680064) to files of at most 5 GB in the folder OUT, as far as the reading has
// come. With WINDOW the writes go through so many bytes of page cache instead of around it. It is
// what a conversion could reach at best on a disk: bench/end_to_end/run.sh.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "execute/buffer_pool.h"
#include "execute/input_cache.h"
#include "io/mapped_file.h"
#include "io/output_file.h"

namespace thaw::bench {
namespace {

constexpr std::uint64_t kChunk = 4u << 20;
constexpr std::uint64_t kAhead = 128u << 20;  // the largest linear, or what is read ahead
constexpr std::uint64_t kIdle = 16u << 20;
constexpr std::uint64_t kShard = 5'000'000'000;
constexpr unsigned kWriters = 2;

struct Settings {
  std::string model;
  std::string out;
  std::uint64_t bytes = 0;
  std::uint64_t tile = 14u << 20;
  OutputSettings file;
};

[[noreturn]] void give_up(const Status& status) {
  for (const std::string& message : status.error().messages) std::cerr << message << '\n';
  std::_Exit(1);
}

void require(const Status& status) {
  if (!status.ok()) give_up(status);
}

std::vector<MappedFile> open_shards(const std::string& model) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(model)) {
    if (entry.path().extension() == ".safetensors") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<MappedFile> files;
  for (const std::string& path : paths) {
    auto file = MappedFile::open(real_file_system(), path);
    if (!file.ok()) give_up(std::move(file).take_status());
    files.push_back(std::move(file).value());
  }
  return files;
}

struct Shard {
  std::mutex mutex;  // of the opening
  std::optional<OutputFile> file;
  std::uint64_t size = 0;
  std::atomic<std::uint64_t> remaining{0};
};

class Mix {
 public:
  Mix(const Settings& settings, std::vector<const MappedFile*> files)
      : settings_(settings),
        files_(std::move(files)),
        cache_(files_, kIdle),
        shards_((settings.bytes + kShard - 1) / kShard) {
    for (std::uint32_t i = 0; i < files_.size(); ++i) {
      for (std::uint64_t at = 0; at < files_[i]->size(); at += kChunk) {
        chunks_.push_back({i, at, std::min(kChunk, files_[i]->size() - at)});
      }
    }
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      shards_[i].size = std::min(kShard, settings.bytes - i * kShard);
      shards_[i].remaining = shards_[i].size;
    }
  }

  void run() {
    std::vector<std::thread> threads;
    threads.emplace_back([this] { read(); });
    for (unsigned i = 0; i < kWriters; ++i) threads.emplace_back([this] { write(); });
    for (std::thread& thread : threads) thread.join();
    cache_.drop_idle();
  }

 private:
  void read() {
    for (const InputRange& chunk : chunks_) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return read_ - released_ < kAhead / kChunk; });
      }
      require(cache_.acquire(chunk));
      const std::lock_guard lock(mutex_);
      ++read_;
      changed_.notify_all();
    }
  }

  void write() {
    auto buffers = BufferPool::allocate(2, settings_.tile);
    if (!buffers.ok()) give_up(std::move(buffers).take_status());
    for (const AlignedMemory& buffer : buffers.value()) {
      std::memset(buffer.data(), 0x5a, settings_.tile);
    }
    for (std::size_t turn = 0;; ++turn) {
      std::uint64_t begin = 0;
      std::uint64_t size = 0;
      {
        std::unique_lock lock(mutex_);
        if (taken_ == settings_.bytes) return;
        begin = taken_;
        const std::uint64_t shard_end = (begin / kShard + 1) * kShard;
        size = std::min({settings_.tile, shard_end - begin, settings_.bytes - begin});
        taken_ += size;
        changed_.wait(lock, [&] { return read_ >= chunks_before(begin + size); });
      }
      write_piece(begin, {buffers.value()[turn % 2].data(), static_cast<std::size_t>(size)});
      const std::lock_guard lock(mutex_);
      written_ += size;
      for (; released_ < chunks_before(written_); ++released_) {
        cache_.release(chunks_[released_]);
      }
      changed_.notify_all();
    }
  }

  // How many chunks of input the first `output` bytes of output are made from.
  std::size_t chunks_before(std::uint64_t output) const {
    const double part = static_cast<double>(output) / static_cast<double>(settings_.bytes);
    return std::min(static_cast<std::size_t>(part * static_cast<double>(chunks_.size())),
                    chunks_.size());
  }

  void write_piece(std::uint64_t begin, std::span<const std::byte> bytes) {
    Shard& shard = shards_[begin / kShard];
    {
      const std::lock_guard lock(shard.mutex);
      if (!shard.file) {
        const std::string path = settings_.out + "/" + std::to_string(begin / kShard);
        auto file = OutputFile::create(real_file_system(), path, shard.size, settings_.file);
        if (!file.ok()) give_up(std::move(file).take_status());
        shard.file = std::move(file).value();
      }
    }
    require(shard.file->write(begin % kShard, bytes));
    if (shard.remaining.fetch_sub(bytes.size()) == bytes.size()) require(shard.file->finish());
  }

  const Settings settings_;
  const std::vector<const MappedFile*> files_;
  InputCache cache_;
  std::vector<InputRange> chunks_;
  std::deque<Shard> shards_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t read_ = 0;      // chunks
  std::size_t released_ = 0;  // chunks
  std::uint64_t taken_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace
}  // namespace thaw::bench

int main(int count, char** words) {
  using namespace thaw;
  if (count < 4 || count > 6) {
    std::cerr << "usage: raw_mix MODEL OUT BYTES [TILE [WINDOW]]\n";
    return 2;
  }
  bench::Settings settings;
  settings.model = words[1];
  settings.out = words[2];
  settings.bytes = std::stoull(words[3]);
  if (count > 4) settings.tile = std::stoull(words[4]);
  if (count > 5) settings.file = {.direct = false, .window = std::stoull(words[5])};
  std::filesystem::create_directories(settings.out);
  const std::vector<MappedFile> shards = bench::open_shards(settings.model);
  std::vector<const MappedFile*> files;
  for (const MappedFile& shard : shards) files.push_back(&shard);
  bench::Mix(settings, std::move(files)).run();
  return 0;
}
