// What a checkpoint is, without converting it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "io/file_system.h"
#include "prepare/report.h"
#include "prepare/scale_scan.h"

namespace thaw {

// Quantized linears that share layout, width, group size, scale type and shape.
struct LinearGroup {
  std::string layout;   // "awq_gemm"
  std::string title;    // "AWQ GEMM"
  std::string modules;  // with layer numbers replaced by *, safe for a terminal
  std::uint64_t count = 0;
  std::uint32_t bits = 4;  // of a code
  // What the packing calls inputs and outputs: of an embedding, the vocabulary and the width.
  std::uint64_t in_features = 0;
  std::uint64_t out_features = 0;
  bool untransposed = false;  // the weight is [in_features, out_features]
  std::uint64_t group_size = 0;
  bool symmetric = false;   // no zero points stored
  std::string scale_dtype;  // "F16"
  std::uint64_t packed_bytes = 0;
  std::uint64_t float_bytes = 0;  // converted to the automatic output type
  std::string reason;             // why it was recognised as that, with the first module's shapes
  // What the config says and the tensors deny, of any of the modules; each once.
  std::vector<std::string> contradictions;
  ScaleFlaws flaws;
  // Modules with a GPTQ v1 zero point that is the highest there is (specs/gptq.md clause 4.6).
  std::uint64_t wrapped_zeros = 0;
  std::string first_wrapped;  // safe for a terminal
};

struct DtypeCount {
  std::string dtype;
  std::uint64_t tensors = 0;
  std::uint64_t bytes = 0;
};

// A weight as convert would write it, or a tensor that is not part of a quantized linear.
struct InspectedTensor {
  std::string name;  // raw; of a linear that of its weight
  std::optional<std::uint64_t> layer;
  std::string layout;                // "AWQ GEMM"; else the dtype, "F16"
  std::uint32_t bits = 0;            // of a code; 0: not quantized
  std::uint64_t group_size = 0;      // 0: not quantized
  std::vector<std::uint64_t> shape;  // of the weight
  std::uint64_t bytes = 0;           // as stored, with scales and zeros
  std::uint64_t float_bytes = 0;     // converted as in LinearGroup; 0: not quantized
};

struct Inspection {
  std::string model;
  std::string config_source;  // where the quantization config stands; empty: nowhere
  std::string method;
  std::string version;
  std::vector<ShardSummary> shards;
  std::vector<LinearGroup> groups;
  std::vector<DtypeCount> other_tensors;  // not part of a quantized linear, by dtype
  std::vector<InspectedTensor> tensors;   // all of the two above, in natural order
  std::optional<PlanSummary> plan;        // what convert would write; nothing if it would refuse
  // Why it would refuse, one message each: with those of prepare() what is packed in it in a way
  // that thaw does not read, tensors that are alike in one line.
  std::vector<std::string> problems;
  std::vector<std::string> warnings;
  std::vector<std::string> notes;  // as of PlanSummary
};

// Reads headers, configs, and the scales of every linear. `model_specs` as in ConvertOptions.
// Errors only where the model cannot be opened; all else is told in `problems`.
[[nodiscard]] Result<Inspection> inspect(const std::string& model, FileSystem& file_system,
                                         const std::string& model_specs = {});

}  // namespace thaw
