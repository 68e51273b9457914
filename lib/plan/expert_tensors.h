// The experts of a checkpoint in another form: what each tensor of that form is put together from.
// Nothing of a plan yet. specs/models.md clause 8. Private to lib/plan.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "plan/expert_sources.h"

namespace thaw {

// Rows [first, first + rows) of a source's matrix; of all experts one below the other.
struct ExpertPart {
  ExpertSource source;
  std::uint64_t first = 0;
  std::uint64_t rows = 0;
};

// A matrix whose rows are those of its parts, one after another or in turns (interleaved), or whose
// columns they are (transposed). All parts have `columns` columns.
struct ExpertMatrix {
  std::vector<ExpertPart> parts;
  std::uint64_t columns = 0;
  bool transposed = false;
  bool interleaved = false;
};

// Its matrices follow one another.
struct ExpertTensor {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::vector<ExpertMatrix> matrices;
};

struct ExpertTensors {
  std::vector<ExpertTensor> tensors;  // only those that the checkpoint does not have as they are
  // Biases that the form has no place for: they must be zero. Nobody has looked at them yet.
  std::vector<const Tensor*> biases_left_out;
};

struct ExpertRequest {
  const Checkpoint* checkpoint = nullptr;
  const QuantizedLinears* linears = nullptr;
  const ModelSpec* spec = nullptr;  // with experts
  // The type that linears and floats of 16 bits get, so that what becomes one tensor has one type.
  // Nothing: all floats get the same.
  std::optional<Dtype> dtype = {};
  // The form of a group; nothing leaves it as it is. Empty: that of the spec.
  std::function<std::optional<ExpertForm>(const ExpertGroup&)> form_of = {};
  const char* hint = "";  // to every error
};

// Errors, all of them at once, ErrorCode::input: experts that are missing, of several shapes, or
// more or fewer than the config says; types that one tensor cannot hold; a bias that only some
// have.
[[nodiscard]] Result<ExpertTensors> describe_experts(const ExpertRequest& request);

// Whether the parameters of all experts have [outputs, inputs] behind the experts, as their shapes
// and `hidden` (config.json's size of what goes in; nothing where it does not say) tell; nothing
// where they do not. Empty sources are passed over.
struct Orientation {
  std::optional<bool> gate_up;
  std::optional<bool> down;
};
[[nodiscard]] Orientation outputs_first(const ExpertGroup& group,
                                        std::optional<std::uint64_t> hidden);
[[nodiscard]] std::optional<std::uint64_t> hidden_size(const Checkpoint& checkpoint);

}  // namespace thaw
