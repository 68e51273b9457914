// Bytes of any tensor of a plan: the only implementation of "rows of this tensor". On it stand the
// workers of a conversion, comparisons and samples, and whoever reads one tensor out of many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

#include "base/status.h"
#include "execute/buffer_pool.h"
#include "execute/held_input.h"
#include "execute/input_cache.h"
#include "execute/make_segment.h"
#include "kernels/kernels.h"
#include "plan/plan.h"

namespace thaw {

// What one thread reads in. Made when first needed, then reused from tensor to tensor.
struct ReadSpace {
  AlignedMemory rows;     // row blocks and elements of which only a part is wanted
  AlignedMemory divided;  // rows in float32 on their way to being divided
  AlignedMemory slab;     // columns of a linear whose lines are inputs
  AlignedMemory woven;    // rows of a matrix on their way to where a weave has them
};

// Thread-safe: it has no state but the cache.
class TensorReader {
 public:
  // All of them must outlive the reader. `input` is of the plan's inputs.
  TensorReader(const Plan& plan, const kernels::Table& table, InputCache& input)
      : plan_(plan), table_(table), input_(input) {}

  // The bytes of a piece of a segment. What it is made from is in memory, or costs page faults;
  // `slab` (null: none) holds the packed bytes of its rows. `out` is 64-byte aligned for a tile.
  // Returns how many finite values became infinite. Errors: ErrorCode::input where a file was
  // damaged meanwhile, so that what was made is worth nothing; ErrorCode::no_space.
  [[nodiscard]] Result<std::uint64_t> make(const Segment& piece, const TileSource* slab,
                                           kernels::Stores stores, ReadSpace& space,
                                           std::byte* out) const;

  // A piece of a woven segment whose input nobody has brought in: it comes and goes block by block.
  // Returns and errors as make(), and ErrorCode::io.
  [[nodiscard]] Result<std::uint64_t> read_woven(const Segment& piece, ReadSpace& space,
                                                 std::byte* out) const;

  // Keeps in memory what some rows of a tensor are made from, where every row needs bytes of all
  // lines of a packed tensor: without it, each read() brings them in again. Reads may go on in
  // several threads while it lives and is not moved on.
  class Hold {
   public:
    explicit Hold(const TensorReader& reader) : reader_(reader), ranges_(reader.input_) {}
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

    // Lets go of what was held. Bytes [from, from + size) of what the segments make, one after the
    // other, or of the tensor, may be read from now on, whole rows. Where their packed bytes are
    // more than `most`, their columns are copied into a slab, which is as large as it has to be.
    // Errors: ErrorCode::io, input, no_space.
    [[nodiscard]] Status keep(std::span<const Segment> segments, std::uint64_t from,
                              std::uint64_t size, std::uint64_t most);
    [[nodiscard]] Status keep(const PlannedTensor& tensor, std::uint64_t from, std::uint64_t size,
                              std::uint64_t most) {
      return keep(reader_.plan_.segments_of(tensor), from, size, most);
    }

   private:
    friend class TensorReader;
    // Of a segment of the plan.
    [[nodiscard]] const TileSource* find(const Segment& segment) const;

    const TensorReader& reader_;
    HeldInput ranges_;
    AlignedMemory slabs_;
    std::map<const Segment*, TileSource> sources_;
  };

  // Bytes [from, from + size) of what segments of the plan make, one after the other; of whole
  // rows for the best speed. Brings the input in and lets it go again; `hold` (null: none) has some
  // of it already. `out` may have any alignment; 64 bytes are best. Returns how many finite values
  // became infinite, in all rows that had to be made. Errors: ErrorCode::io, input, no_space.
  [[nodiscard]] Result<std::uint64_t> read(std::span<const Segment> segments, std::uint64_t from,
                                           std::uint64_t size, const Hold* hold, ReadSpace& space,
                                           std::byte* out) const;
  [[nodiscard]] Result<std::uint64_t> read(const PlannedTensor& tensor, std::uint64_t from,
                                           std::uint64_t size, const Hold* hold, ReadSpace& space,
                                           std::byte* out) const {
    return read(plan_.segments_of(tensor), from, size, hold, space, out);
  }

 private:
  // Whether every row of it needs bytes of all lines of a packed tensor.
  [[nodiscard]] bool is_strided(const Segment& segment) const;
  // These return how many finite values became infinite.
  [[nodiscard]] Result<std::uint64_t> read_segment(const Segment& segment, std::uint64_t from,
                                                   std::uint64_t size, const TileSource* held,
                                                   ReadSpace& space, std::byte* out) const;
  [[nodiscard]] Result<std::uint64_t> make_piece(const Segment& piece, const TileSource* held,
                                                 ReadSpace& space, std::byte* out) const;
  enum class Input : bool { present, absent };
  [[nodiscard]] Result<std::uint64_t> weave(const Segment& piece, Input input, ReadSpace& space,
                                            std::byte* out) const;
  [[nodiscard]] Status check_undamaged(const Segment& piece) const;

  const Plan& plan_;
  const kernels::Table& table_;
  InputCache& input_;
};

// Makes `memory` hold at least `size` bytes; what was in it is lost. Errors: ErrorCode::no_space.
[[nodiscard]] Status reserve(AlignedMemory& memory, std::uint64_t size);

}  // namespace thaw
