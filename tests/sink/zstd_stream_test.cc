// specs/archives.md clause 4: one frame whose bytes depend on level and input only, and whose
// memory is counted before it is used.
#include "sink/zstd_stream.h"

#include <doctest/doctest.h>

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <atomic>
#include <cstdlib>
#include <random>
#include <string>

namespace thaw {
namespace {

class Collected final : public ByteStream {
 public:
  [[nodiscard]] Status put(std::span<const std::byte> bytes) override {
    if (text.size() >= fail_after) return fail(ErrorCode::io, {}, "closed");
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }
  [[nodiscard]] Status finish() override {
    finished = true;
    return {};
  }
  [[nodiscard]] std::uint64_t size() const override { return text.size(); }
  std::string text;
  std::size_t fail_after = ~std::size_t{0};
  bool finished = false;
};

// Bytes that compress a little, as weights do.
std::string weights(std::size_t size) {
  std::mt19937 random(7);
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>(i % 2 == 0 ? random() % 256 : 0x2c + random() % 8);
  }
  return bytes;
}

std::string compressed(const std::string& text, const ZstdSettings& settings, std::size_t piece) {
  Collected out;
  auto stream = open_zstd_stream(out, settings);
  REQUIRE(stream.ok());
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const auto part = std::string_view(text).substr(at, piece);
    REQUIRE(stream.value()->put(std::as_bytes(std::span(part.data(), part.size()))).ok());
  }
  REQUIRE(stream.value()->finish().ok());
  CHECK(out.finished);
  return out.text;
}

std::string decompressed(const std::string& frame, std::size_t size) {
  std::string text(size + 1, '\0');
  const std::size_t got = ::ZSTD_decompress(text.data(), text.size(), frame.data(), frame.size());
  REQUIRE(::ZSTD_isError(got) == 0);
  text.resize(got);
  return text;
}

TEST_CASE("the bytes depend on neither the workers nor the size of the pieces") {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{10'240}, std::size_t{600'000}, std::size_t{21'000'000}}) {
    const std::string text = weights(size);
    for (const int level : {1, 3}) {
      const std::string frame =
          compressed(text, {.level = level, .workers = 1, .size = size}, 1 << 20);
      CHECK(decompressed(frame, size) == text);
      CHECK(::ZSTD_getFrameContentSize(frame.data(), frame.size()) == size);
      for (const unsigned workers : {2u, 7u}) {
        CHECK(compressed(text, {.level = level, .workers = workers, .size = size}, 777'777) ==
              frame);
      }
    }
  }
}

TEST_CASE("a frame that was not finished is no frame") {
  const std::string text = weights(9'000'000);
  Collected out;
  {
    auto stream = open_zstd_stream(out, {.level = 1, .workers = 2, .size = {}});
    REQUIRE(stream.ok());
    REQUIRE(stream.value()->put(std::as_bytes(std::span(text.data(), text.size()))).ok());
  }
  CHECK_FALSE(out.finished);
  std::string back(text.size(), '\0');
  // Nothing at all may have come out yet.
  const std::size_t got =
      ::ZSTD_decompress(back.data(), back.size(), out.text.data(), out.text.size());
  CHECK((out.text.empty() || ::ZSTD_isError(got) != 0));
}

TEST_CASE("an error of the stream behind comes through") {
  const std::string text = weights(30'000'000);
  Collected out;
  out.fail_after = 1'000'000;
  auto stream = open_zstd_stream(out, {.level = 1, .workers = 2, .size = {}});
  REQUIRE(stream.ok());
  Status status = stream.value()->put(std::as_bytes(std::span(text.data(), text.size())));
  if (status.ok()) status = stream.value()->finish();
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::io);
}

struct Counter {
  std::atomic<std::int64_t> now{0};
  std::atomic<std::int64_t> most{0};
};

constexpr std::size_t kPrefix = 64;

void* count_allocation(void* opaque, std::size_t size) {
  auto& counter = *static_cast<Counter*>(opaque);
  auto* block = static_cast<std::byte*>(std::malloc(size + kPrefix));
  *reinterpret_cast<std::size_t*>(block) = size;
  const std::int64_t now = counter.now += static_cast<std::int64_t>(size);
  std::int64_t most = counter.most;
  while (now > most && !counter.most.compare_exchange_weak(most, now)) {
  }
  return block + kPrefix;
}

void count_free(void* opaque, void* address) {
  if (address == nullptr) return;
  auto* block = static_cast<std::byte*>(address) - kPrefix;
  static_cast<Counter*>(opaque)->now -=
      static_cast<std::int64_t>(*reinterpret_cast<std::size_t*>(block));
  std::free(block);
}

// specs/memory.md clause 2: what libzstd really allocates, counted by its own hook.
TEST_CASE("the memory of every level stays below what is planned, and not far") {
  const std::string some = weights(4 << 20);
  const std::string zeros(4 << 20, '\0');  // quick at every level, and the tables are the same
  std::string out(1 << 20, '\0');
  for (const int level : {1, 3, 6, 9, 13, 16, 17, 19}) {
    for (const unsigned workers : {1u, 2u, 4u}) {
      if (level != 1 && workers > 2) continue;
      const std::string& text = level <= 3 ? some : zeros;
      CAPTURE(level);
      CAPTURE(workers);
      Counter counter;
      ZSTD_CCtx* context = ::ZSTD_createCCtx_advanced({count_allocation, count_free, &counter});
      ::ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
      ::ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, static_cast<int>(workers));
      ::ZSTD_CCtx_setParameter(context, ZSTD_c_jobSize, 4 << 20);
      ::ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
      const int jobs = 6 + 2 * static_cast<int>(workers);
      for (int i = 0; i < jobs; ++i) {
        ZSTD_inBuffer in{text.data(), text.size(), 0};
        while (in.pos < in.size) {
          ZSTD_outBuffer to{out.data(), out.size(), 0};
          REQUIRE(::ZSTD_isError(::ZSTD_compressStream2(context, &to, &in, ZSTD_e_continue)) == 0);
        }
      }
      const auto planned = static_cast<std::int64_t>(zstd_memory(level, workers));
      CHECK(counter.most <= planned);
      // On a busy machine no more than one compressed job may ever wait.
      if (level <= 3) CHECK(counter.most * 3 >= planned);
      ::ZSTD_freeCCtx(context);
      CHECK(counter.now == 0);
    }
  }
}

}  // namespace
}  // namespace thaw
