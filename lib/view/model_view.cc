#include "view/model_view.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "execute/tensor_reader.h"
#include "plan/input_ranges.h"
#include "prepare/prepare.h"
#include "view/read_threads.h"

namespace thaw {

namespace {

// Of output, that one thread makes at once.
constexpr std::uint64_t kPiece = 2u << 20;

struct Piece {
  std::uint64_t from = 0;  // among the bytes of all segments
  std::uint64_t size = 0;
};

// Pieces of about kPiece of [from, from + size), cut where the segments are best cut. A woven
// segment stays whole: where it is transposed, each of its rows needs all of its input.
std::vector<Piece> pieces_of(std::span<const Segment> segments, std::uint64_t from,
                             std::uint64_t size) {
  std::vector<Piece> pieces;
  std::uint64_t begin = 0;
  for (const Segment& segment : segments) {
    const std::uint64_t end = std::min(from + size, begin + segment.size);
    const std::uint64_t best = std::max(segment.grain(), segment.row_step * segment.row_bytes);
    const std::uint64_t step =
        segment.kind == SegmentKind::woven ? segment.size : std::max(best, kPiece / best * best);
    for (std::uint64_t at = std::max(from, begin); at < end;) {
      const std::uint64_t next = std::min(begin + round_down(at - begin, step) + step, end);
      pieces.push_back({at, next - at});
      at = next;
    }
    begin += segment.size;
  }
  return pieces;
}

Status refuse_overflow(std::uint64_t count, Dtype dtype) {
  return fail(
      ErrorCode::numbers, {},
      std::to_string(count) + " finite values are too large for " + std::string(dtype_name(dtype)),
      "Take bfloat16 or float32, or allow_overflow.");
}

}  // namespace

struct ModelView::State {
  State(std::unique_ptr<Prepared> made, const ConvertOptions& options)
      : prepared(std::move(made)),
        allow_overflow(options.allow_overflow),
        most_held(options.memory / 4),
        warnings(prepared->linears.warnings),
        input(prepared->plan.inputs, options.memory / 4, InputCache::ReadAhead::kernel),
        reader(prepared->plan, *prepared->table, input),
        threads(options.threads) {
    warnings.insert(warnings.end(), prepared->findings.begin(), prepared->findings.end());
  }

  [[nodiscard]] Status read(std::span<const Segment> segments, std::uint64_t from,
                            std::uint64_t size, std::byte* out);
  [[nodiscard]] Status check_inputs(std::span<const Segment> segments, std::uint64_t from,
                                    std::uint64_t size) const;

  const std::unique_ptr<Prepared> prepared;
  const bool allow_overflow;
  const std::uint64_t most_held;  // of packed bytes, in memory for one call
  std::vector<std::string> warnings;
  InputCache input;
  const TensorReader reader;
  ReadThreads threads;
  std::mutex mutex;  // of the spaces
  std::vector<std::unique_ptr<ReadSpace>> spaces;
};

namespace {

// A ReadSpace for as long as a piece is made.
template <typename State>
class Space {
 public:
  explicit Space(State& state) : state_(state) {
    const std::lock_guard lock(state.mutex);
    if (state.spaces.empty()) {
      space_ = std::make_unique<ReadSpace>();
    } else {
      space_ = std::move(state.spaces.back());
      state.spaces.pop_back();
    }
  }
  ~Space() {
    const std::lock_guard lock(state_.mutex);
    state_.spaces.push_back(std::move(space_));
  }
  Space(const Space&) = delete;
  Space& operator=(const Space&) = delete;
  [[nodiscard]] ReadSpace& get() { return *space_; }

 private:
  State& state_;
  std::unique_ptr<ReadSpace> space_;
};

}  // namespace

Result<std::unique_ptr<ModelView>> ModelView::open(const ConvertOptions& options,
                                                   FileSystem& file_system) {
  ConvertOptions read_only = options;
  read_only.out.clear();
  read_only.to.reset();
  read_only.part.reset();
  read_only.finish = false;
  read_only.in_place = false;
  THAW_ASSIGN_OR_RETURN(std::unique_ptr<Prepared> prepared, prepare(read_only, file_system));
  if (options.strict) THAW_RETURN_IF_ERROR(judge(*prepared, read_only, nullptr));
  if (!file_system.may_catch_signals()) {
    for (const MappedFile* file : prepared->plan.inputs) THAW_RETURN_IF_ERROR(file->hold_pages());
  }
  auto state = std::make_unique<State>(std::move(prepared), options);
  return std::unique_ptr<ModelView>(new ModelView(std::move(state)));
}

ModelView::ModelView(std::unique_ptr<State> state) : state_(std::move(state)) {}
ModelView::~ModelView() = default;

const Plan& ModelView::plan() const { return state_->prepared->plan; }
const std::vector<std::string>& ModelView::warnings() const { return state_->warnings; }

Status ModelView::read(const PlannedTensor& tensor, std::uint64_t from, std::uint64_t size,
                       std::byte* out) {
  if (from > tensor.size || size > tensor.size - from) {
    return fail(ErrorCode::bug, {.file = {}, .tensor = tensor.name}, "has no such bytes");
  }
  return state_->read(plan().segments_of(tensor), from, size, out);
}

Status ModelView::read_file(const PlannedFile& file, std::uint64_t offset, std::uint64_t size,
                            std::byte* out) {
  if (offset > file.size || size > file.size - offset) {
    return fail(ErrorCode::bug, {.file = file.name, .tensor = {}}, "has no such bytes");
  }
  return state_->read(file.segments, offset, size, out);
}

Status ModelView::State::read(std::span<const Segment> segments, std::uint64_t from,
                              std::uint64_t size, std::byte* out) {
  const std::vector<Piece> pieces = pieces_of(segments, from, size);
  TensorReader::Hold hold(reader);
  if (pieces.size() > 1) THAW_RETURN_IF_ERROR(hold.keep(segments, from, size, most_held));
  std::mutex counting;
  std::uint64_t overflows = 0;
  THAW_RETURN_IF_ERROR(threads.run(pieces.size(), [&](std::uint64_t index) -> Status {
    const Piece& piece = pieces[index];
    Space space(*this);
    THAW_ASSIGN_OR_RETURN(const std::uint64_t count,
                          reader.read(segments, piece.from, piece.size, &hold, space.get(),
                                      out + (piece.from - from)));
    const std::lock_guard lock(counting);
    overflows += count;
    return {};
  }));
  if (overflows != 0 && !allow_overflow) return refuse_overflow(overflows, prepared->plan.dtype);
  return check_inputs(segments, from, size);
}

// What was read counts only if the input is still what it was when the plan was made.
Status ModelView::State::check_inputs(std::span<const Segment> segments, std::uint64_t from,
                                      std::uint64_t size) const {
  std::optional<std::uint32_t> last;
  Status status;
  std::uint64_t begin = 0;
  for (const Segment& segment : segments) {
    const bool read = begin < from + size && begin + segment.size > from;
    begin += segment.size;
    if (!read) continue;
    each_input_range(prepared->plan, segment, [&](const InputRange& range) {
      if (!status.ok() || last == range.input) return;
      last = range.input;
      status = prepared->plan.inputs[range.input]->check_unchanged();
    });
  }
  return status;
}

}  // namespace thaw
