#include "prepare/zero_biases.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "prepare/sample_rows.h"

namespace thaw {

namespace {

constexpr std::uint64_t kStep = 1u << 20;  // elements

// How many of the values are not zero.
Result<std::uint64_t> count_nonzero(SampleRows& rows, const PlannedTensor& bias) {
  const std::uint64_t elements = element_count(bias.shape).value_or(0);
  std::uint64_t nonzero = 0;
  for (std::uint64_t at = 0; at < elements; at += kStep) {
    const std::uint64_t count = std::min(kStep, elements - at);
    THAW_ASSIGN_OR_RETURN(const std::span<const float> values, rows.elements(bias, at, count));
    for (const float value : values) nonzero += value != 0 ? 1 : 0;
  }
  return nonzero;
}

}  // namespace

Status check_zero_biases(const Checkpoint& checkpoint, const QuantizedLinears& linears,
                         std::span<const Tensor* const> biases, const std::string& why,
                         const kernels::Table& table) {
  THAW_ASSIGN_OR_RETURN(
      Plan plan,
      plan_tensors({.checkpoint = &checkpoint, .linears = &linears, .dtype = Dtype::f32}));
  SampleRows rows(std::move(plan), table);
  ErrorList errors;
  for (const Tensor* bias : biases) {
    const Place place{checkpoint.file_of(*bias), bias->name};
    const PlannedTensor* planned = rows.find(bias->name);
    if (planned == nullptr) {  // copied as it is, whatever it holds
      errors.add(fail(ErrorCode::input, place, why));
      continue;
    }
    THAW_ASSIGN_OR_RETURN(const std::uint64_t nonzero, count_nonzero(rows, *planned));
    if (nonzero == 0) continue;
    errors.add(fail(ErrorCode::input, place,
                    why + ", and " + std::to_string(nonzero) + " of its values are not zero"));
  }
  return errors.take();
}

}  // namespace thaw
