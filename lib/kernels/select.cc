// Which tables this program has and this CPU can run. Plain C++, compiled for the baseline.
#include "kernels/tables.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace thaw::kernels {
namespace {

bool equal(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b;
}

bool always() { return true; }

#if defined(__x86_64__)
// __builtin_cpu_supports also asks whether the operating system saves the wide registers. It does
// not know F16C with every compiler; that bit needs no more from the system than AVX2 does.
bool has_f16c() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

bool runs_ssse3() { return __builtin_cpu_supports("ssse3") != 0; }

bool runs_avx2() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 && has_f16c();
}

bool runs_avx512() {
  return runs_avx2() && __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0;
}
#endif

struct Candidate {
  const Table* table;
  bool (*runs)();
};

constexpr Candidate kCandidates[] = {
// the best first
#if defined(__x86_64__)
    {&kAvx512Table, runs_avx512},
    {&kAvx2Table, runs_avx2},
    {&kSsse3Table, runs_ssse3},
#elif defined(__aarch64__)
    {&kNeonTable, always},
#endif
    {&kScalarTable, always},
};

struct Available {
  const Table* tables[sizeof kCandidates / sizeof kCandidates[0]] = {};
  std::size_t count = 0;

  Available() {
    for (const Candidate& candidate : kCandidates) {
      if (candidate.runs()) tables[count++] = candidate.table;
    }
  }
};

}  // namespace

TableList available_tables() {
  static const Available available;
  return {available.tables, available.count};
}

const Table* find_table(const char* name, bool* runs_here) {
  for (const Candidate& candidate : kCandidates) {
    if (!equal(candidate.table->name, name)) continue;
    if (runs_here != nullptr) *runs_here = candidate.runs();
    return candidate.table;
  }
  return nullptr;
}

const char* name_of(LayoutId id) {
  switch (id) {
    case LayoutId::awq_gemm:
      return "awq_gemm";
    case LayoutId::awq_gemv:
      return "awq_gemv";
    case LayoutId::awq_gemv_fast:
      return "awq_gemv_fast";
    case LayoutId::awq_marlin:
      return "awq_marlin";
    case LayoutId::ct_pack:
      return "ct_pack";
    case LayoutId::ct_int8:
      return "ct_int8";
    case LayoutId::gptq:
      return "gptq";
    case LayoutId::gptq_rows:
      return "gptq_rows";
    case LayoutId::gptq_bits:
      return "gptq_bits";
    case LayoutId::gptq_bits_rows:
      return "gptq_bits_rows";
    case LayoutId::mlx_affine:
      return "mlx_affine";
    case LayoutId::bnb_int8:
      return "bnb_int8";
    case LayoutId::bnb_4bit:
      return "bnb_4bit";
    case LayoutId::modelopt_int4:
      return "modelopt_int4";
    case LayoutId::scaled:
      return "scaled";
  }
  __builtin_unreachable();
}

}  // namespace thaw::kernels
