// The certificate: from the values that were written and the scales and zeros that are stored, the
// integer codes are recovered and must be the source's. specs/verify.md clause 4.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "execute/parallel.h"
#include "plan/memory.h"
#include "plan/plan.h"

namespace thaw {

struct LinearCertificate {
  std::string tensor;  // of the output; raw
  std::string layout;  // "awq_gemm"
  std::uint64_t recovered = 0;
  std::uint64_t ambiguous = 0;  // right, but not by one code only
  std::uint64_t wrong = 0;
  // Of the first wrong weight.
  std::uint64_t row = 0;
  std::uint64_t column = 0;
  std::string flaw;  // not empty: the output has no such weight, and nothing was checked
};

struct Certificate {
  std::vector<LinearCertificate> linears;  // in the order of the plan's files
  std::uint64_t recovered = 0;
  std::uint64_t ambiguous = 0;
  std::uint64_t wrong = 0;
  std::uint64_t flawed = 0;  // linears

  [[nodiscard]] bool holds() const { return wrong == 0 && flawed == 0; }
};

// `out` is the checkpoint that was written by `plan`; weights are looked for where its headers say.
// Memory: within `memory`, whose buffers are free. Errors: ErrorCode::io.
[[nodiscard]] Result<Certificate> certify(const Plan& plan, const Checkpoint& out,
                                          const MemoryPlan& memory, Parallel& parallel);

}  // namespace thaw
