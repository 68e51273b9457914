// One linear of a certificate. Private to lib/verify.
#pragma once

#include <cstdint>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "execute/input_cache.h"
#include "execute/parallel.h"
#include "plan/plan.h"
#include "plan/tiles.h"
#include "verify/certificate.h"
#include "verify/round_once.h"

namespace thaw {

struct CertifyTask {
  const Plan& plan;
  const Segment& segment;          // of the plan: some rows of a linear
  TilePlace place;                 // in the output's shard: where their elements lie
  std::uint32_t weight_input = 0;  // index of the shard among the files of the cache
  const MappedFile& weight_file;
  std::uint64_t resident_bytes = 0;  // of packed input that may be in memory at once
};

// Adds to the counts of `result`. Where the packed bytes exceed what may be resident, the weight is
// read in several passes, each for some of its columns.
[[nodiscard]] Status certify_linear(const CertifyTask& task, InputCache& cache, Parallel& parallel,
                                    LinearCertificate& result);

}  // namespace thaw
