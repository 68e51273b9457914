// The kernels as the pipeline runs them: tiles into rotating buffers, one core, beside memcpy of
// the same number of output bytes in the same process.
//
//   kernel_bench                                        8192 x 28672, group 128
//   THAW_BENCH_K=28672 THAW_BENCH_N=8192 kernel_bench   another shape; THAW_BENCH_G the group size
//   THAW_BENCH_BITS=8 kernel_bench --benchmark_filter=ct_pack   wider codes, where a layout has
//   them, and float8; THAW_BENCH_ACT_ORDER=1: GPTQ with an index
//   --benchmark_filter='awq_gemm/avx512'                any flag of Google Benchmark
//
// Every iteration also times a memcpy; the counter `x_memcpy` is the ratio of the best of each, so
// that what others do on the machine takes from neither. best_GBps and copy_GBps are the two.
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace {

using namespace thaw::kernels;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Zero pages already touched, aligned to 2 MiB, huge where asked: what the pipeline's buffers are.
class Memory {
 public:
  Memory(std::uint64_t bytes, bool huge) {
    constexpr std::uint64_t kHuge = std::uint64_t{2} << 20;
    size_ = (bytes + 2 * kHuge - 1) / kHuge * kHuge;
    mapped_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped_ == MAP_FAILED) std::abort();
    madvise(mapped_, size_, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    const auto address = (reinterpret_cast<std::uintptr_t>(mapped_) + kHuge - 1) / kHuge * kHuge;
    data_ = reinterpret_cast<unsigned char*>(address);
    std::memset(data_, 1, bytes);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { munmap(mapped_, size_); }

  [[nodiscard]] unsigned char* data() const { return data_; }

 private:
  void* mapped_ = nullptr;
  std::uint64_t size_ = 0;
  unsigned char* data_ = nullptr;
};

// One allocation serves as any layout's tensor: they all hold as many bits an element.
struct Model {
  std::uint64_t k = setting("THAW_BENCH_K", 8192);
  std::uint64_t n = setting("THAW_BENCH_N", 28672);
  std::uint64_t g = setting("THAW_BENCH_G", 128);
  std::uint64_t bits = setting("THAW_BENCH_BITS", 4);
  std::vector<std::int32_t> index;          // of GPTQ with act-order
  Memory qweight{k * n * bits / 8, false};  // small pages, as a mapped file's are
  Memory qzeros{(k / g + 7) / 8 * 8 * n * 2, false};
  std::uint64_t scale_bytes = std::max((k / g + 7) / 8 * 16, k / 16) * n;  // of nvfp4, of nf4
  Memory scales{scale_bytes, false};
  Memory copy_from{k * n * 2, true};
  Memory copy_to{k * n * 2, true};
  Memory tiles{3 * tile_bytes(4), true};

  Model() {
    std::mt19937_64 random(1);
    for (std::uint64_t i = 0; setting("THAW_BENCH_ACT_ORDER", 0) != 0 && i < std::max(k, n); ++i) {
      index.push_back(static_cast<std::int32_t>(random() % (std::min(k, n) / g)));
    }
    for (std::uint64_t i = 0; i < k * n * bits / 8; i += 8) {
      const std::uint64_t word = random();
      std::memcpy(qweight.data() + i, &word, 8);
      // As float8 no weight has a NaN, which takes a way of its own.
      for (std::uint64_t b = i; bits == 8 && b < i + 8; ++b) {
        if ((qweight.data()[b] & 0x7f) == 0x7f) qweight.data()[b] ^= 0x40;
      }
    }
    for (std::uint64_t i = 0; i < scale_bytes / 2; ++i) {
      // An ordinary number as float16, bfloat16, two E4M3 and two E8M0.
      const auto scale = static_cast<std::uint16_t>(0x3c70 + random() % 15);
      std::memcpy(scales.data() + 2 * i, &scale, 2);
      if (i < k / g * n) std::memcpy(qzeros.data() + 2 * i, &scale, 2);
    }
  }

  [[nodiscard]] std::uint64_t tile_bytes(std::uint64_t element) const {
    return std::min<std::uint64_t>(512, n) * k * element;
  }

  [[nodiscard]] PackedLinear linear(LayoutId layout) const {
    PackedLinear linear;
    linear.in_features = k;
    linear.out_features = n;
    linear.group_size = g;
    linear[Role::codes].data = qweight.data();
    linear[Role::zeros].data = qzeros.data();
    linear[Role::scales] = {scales.data(), n * 2};
    if (layout == LayoutId::awq_gemm) {
      linear[Role::codes].pitch = linear[Role::zeros].pitch = n / 2;
    } else if (layout == LayoutId::awq_gemv) {
      linear[Role::codes].pitch = k / 2;
      linear[Role::zeros].pitch = (k / g + 7) / 8 * 4;
      linear[Role::scales].pitch = (k / g + 7) / 8 * 16;
    } else if (layout == LayoutId::awq_gemv_fast) {
      linear[Role::codes].pitch = k * 2;
      linear[Role::zeros].pitch = n * 2;
    } else if (layout == LayoutId::ct_pack) {
      linear.bits = static_cast<std::uint32_t>(bits);
      linear[Role::codes].pitch = k * bits / 8;
      linear[Role::zeros].pitch = k / g * 4;
      linear[Role::scales].pitch = k / g * 2;
    } else if (layout == LayoutId::mlx_affine || layout == LayoutId::ct_int8 ||
               layout == LayoutId::bnb_int8) {
      linear.bits = static_cast<std::uint32_t>(bits);
      linear[Role::codes].pitch = k * bits / 8;
      linear[Role::zeros].pitch = linear[Role::scales].pitch = k / g * 2;
      if (layout != LayoutId::mlx_affine) linear[Role::zeros] = {};
      if (layout == LayoutId::bnb_int8) linear.scale_type = FloatType::float32;
    } else if (layout == LayoutId::gptq || layout == LayoutId::gptq_rows ||
               layout == LayoutId::gptq_bits || layout == LayoutId::gptq_bits_rows) {
      const bool transposed = layout == LayoutId::gptq || layout == LayoutId::gptq_bits;
      const std::uint64_t outputs = transposed ? n : k;
      linear[Role::codes].pitch = outputs * 4;
      linear[Role::zeros].pitch = outputs * bits / 8;
      linear[Role::scales].pitch = outputs * 2;
      linear.groups = k * n / outputs / g;
      linear.bits = static_cast<std::uint32_t>(bits);
      linear.zero_addend = 0x11111111;
      if (layout == LayoutId::gptq_bits_rows) linear[Role::codes].pitch *= bits;  // units
      if (!index.empty()) linear[Role::group_index] = {index.data(), 0, 4};
    } else {
      linear[Role::codes].pitch = n * 8;
      linear[Role::zeros] = {};
    }
    return linear;
  }
};

// Members of the layouts that have several: how their linear differs from the plain one.
struct Variant {
  const char* name;
  LayoutId id;
  void (*set)(PackedLinear& linear, const Model& model);
};

void set_scaled(PackedLinear& linear, SmallFloat element, ScaleForm form, std::uint64_t rows,
                std::uint64_t columns) {
  const std::uint64_t k = linear.in_features;
  linear.scaled = {element, form, rows, false, false};
  linear.group_size = columns;
  linear.scale_type = FloatType::bfloat16;  // of the bytes that are there
  linear[Role::zeros] = {};
  linear[Role::codes].pitch = element == SmallFloat::e2m1 ? k / 2 : k;
  linear[Role::scales].pitch = (k + columns - 1) / columns * (form == ScaleForm::wide ? 2 : 1);
}

// nf4's own numbers, and a table such as its scales have.
const float* nf4_numbers() {
  static const float numbers[16] = {-1.0f,    -0.69620f, -0.52507f, -0.39492f, -0.28444f, -0.18477f,
                                    -0.0911f, 0.0f,      0.07958f,  0.16093f,  0.24611f,  0.33792f,
                                    0.44071f, 0.56262f,  0.72296f,  1.0f};
  return numbers;
}
const float* nested_numbers() {
  static const std::vector<float> numbers = [] {
    std::vector<float> made(256);
    for (int i = 0; i < 256; ++i) made[i] = static_cast<float>(i - 128) / 128.0f;
    return made;
  }();
  return numbers.data();
}

constexpr Variant kVariants[] = {
    {"fp8_block", LayoutId::scaled,
     [](PackedLinear& linear, const Model&) {
       set_scaled(linear, SmallFloat::e4m3, ScaleForm::wide, 128, 128);
     }},
    {"fp8_channel", LayoutId::scaled,
     [](PackedLinear& linear, const Model& model) {
       set_scaled(linear, SmallFloat::e4m3, ScaleForm::wide, 1, model.k);
     }},
    {"mxfp8", LayoutId::scaled,
     [](PackedLinear& linear, const Model&) {
       set_scaled(linear, SmallFloat::e4m3, ScaleForm::e8m0, 1, 32);
     }},
    {"mxfp4", LayoutId::scaled,
     [](PackedLinear& linear, const Model&) {
       set_scaled(linear, SmallFloat::e2m1, ScaleForm::e8m0, 1, 32);
     }},
    {"nvfp4", LayoutId::scaled,
     [](PackedLinear& linear, const Model& model) {
       set_scaled(linear, SmallFloat::e2m1, ScaleForm::e4m3, 1, 16);
       linear[Role::global_scale].data = model.tiles.data();
     }},
    {"nf4", LayoutId::bnb_4bit,
     [](PackedLinear& linear, const Model&) {
       linear.group_size = 64;
       linear.table = nf4_numbers();
     }},
    {"nf4_nested", LayoutId::bnb_4bit,
     [](PackedLinear& linear, const Model& model) {
       linear.group_size = 64;
       linear.table = nf4_numbers();
       linear.nested_table = nested_numbers();
       linear.nested_block = 256;
       linear.nested_offset = 0.15625f;
       linear[Role::global_scale].data = model.scales.data();
     }},
};

std::uint64_t model_bits() { return setting("THAW_BENCH_BITS", 4); }

const Model& model() {
  static const Model model;
  return model;
}

// What this thread took of a processor: what else runs there does not count.
double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

void run(benchmark::State& state, const Layout& layout, const Variant* variant,
         const OutputFormat& format) {
  const Model& m = model();
  PackedLinear linear = m.linear(layout.id);
  if (variant != nullptr) variant->set(linear, m);
  const std::uint64_t element = format.type == FloatType::float32 ? 4 : 2;
  // Transposing kernels: 512 rows. Row-major ones: about 1 MiB, which stays in the cache.
  const bool row_major = layout.row_block < 8 || layout.id == LayoutId::gptq_rows;
  const std::uint64_t rows = row_major
                                 ? std::max<std::uint64_t>(8, (1 << 20) / (m.k * element) / 8 * 8)
                                 : std::min<std::uint64_t>(512, m.n);
  const std::uint64_t tile = rows * m.k * element;
  const std::uint64_t copied = m.k * m.n * 2;
  double kernel_seconds = std::numeric_limits<double>::infinity();
  double copy_seconds = kernel_seconds;
  for (auto _ : state) {
    const double copy_start = processor_seconds();
    std::memcpy(m.copy_to.data(), m.copy_from.data(), copied);
    benchmark::ClobberMemory();
    copy_seconds = std::min(copy_seconds, processor_seconds() - copy_start);
    const double start = processor_seconds();
    for (std::uint64_t row = 0, i = 0; row < m.n; row += rows, ++i) {
      layout.dequantize(linear, row, std::min(row + rows, m.n), m.tiles.data() + i % 3 * tile,
                        format);
    }
    const double seconds = processor_seconds() - start;
    kernel_seconds = std::min(kernel_seconds, seconds);
    state.SetIterationTime(seconds);
  }
  const double bytes = static_cast<double>(m.k * m.n * element);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(m.k * m.n * element));
  const double copy_speed = static_cast<double>(copied) / copy_seconds;
  state.counters["best_GBps"] = bytes / kernel_seconds / 1e9;
  state.counters["copy_GBps"] = copy_speed / 1e9;
  state.counters["x_memcpy"] = bytes / kernel_seconds / copy_speed;
}

void run_cast(benchmark::State& state, CastFn cast, FloatType from, const OutputFormat& format) {
  const Model& m = model();
  constexpr std::uint64_t kCount = 1 << 18;
  std::uint64_t overflows = 0;
  for (auto _ : state) {
    overflows += cast(m.scales.data(), from, m.tiles.data(), format, kCount);
  }
  benchmark::DoNotOptimize(overflows);
  const std::uint64_t element = format.type == FloatType::float32 ? 4 : 2;
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kCount * element));
}

const char* name_of(FloatType type) {
  if (type == FloatType::float16) return "float16";
  return type == FloatType::bfloat16 ? "bfloat16" : "float32";
}

void register_layout(const Table& table, const Layout& layout, const Variant* variant) {
  for (const FloatType type : {FloatType::float16, FloatType::bfloat16, FloatType::float32}) {
    for (const Stores stores : {Stores::streaming, Stores::normal}) {
      const OutputFormat format{type, Rounding::exact, stores};
      const std::string name =
          std::string(variant != nullptr ? variant->name : name_of(layout.id)) + '/' + table.name +
          '/' + name_of(type) + (stores == Stores::streaming ? "/streaming" : "/normal");
      benchmark::RegisterBenchmark(name.c_str(),
                                   [&layout, variant, format](benchmark::State& state) {
                                     run(state, layout, variant, format);
                                   })
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
}

void register_all() {
  const TableList tables = available_tables();
  for (std::size_t t = 0; t < tables.count; ++t) {
    const Table& table = *tables.tables[t];
    for (const Layout& layout : table.layouts) {
      const bool bytes = layout.id == LayoutId::ct_int8 || layout.id == LayoutId::bnb_int8;
      if (bytes && model_bits() != 8) continue;  // THAW_BENCH_BITS=8
      bool has_variants = false;
      for (const Variant& variant : kVariants) {
        if (variant.id != layout.id) continue;
        has_variants = true;
        const bool float8 = std::string(variant.name).find('8') != std::string::npos;
        if (!float8 || model_bits() == 8) register_layout(table, layout, &variant);
      }
      if (!has_variants) register_layout(table, layout, nullptr);
    }
    for (const FloatType from : {FloatType::float16, FloatType::bfloat16, FloatType::float32}) {
      for (const FloatType to : {FloatType::float16, FloatType::bfloat16, FloatType::float32}) {
        if (from == to) continue;
        const std::string name =
            std::string("cast/") + table.name + '/' + name_of(from) + '/' + name_of(to);
        const CastFn cast = table.cast;
        benchmark::RegisterBenchmark(name.c_str(), [cast, from, to](benchmark::State& state) {
          run_cast(state, cast, from, {to, Rounding::exact, Stores::normal});
        });
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
