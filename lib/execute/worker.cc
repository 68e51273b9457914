// The workers: each takes the next piece, makes its bytes in a buffer, and passes the buffer on.

#include <algorithm>

#include "execute/run.h"

namespace thaw {

namespace {

// Non-temporal stores pay off where the buffer does not stay in the caches.
constexpr std::uint64_t kStreamedTile = 1u << 20;

class Worker {
 public:
  explicit Worker(Run& run) : run_(run) {}

  Status work() {
    // The buffer first, then the piece: whoever holds the next piece in order can finish it.
    while (std::byte* buffer = run_.pool.acquire()) {
      const std::optional<TakenPiece> taken = run_.feed.take();
      if (!taken) {
        run_.pool.release(buffer);
        return {};
      }
      get_piece(run_.files, taken->unit->unit, taken->index, piece_);
      THAW_RETURN_IF_ERROR(make(*taken->unit, buffer));
      if (const auto done = run_.feed.complete(*taken)) release_input(*done);
      const std::uint32_t checksum =
          run_.sink.checksum({buffer, static_cast<std::size_t>(piece_.size)});
      run_.output.push(taken->sequence, {.buffer = buffer,
                                         .file = piece_.file,
                                         .offset = piece_.offset,
                                         .size = piece_.size,
                                         .tensors_ended = piece_.tensors_ended,
                                         .checksum = checksum});
    }
    return {};
  }

 private:
  Status make(const LoadedUnit& loaded, std::byte* buffer) {
    const kernels::Stores stores = run_.sink.rereads() || run_.memory.tile_bytes <= kStreamedTile
                                       ? kernels::Stores::normal
                                       : kernels::Stores::streaming;
    const TileSource* slab = loaded.unit.slab ? &loaded.slab : nullptr;
    if (slab != nullptr && piece_.segments.front().kind == SegmentKind::woven) {
      const Segment& segment = piece_.segments.front();
      THAW_ASSIGN_OR_RETURN(const std::uint64_t overflows,
                            run_.reader.read_woven(segment, run_.woven_space, buffer));
      if (overflows != 0) THAW_RETURN_IF_ERROR(note_overflow(segment, overflows));
      return {};
    }
    for (const Segment& segment : piece_.segments) {
      THAW_ASSIGN_OR_RETURN(const std::uint64_t overflows,
                            run_.reader.make(segment, slab, stores, space_,
                                             buffer + (segment.offset - piece_.offset)));
      if (overflows != 0) THAW_RETURN_IF_ERROR(note_overflow(segment, overflows));
    }
    return {};
  }

  Status note_overflow(const Segment& segment, std::uint64_t count) {
    const std::lock_guard lock(run_.overflow_mutex);
    run_.overflows[std::string(run_.plan.name_of(segment))] += count;
    if (run_.options.allow_overflow) return {};
    const std::string type(torch_dtype_name(
        run_.plan.via_float16 && segment.to == Dtype::bf16 ? Dtype::f16 : segment.to));
    const bool half = type == torch_dtype_name(Dtype::f16);
    return fail(ErrorCode::numbers, {.file = {}, .tensor = run_.plan.name_of(segment)},
                std::to_string(count) + " finite values or more become infinite in " + type,
                half ? "Use --dtype bfloat16, whose range is that of float32, or --allow-overflow "
                       "to keep the infinities."
                     : "Use --allow-overflow to keep the infinities.");
  }

  [[nodiscard]] const Segment& segment_of(const LoadedUnit& unit) const {
    return run_.files.files[unit.unit.file].segments[unit.unit.first_segment];
  }

  void release_input(const LoadedUnit& done) {
    if (!done.unit.slab) {
      for_each_input_range(run_, done.unit,
                           [&](const InputRange& range) { run_.input.release(range); });
    } else if (segment_of(done).kind != SegmentKind::woven) {  // the rest was copied
      run_.input.release(divisor_range(run_.plan, segment_of(done)));
    }
    run_.feed.forget(done);
  }

  Run& run_;
  Piece piece_;
  ReadSpace space_;
};

}  // namespace

void make_pieces(Run& run) {
  if (Status status = Worker(run).work(); !status.ok()) {
    run.stop(std::move(status).take_error());
  }
  if (run.workers_left.fetch_sub(1) == 1) run.output.end();
}

}  // namespace thaw
