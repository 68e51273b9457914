// Two checkpoints, float or quantized on either side, tensor by tensor: specs/verify.md clauses 6
// to 9.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/stop.h"
#include "execute/observer.h"
#include "io/file_system.h"

namespace thaw {

struct CompareOptions {
  std::string a;  // as ConvertOptions::model; what the other is measured by
  std::string b;
  std::string model_specs;  // the directory of the model specs
  unsigned threads = 0;     // 0: one a processor
  std::uint64_t memory = 256'000'000;
  std::string isa;
};

// What is likely to be wrong with B where it differs from A.
enum class Fault : std::uint8_t {
  none,
  row_order,     // rows stand in the order of nibbles in a word of AWQ
  column_order,  // so do columns
  transposed,
  zero_off_by_one,
  zero_offset,        // every group is shifted by a constant
  scaled_with_norm,   // a factor a channel, which the norm in front explains: no fault
  norm_not_taken,     // a factor a channel, or a norm, whose other half is missing
  scaled_by_channel,  // a factor a channel that nothing at hand explains
  scaled,             // one factor for all
  unrelated,          // as two other models
};
inline constexpr std::size_t kFaultCount = 11;

// Powers of two: bin i counts differences of 2^(i - 40) up to 2^(i - 39); the first and the last
// take what is beyond.
inline constexpr std::size_t kHistogramBins = 64;
inline constexpr int kHistogramFirst = -40;

// Of all elements that are finite on both sides. Not finite where nothing can be said: a relative
// error against zeros, the SNR of equal tensors.
struct DifferenceFigures {
  std::uint64_t elements = 0;
  std::uint64_t equal = 0;  // elements, infinities and NaNs that both have included
  std::uint64_t nonfinite_a = 0;
  std::uint64_t nonfinite_b = 0;
  std::uint64_t nonfinite_differ = 0;  // on one side only, or of another kind
  double max_abs = 0;
  double rms = 0;
  double relative = 0;
  double cosine = 1;
  double snr_db = 0;
};

struct TensorComparison {
  std::string name;    // in A; raw
  std::string name_b;  // where it differs from A's, else empty
  std::string module;  // the name without its last part
  std::optional<std::uint64_t> layer;
  std::string type_a;  // "F16", "AWQ GEMM"
  std::string type_b;
  std::vector<std::uint64_t> shape;
  bool bytes_only = false;  // a type whose numbers are not read: relative is 0 or infinite
  DifferenceFigures figures;
  std::array<std::uint64_t, kHistogramBins> histogram{};
  Fault fault = Fault::none;
  std::string fault_text;  // safe for a terminal; empty: none
};

struct ShapeDifference {
  std::string name;
  std::vector<std::uint64_t> shape_a;
  std::vector<std::uint64_t> shape_b;
  Fault fault = Fault::none;  // transposed, or none
};

struct CompareReport {
  std::string a;
  std::string b;
  std::string spec;                       // of the names, empty: none
  std::vector<TensorComparison> tensors;  // the worst first
  std::vector<std::string> only_a;        // raw, in natural order
  std::vector<std::string> only_b;
  std::vector<ShapeDifference> shapes;
  DifferenceFigures total;
  // What all of it comes to, in a few words: "equal", "another model". specs/verify.md 9.3.
  std::string conclusion;
  std::vector<std::string> verdicts;  // sentences, safe for a terminal
  std::vector<std::string> warnings;

  [[nodiscard]] bool same_names_and_shapes() const {
    return only_a.empty() && only_b.empty() && shapes.empty();
  }
};

// Errors: a side that cannot be opened or read, a budget that is too small.
[[nodiscard]] Result<CompareReport> compare(const CompareOptions& options, Observer& observer,
                                            StopFlag& stop, FileSystem& file_system);

// True when the relative error of some tensor is above `limit`, or a value is infinite or NaN on
// one side only.
[[nodiscard]] bool exceeds(const CompareReport& report, double limit);

[[nodiscard]] const char* fault_name(Fault fault);  // "row_order"

}  // namespace thaw
