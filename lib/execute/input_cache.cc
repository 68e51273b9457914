#include "execute/input_cache.h"

#include <algorithm>

#include "base/bytes.h"

namespace thaw {

namespace {

// Smaller ranges leave the kernel's large pages in its cache (bench/results/).
constexpr std::uint64_t kChunk = 4u << 20;
// How far the kernel may have read beyond a chunk unasked; nobody else would drop that again.
constexpr std::uint64_t kReadAheadChunks = 8;
// Smaller ranges (the scales and zeros of some rows) are read without read-ahead: several streams
// of them would bring in 8 MiB each that are dropped before they are used.
constexpr std::uint64_t kSmall = 1u << 20;
// So are larger ones where the last range of the file did not end: what is read ahead at jumps from
// expert to expert (numbered in the output, sorted by name in the input) was twice what they are.
constexpr std::uint64_t kJump = 8u << 20;

// In the order of the files; those that touch or overlap become one.
std::vector<InputRange> join_neighbours(std::span<const InputRange> ranges) {
  std::vector<InputRange> sorted;
  for (const InputRange& range : ranges) {
    if (range.size != 0) sorted.push_back(range);
  }
  std::sort(sorted.begin(), sorted.end(), [](const InputRange& a, const InputRange& b) {
    return a.input != b.input ? a.input < b.input : a.offset < b.offset;
  });
  std::vector<InputRange> joined;
  for (const InputRange& range : sorted) {
    if (!joined.empty() && joined.back().input == range.input &&
        range.offset <= joined.back().offset + joined.back().size) {
      InputRange& last = joined.back();
      last.size = std::max(last.size, range.offset + range.size - last.offset);
    } else {
      joined.push_back(range);
    }
  }
  return joined;
}

}  // namespace

InputCache::InputCache(std::span<const MappedFile* const> files, std::uint64_t idle_bytes,
                       ReadAhead read_ahead)
    : files_(files),
      most_idle_(idle_bytes / kChunk),
      read_ahead_(read_ahead),
      chunks_(files.size()),
      read_end_(files.size()) {}

Status InputCache::acquire(std::span<const InputRange> ranges) {
  {
    const std::lock_guard lock(mutex_);
    for (const InputRange& range : ranges) hold(range);
  }
  for (const InputRange& range : join_neighbours(ranges)) THAW_RETURN_IF_ERROR(read(range));
  return {};
}

void InputCache::hold(const InputRange& range) {
  if (range.size == 0) return;
  std::vector<Chunk>& chunks = chunks_[range.input];
  const std::uint64_t file_size = files_[range.input]->size();
  if (chunks.empty()) chunks.resize(divide_up(file_size, kChunk));
  for (std::uint64_t c = range.offset / kChunk; c * kChunk < range.offset + range.size; ++c) {
    Chunk& chunk = chunks[c];
    if (chunk.users++ == 0 && chunk.resident) --idle_chunks_;
    if (!chunk.resident) read_ += std::min(kChunk, file_size - c * kChunk);
    chunk.resident = true;
  }
}

Status InputCache::read(const InputRange& range) {
  const MappedFile& file = *files_[range.input];
  bool exactly = read_ahead_ == ReadAhead::none || range.size < kSmall;
  if (!exactly) {
    const std::uint64_t last = read_end_[range.input].exchange(range.offset + range.size);
    exactly = range.size < kJump && last != range.offset;
  }
  if (exactly) {
    THAW_RETURN_IF_ERROR(file.read_exactly(range.offset, range.size));
  }
  return file.populate(range.offset, range.size);
}

void InputCache::release(const InputRange& range) {
  if (range.size == 0) return;
  const std::lock_guard lock(mutex_);
  std::vector<Chunk>& chunks = chunks_[range.input];
  for (std::uint64_t c = range.offset / kChunk; c * kChunk < range.offset + range.size; ++c) {
    Chunk& chunk = chunks[c];
    if (--chunk.users != 0) continue;
    ++idle_chunks_;
    idle_.push_back({range.input, static_cast<std::uint32_t>(c), ++chunk.stamp});
  }
  drop_oldest_beyond(most_idle_);
}

void InputCache::drop_idle() {
  const std::lock_guard lock(mutex_);
  drop_oldest_beyond(0);
}

std::uint64_t InputCache::bytes_read() const {
  const std::lock_guard lock(mutex_);
  return read_;
}

void InputCache::drop_oldest_beyond(std::uint64_t most) {
  while (idle_chunks_ > most) {
    const Idle idle = idle_.front();
    idle_.pop_front();
    Chunk& chunk = chunks_[idle.file][idle.chunk];
    if (chunk.users != 0 || chunk.stamp != idle.stamp || !chunk.resident) continue;  // used since
    chunk.resident = false;
    --idle_chunks_;
    const std::vector<Chunk>& chunks = chunks_[idle.file];
    std::uint64_t end = idle.chunk + 1;
    while (end < chunks.size() && end <= idle.chunk + kReadAheadChunks && !chunks[end].resident) {
      ++end;
    }
    files_[idle.file]->drop(idle.chunk * kChunk, (end - idle.chunk) * kChunk);
  }
}

}  // namespace thaw
