// One pair of tensors: their figures, and what is likely to be wrong. Private to lib/compare.
#pragma once

#include <vector>

#include "base/status.h"
#include "compare/compare.h"
#include "compare/compare_faults.h"
#include "compare/compare_match.h"
#include "compare/compare_side.h"
#include "compare/difference.h"
#include "execute/buffer_pool.h"
#include "execute/parallel.h"
#include "execute/tensor_reader.h"

namespace thaw {

// Elements that one part of the work takes: whole rows where a side is packed, a number that
// depends on nothing but the two tensors, so that the sums do not either.
[[nodiscard]] std::uint64_t elements_of_part(const CompareSide& side_a, const CompareSide& side_b,
                                             const TensorPair& pair);
// The packed bytes that every row of the tensor may need some of; 0: none.
[[nodiscard]] std::uint64_t strided_bytes(const CompareSide& side, const PlannedTensor& tensor);
// What dividing takes on a side; 0 where nothing is divided.
[[nodiscard]] std::uint64_t scratch_of(const CompareSide& side, const PlannedTensor& tensor);

// What a thread works in. Buffers are reused from tensor to tensor.
struct CompareBuffers {
  AlignedMemory a;
  AlignedMemory b;
  AlignedMemory numbers;  // of other types than float32, on their way to doubles
  ReadSpace space;
};

class PairComparer {
 public:
  struct Tools {
    Parallel& parallel;
    const TensorReader& reader_a;
    const TensorReader& reader_b;
    std::vector<CompareBuffers>& buffers;  // one for each thread
    std::uint64_t resident = 0;            // packed bytes of a side that may be held
  };
  PairComparer(const CompareSide& a, const CompareSide& b, Tools tools)
      : a_(a), b_(b), tools_(tools) {}

  // Figures and histogram; adds the sums to `total`.
  [[nodiscard]] Status measure(const TensorPair& pair, TensorComparison& result,
                               DifferenceSums& total);
  // The first rows of both as a sample for find_fault(); empty where they are no weights, are too
  // wide, or hold what is not finite.
  [[nodiscard]] Status sample(const TensorPair& pair, std::vector<float>& a, std::vector<float>& b);
  // All elements of a small tensor as doubles; empty where it has more than `most`.
  [[nodiscard]] static Status read_all(const CompareSide& side, const PlannedTensor& tensor,
                                       const TensorReader& reader, std::uint64_t most,
                                       std::vector<double>& out);

 private:
  // Elements [from, from + count) of both, in one thread's buffers.
  struct Run {
    const TensorPair& pair;
    const TensorReader::Hold& held_a;
    const TensorReader::Hold& held_b;
    std::uint64_t from;
    std::uint64_t count;
  };
  [[nodiscard]] Status difference_of(const Run& run, CompareBuffers& buffers, DifferenceSums& sums,
                                     Histogram& histogram) const;
  [[nodiscard]] Status measure_bytes(const TensorPair& pair, TensorComparison& result);

  const CompareSide& a_;
  const CompareSide& b_;
  Tools tools_;
};

}  // namespace thaw
