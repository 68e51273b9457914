// Always libzstd's multi-threaded mode with jobs of one size, even for one worker: what it writes
// then depends on the level and the input only. Its default job size would grow with the level,
// and the memory with it.
#include "sink/zstd_stream.h"

#define ZSTD_STATIC_LINKING_ONLY  // ZSTD_getCParams, ZSTD_estimateCCtxSize
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "io/limits.h"

namespace thaw {

namespace {

constexpr std::size_t kJob = 4u << 20;
constexpr std::size_t kOutput = 256u << 10;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ::ZSTD_freeCCtx(context); }
};

class ZstdStream final : public ByteStream {
 public:
  explicit ZstdStream(ByteStream& to) : to_(to), context_(::ZSTD_createCCtx()), output_(kOutput) {}

  Status open(const ZstdSettings& settings);
  [[nodiscard]] Status put(std::span<const std::byte> bytes) override {
    return compress(bytes, ZSTD_e_continue);
  }
  [[nodiscard]] Status finish() override {
    THAW_RETURN_IF_ERROR(compress({}, ZSTD_e_end));
    return to_.finish();
  }
  [[nodiscard]] std::uint64_t size() const override { return to_.size(); }

 private:
  static Status failed(std::size_t result) {
    const bool memory = ::ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation;
    return fail(memory ? ErrorCode::no_space : ErrorCode::io, {},
                "the compressor failed: " + printable(::ZSTD_getErrorName(result)));
  }
  Status compress(std::span<const std::byte> bytes, ZSTD_EndDirective how);
  Status begin();

  ByteStream& to_;
  std::unique_ptr<ZSTD_CCtx, FreeContext> context_;
  std::vector<std::byte> output_;
  std::optional<std::uint64_t> pledged_;
  unsigned workers_ = 1;
  bool begun_ = false;
};

Status ZstdStream::open(const ZstdSettings& settings) {
  if (context_ == nullptr) return fail(ErrorCode::no_space, {}, "no memory for the compressor");
  const auto set = [&](ZSTD_cParameter parameter, int value) -> Status {
    const std::size_t result = ::ZSTD_CCtx_setParameter(context_.get(), parameter, value);
    return ::ZSTD_isError(result) != 0 ? failed(result) : Status();
  };
  THAW_RETURN_IF_ERROR(set(ZSTD_c_compressionLevel, settings.level));
  THAW_RETURN_IF_ERROR(set(ZSTD_c_checksumFlag, 1));
  workers_ = std::max(1u, settings.workers);
  pledged_ = settings.size;
  const std::size_t threads =
      ::ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_nbWorkers, static_cast<int>(workers_));
  if (::ZSTD_isError(threads) != 0) {
    return fail(ErrorCode::io, {}, "this libzstd was built without threads",
                "Write a plain tar, and compress it with zstd.");
  }
  return set(ZSTD_c_jobSize, static_cast<int>(kJob));
}

// The threads are started with the first call. Where the system refuses one libzstd starts none,
// and calls it a lack of memory: fewer are asked for. What is written does not depend on them.
Status ZstdStream::begin() {
  for (;;) {
    if (pledged_) {
      const std::size_t result = ::ZSTD_CCtx_setPledgedSrcSize(context_.get(), *pledged_);
      if (::ZSTD_isError(result) != 0) return failed(result);
    }
    ZSTD_inBuffer nothing{nullptr, 0, 0};
    ZSTD_outBuffer out{output_.data(), output_.size(), 0};
    const std::size_t result =
        ::ZSTD_compressStream2(context_.get(), &out, &nothing, ZSTD_e_continue);
    if (::ZSTD_isError(result) == 0) {
      begun_ = true;
      return out.pos == 0 ? Status() : to_.put(std::span(output_.data(), out.pos));
    }
    if (::ZSTD_getErrorCode(result) != ZSTD_error_memory_allocation) return failed(result);
    if (workers_ == 1) return threads_refused(0, 1);
    workers_ /= 2;
    ::ZSTD_CCtx_reset(context_.get(), ZSTD_reset_session_only);
    const std::size_t set =
        ::ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_nbWorkers, static_cast<int>(workers_));
    if (::ZSTD_isError(set) != 0) return failed(set);
  }
}

Status ZstdStream::compress(std::span<const std::byte> bytes, ZSTD_EndDirective how) {
  if (!begun_) THAW_RETURN_IF_ERROR(begin());
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  for (;;) {
    ZSTD_outBuffer out{output_.data(), output_.size(), 0};
    const std::size_t left = ::ZSTD_compressStream2(context_.get(), &out, &in, how);
    if (::ZSTD_isError(left) != 0) return failed(left);
    if (out.pos != 0) THAW_RETURN_IF_ERROR(to_.put(std::span(output_.data(), out.pos)));
    if (how == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
  }
}

// The part of the window, as a power of two below it, that each job takes over from the one before
// (libzstd's defaults by strategy).
unsigned overlap_below_window(ZSTD_strategy strategy) {
  if (strategy >= ZSTD_btultra2) return 0;
  if (strategy >= ZSTD_btopt) return 1;
  return strategy >= ZSTD_lazy2 ? 2 : 3;
}

}  // namespace

Result<std::unique_ptr<ByteStream>> open_zstd_stream(ByteStream& to, const ZstdSettings& settings) {
  auto stream = std::make_unique<ZstdStream>(to);
  THAW_RETURN_IF_ERROR(stream->open(settings));
  return std::unique_ptr<ByteStream>(std::move(stream));
}

// libzstd keeps the input of the jobs under way in a ring of workers + 3 jobs. A compressed job
// leaves the ring and waits for those before it; its table of jobs, a power of two, is what bounds
// them. Each worker has a context for the level's tables.
std::uint64_t zstd_memory(int level, unsigned workers) {
  const ZSTD_compressionParameters parameters = ::ZSTD_getCParams(level, 0, 0);
  const std::uint64_t window = std::uint64_t{1} << parameters.windowLog;
  const std::uint64_t overlap = window >> overlap_below_window(parameters.strategy);
  const std::uint64_t job = std::max<std::uint64_t>(kJob, overlap);
  const std::uint64_t ring = std::max(window, workers * job) + 3 * job;
  const std::uint64_t table = std::bit_ceil(std::uint64_t{workers} + 3);
  const std::uint64_t compressed = table * ::ZSTD_compressBound(job);
  const std::uint64_t contexts = workers * std::uint64_t{::ZSTD_estimateCCtxSize(level)};
  return ring + compressed + contexts + kOutput;
}

}  // namespace thaw
