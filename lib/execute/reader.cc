// The reader: one thread that brings the input of unit after unit into memory, ahead of the
// workers. GEMM-like layouts need a linear's packed bytes as a whole while its rows are made;
// where the budget is too small for that, the reader copies a slab of its columns instead.

#include <algorithm>
#include <utility>

#include "execute/gather.h"
#include "execute/linear_view.h"
#include "execute/run.h"

namespace thaw {

namespace {

class Reader {
 public:
  explicit Reader(Run& run) : run_(run) {}

  Status read_all() {
    for (const Unit& unit : run_.schedule) {
      Status status;
      const bool more = unit.slab ? load_slab(unit, status) : load_mapped(unit, status);
      if (!status.ok() || !more) return status;
    }
    run_.feed.end();
    return {};
  }

 private:
  // Both return false when the run was stopped.
  bool load_mapped(const Unit& unit, Status& status) {
    const std::uint64_t input = input_bytes_of(unit);
    if (!run_.feed.admit(input, false)) return false;
    for_each_input_range(run_.plan, unit, [&](const InputRange& range) {
      if (status.ok()) status = run_.input.acquire(range);
    });
    if (status.ok()) run_.feed.push(unit, input, {});
    return true;
  }

  bool load_slab(const Unit& unit, Status& status) {
    const Segment& whole = run_.plan.files[unit.file].segments[unit.first_segment];
    const InputRange divisors = divisor_range(run_.plan, whole);  // read in place by the workers
    if (!run_.feed.admit(divisors.size, true)) return false;
    const QuantizedLinear& linear = *run_.plan.linears[whole.source];
    const std::uint64_t first = unit.begin / whole.row_bytes;
    const Slab slab = lay_out_slab(linear, first, first + unit.size / whole.row_bytes);
    if (run_.slab_buffer.data() == nullptr) {
      auto memory = AlignedMemory::allocate(std::max(run_.memory.slab_bytes, slab.size));
      if (!memory.ok()) {
        status = std::move(memory).take_status();
        return true;
      }
      run_.slab_buffer = std::move(memory).value();
    }
    status = gather_slab(run_.plan.inputs, run_.input, linear, slab, run_.slab_buffer.data());
    if (status.ok()) status = run_.input.acquire(divisors);
    if (status.ok()) {
      run_.feed.push(unit, divisors.size,
                     {slab_view(linear, slab, run_.slab_buffer.data()), slab.first});
    }
    return true;
  }

  std::uint64_t input_bytes_of(const Unit& unit) const {
    std::uint64_t bytes = 0;
    for_each_input_range(run_.plan, unit, [&](const InputRange& range) { bytes += range.size; });
    return bytes;
  }

  Run& run_;
};

}  // namespace

void read_input(Run& run) {
  if (Status status = Reader(run).read_all(); !status.ok()) {
    run.stop(std::move(status).take_error());
  }
}

}  // namespace thaw
