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

// Units that together have no more input than this are read together.
constexpr std::uint64_t kBatch = 4u << 20;

class Reader {
 public:
  explicit Reader(Run& run) : run_(run) {}

  Status read_all() {
    const std::vector<Unit>& units = run_.schedule;
    for (std::size_t i = 0; i < units.size();) {
      Status status;
      const bool slab = units[i].slab;
      const bool more = slab ? load_slab(units[i++], status) : load_mapped(units, i, status);
      if (!status.ok() || !more) return status;
    }
    run_.feed.end();
    return {};
  }

 private:
  // Both return false when the run was stopped.

  // The unit at `i` and those after it that are small enough to be read together; moves `i` on.
  bool load_mapped(const std::vector<Unit>& units, std::size_t& i, Status& status) {
    const std::uint64_t most = std::min(kBatch, run_.memory.input_bytes / 2);
    const std::size_t first = i;
    std::vector<InputRange> ranges;
    std::vector<std::uint64_t> bytes;  // of each unit
    std::uint64_t total = 0;
    for (; i < units.size() && !units[i].slab; ++i) {
      const std::size_t before = ranges.size();
      std::uint64_t own = 0;
      for_each_input_range(run_, units[i], [&](const InputRange& range) {
        ranges.push_back(range);
        own += range.size;
      });
      if (i != first && total + own > most) {
        ranges.resize(before);
        break;
      }
      bytes.push_back(own);
      total += own;
    }
    if (!run_.feed.admit(total, bytes.size(), false)) return false;
    status = run_.input.acquire(ranges);
    for (std::size_t n = 0; status.ok() && n < bytes.size(); ++n) {
      run_.feed.push(units[first + n], bytes[n], {});
    }
    return true;
  }

  bool load_slab(const Unit& unit, Status& status) {
    const Segment& whole = run_.files.files[unit.file].segments[unit.first_segment];
    if (whole.kind == SegmentKind::woven) {  // it reads by itself
      if (!run_.feed.admit(0, 1, true)) return false;
      run_.feed.push(unit, 0, {});
      return true;
    }
    const InputRange divisors = divisor_range(run_.plan, whole);  // read in place by the workers
    if (!run_.feed.admit(divisors.size, 1, true)) return false;
    const QuantizedLinear& linear = *run_.plan.linears[whole.source];
    const std::uint64_t first = whole.begin + unit.begin / whole.row_bytes;
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

  Run& run_;
};

}  // namespace

void read_input(Run& run) {
  if (Status status = Reader(run).read_all(); !status.ok()) {
    run.stop(std::move(status).take_error());
  }
}

}  // namespace thaw
