#include "plan/memory.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/text.h"
#include "plan/input_ranges.h"

namespace thaw {

namespace {

constexpr std::uint64_t kMiB = 1u << 20;

// specs/memory.md clause 2: the program, its libraries, stacks, and the allocator's slack.
constexpr std::uint64_t kBase = 14 * kMiB;
constexpr std::uint64_t kPerInputTensor = 520;  // names, shapes, index
constexpr std::uint64_t kPerOutputTensor = 320;
constexpr std::uint64_t kPerWorker = 300 * 1024;  // stack, scratch and tables
constexpr std::uint64_t kIdle = 16 * kMiB;
constexpr std::uint64_t kLeastIdle = 4 * kMiB;
// One piece of 4 MiB for each of codes, scales and zeros: with less, what the kernel has read ahead
// of the codes is dropped between two tiles and read again.
constexpr std::uint64_t kIdleOfRows = 12 * kMiB;
// What the kernel reads ahead of us (8 MiB on many machines), and chunks that a range only touches.
constexpr std::uint64_t kReadAhead = 16 * kMiB;
constexpr std::uint64_t kLeastReadAhead = 10 * kMiB;
constexpr std::uint64_t kLeastWindow = 8 * kMiB;
constexpr std::uint64_t kMostWindow = 64 * kMiB;
constexpr std::uint64_t kLeastInput = 8 * kMiB;
constexpr std::uint64_t kMostAhead = 64 * kMiB;
constexpr std::uint64_t kBufferGrain = 2 * kMiB;  // huge pages
constexpr std::uint64_t kMostTile = 16 * kMiB;
constexpr std::uint64_t kSharedTile = 14 * kMiB;  // of small tensors
// A cache that takes tiles in small steps gains nothing from larger ones, but from a larger window.
constexpr std::uint64_t kBufferedTile = 8 * kMiB;
// Beside that window: steps that are being copied, and what the kernel notes down about each page.
constexpr std::uint64_t kBufferedSteps = 6 * kMiB;

// What a piece of a weave reads at once where it reads by itself: a block of packed rows and the
// slab of their columns.
constexpr std::uint64_t kWovenSlab = 16 * kMiB;

// A block of a part's rows, and the same in float32 where it is divided.
std::uint64_t woven_scratch(const Plan& plan, const Weave& weave) {
  std::uint64_t most = 0;
  for (std::size_t i = 0; i < weave.parts.size(); ++i) {
    const Segment& part = weave.parts[i];
    std::uint64_t bytes = weave.block_rows(i) * weave.inner * (dtype_bits(part.to) / 8);
    if (part.divisor != 0 && part.kind == SegmentKind::tile) {
      bytes += scratch_bytes(*plan.linears[part.source]);
    }
    most = std::max(most, bytes);
  }
  return most;
}

// What the largest parts of a plan need, whatever the budget.
struct Needs {
  std::uint64_t fixed = 0;        // base and plan
  std::uint64_t best_tile = 0;    // more is of no use
  std::uint64_t least_tile = 0;   // no piece is smaller
  std::uint64_t strided = 0;      // packed bytes of the largest linear that is read by columns
  std::uint64_t least_input = 0;  // of the most demanding piece that is not
  std::uint64_t least_slab = 0;
  std::uint64_t scratch = 0;
};

// Where the next reader of the bytes is the processor, a tile that stays in the caches is best.
Needs needs_of(const Plan& plan, bool ordered) {
  Needs needs;
  std::uint64_t input_tensors = 0;
  std::uint64_t literal_bytes = 0;
  for (const std::string& literal : plan.texts) literal_bytes += literal.size();
  input_tensors = plan.tensors.size() + 2 * plan.linears.size() + plan.base_tensors;
  needs.fixed = kBase + input_tensors * kPerInputTensor + plan.tensors.size() * kPerOutputTensor +
                literal_bytes;
  needs.best_tile = kBufferGrain;
  needs.least_tile = kBufferGrain;
  needs.least_input = kLeastInput;
  needs.least_slab = kBufferGrain;
  for (const PlannedFile& file : plan.files) {
    // Small tensors share a tile, and large writes are cheaper.
    if (!ordered) needs.best_tile = std::max(needs.best_tile, std::min(file.size, kSharedTile));
    for (const Segment& segment : file.segments) {
      if (segment.kind == SegmentKind::woven) {
        const Weave& weave = plan.weaves[segment.source];
        needs.least_tile = std::max(needs.least_tile, std::min(segment.size, segment.grain()));
        needs.strided = std::max(needs.strided, input_size_of(plan, segment));
        needs.least_slab = std::max(needs.least_slab, kWovenSlab);
        needs.scratch = std::max(needs.scratch, round_up(woven_scratch(plan, weave), kBufferGrain));
      }
      if (segment.kind != SegmentKind::tile) {
        const std::uint64_t most = ordered ? kBufferGrain : kMostTile / 2;
        needs.best_tile = std::max(needs.best_tile, std::min(segment.size, most));
        continue;
      }
      const QuantizedLinear& linear = *plan.linears[segment.source];
      const PackLayout& layout = *linear.layout;
      if (segment.divisor != 0) {
        needs.scratch = std::max(needs.scratch, round_up(scratch_bytes(linear), kBufferGrain));
      }
      const std::uint64_t step = segment.row_step * segment.row_bytes;
      const std::uint64_t wish = std::max(step, round_down(kMostTile, step));
      needs.best_tile =
          std::max(needs.best_tile, std::min({segment.size, wish, (ordered ? 1 : 4) * step}));
      const std::uint64_t block = std::min(segment.size, segment.grain());
      needs.least_tile = std::max(needs.least_tile, block);
      if (layout.columns_strided) {
        needs.strided =
            std::max(needs.strided, packed_bytes(linear) + divisor_range(plan, segment).size);
        const std::uint64_t blocks = divide_up(linear.out_features, layout.row_block);
        needs.least_slab =
            std::max(needs.least_slab, divide_up(packed_bytes(linear), blocks) + 4 * kMiB);
      } else {
        const Segment piece = cut(segment, 0, block);
        needs.least_input = std::max(needs.least_input, total_size(input_ranges(plan, piece)));
      }
    }
  }
  needs.best_tile = round_up(needs.best_tile, kBufferGrain);
  needs.least_tile = round_up(needs.least_tile, kBufferGrain);
  return needs;
}

std::uint64_t sum(const Needs& needs, const MemoryPlan& memory) {
  return needs.fixed + memory.buffers * memory.tile_bytes +
         memory.workers * (kPerWorker + memory.scratch_bytes) + memory.input_bytes +
         memory.slab_bytes + memory.idle_bytes + memory.read_ahead + memory.write_window +
         memory.stream_bytes;
}

// How much of the input may be in memory: all of the largest linear, or as much as rows need to be
// read once, or the least.
enum class Room : std::uint8_t { whole, rows, least };

MemoryPlan candidate(const Needs& needs, const MemoryRequest& request, unsigned workers,
                     unsigned compressors, std::uint64_t tile, Room room) {
  const bool whole = room == Room::whole;
  const bool slabs = !whole && needs.strided > needs.least_input;
  MemoryPlan memory;
  memory.workers = workers;
  memory.compressors = compressors;
  memory.stream_bytes = request.stream + (compressors != 0 ? request.compressor(compressors) : 0);
  memory.writers = request.ordered ? 1 : 2;
  memory.buffers = std::uint64_t{2} * workers;
  memory.tile_bytes = std::clamp(tile, needs.least_tile, needs.best_tile);
  memory.scratch_bytes = needs.scratch;
  memory.input_bytes = needs.least_input;
  memory.idle_bytes = whole ? kIdle : room == Room::rows && !slabs ? kIdleOfRows : kLeastIdle;
  memory.read_ahead = whole ? kReadAhead : kLeastReadAhead;
  memory.write_window = kLeastWindow;
  if (whole) {
    memory.input_bytes = std::max(memory.input_bytes, needs.strided);
  } else if (slabs) {
    memory.slab_bytes = round_up(needs.least_slab, kBufferGrain);
  }
  memory.peak = sum(needs, memory);
  return memory;
}

bool is_buffered(const MemoryRequest& request) { return request.buffered && !request.ordered; }

// What is left over goes where it helps most: large slabs (fewer passes over the input; where there
// is much, a part to what the kernel reads ahead of them), then half each to the write window and
// to reading ahead, or to the window first where all output goes through it.
void spend_rest(MemoryPlan& memory, const Needs& needs, const MemoryRequest& request) {
  std::uint64_t rest = request.budget - memory.peak;
  if (memory.slab_bytes != 0) {
    const std::uint64_t ahead =
        std::min(kReadAhead + kMiB * 16 - memory.read_ahead, round_down(rest / 6, kMiB));
    memory.read_ahead += ahead;
    rest -= ahead;
    const std::uint64_t more =
        std::min(round_down(rest, kBufferGrain), round_up(needs.strided, kBufferGrain));
    memory.slab_bytes += more;
    rest -= more;
  }
  if (is_buffered(request)) rest -= std::min(rest, kBufferedSteps);
  const std::uint64_t window =
      std::min(kMostWindow - memory.write_window, is_buffered(request) ? rest : rest / 2);
  memory.write_window += window;
  rest -= window;
  memory.input_bytes += std::min(kMostAhead, rest);
  memory.peak = sum(needs, memory);
}

// Workers worth having. One ordered writer keeps a processor busy, and so does whoever reads from
// it; a compressor takes ten times the processor time of the kernels that feed it.
unsigned most_workers(const MemoryRequest& request, unsigned threads) {
  if (request.compressor) return std::max(1u, threads / 2);
  return request.ordered ? std::max(1u, threads - 1) : threads;
}

}  // namespace

std::uint64_t packed_bytes(const QuantizedLinear& linear) {
  std::uint64_t bytes = 0;
  for (const PackedOperand& operand : linear.operands) {
    if (operand.tensor != nullptr) bytes += operand.tensor->size();
  }
  return bytes;
}

std::uint64_t scratch_bytes(const QuantizedLinear& linear) {
  const std::uint64_t row = linear.in_features * sizeof(float);
  const std::uint64_t block = linear.layout->row_block;
  const std::uint64_t rows = std::max(block, round_down(kBufferGrain / row, block));
  return std::min(rows, linear.out_features) * row;
}

bool needs_slabs(const QuantizedLinear& linear, const MemoryPlan& memory) {
  return linear.layout->columns_strided && packed_bytes(linear) > memory.input_bytes;
}

Result<MemoryPlan> plan_memory(const Plan& plan, const MemoryRequest& request) {
  const Needs needs = needs_of(plan, request.ordered);
  const unsigned threads = std::max(1u, request.threads);
  const unsigned most = most_workers(request, threads);
  const unsigned least_compressors = request.compressor ? 1 : 0;
  const auto with_compressors = [&](Room room, unsigned least_workers,
                                    unsigned compressors) -> MemoryPlan {
    for (unsigned workers = most;; workers = std::max(workers / 2, least_workers)) {
      for (const std::uint64_t tile : {16 * kMiB, 8 * kMiB, 4 * kMiB, 2 * kMiB}) {
        if (tile > kBufferedTile && is_buffered(request)) continue;
        MemoryPlan memory = candidate(needs, request, workers, compressors, tile, room);
        if (memory.peak <= request.budget) return memory;
        // A whole strip is the smallest tile of an ordered sink: rather fewer workers.
        if (request.ordered && workers > least_workers) break;
      }
      if (workers <= least_workers) return {};
    }
  };
  const auto try_all = [&](Room room, unsigned least_workers) -> MemoryPlan {
    for (unsigned compressors = request.compressor ? threads : 0;; compressors /= 2) {
      MemoryPlan memory = with_compressors(room, least_workers, compressors);
      if (memory.peak != 0 || compressors <= least_compressors) return memory;
    }
  };
  // Reading a linear once with two workers beats reading it in slabs with more.
  for (const auto& [room, least_workers] : std::array<std::pair<Room, unsigned>, 4>{
           {{Room::whole, std::min(request.compressor ? 1u : 2u, most)},
            {Room::whole, 1},
            {Room::rows, 1},
            {Room::least, 1}}}) {
    MemoryPlan memory = try_all(room, least_workers);
    if (memory.peak == 0) continue;
    spend_rest(memory, needs, request);
    return memory;
  }
  const MemoryPlan least = candidate(needs, request, 1, least_compressors, 0, Room::least);
  const std::uint64_t megabytes = divide_up(least.peak, 1'000'000);
  return fail(ErrorCode::no_space, {.file = {}, .tensor = {}},
              "the memory budget is too small for this checkpoint: got " +
                  bytes_text(request.budget) + ", expected at least " + std::to_string(megabytes) +
                  " MB",
              "Try --memory " + std::to_string(megabytes) + "MB.");
}

}  // namespace thaw
