#include "plan/fingerprint.h"

#include <bit>
#include <span>
#include <string_view>

#include "base/hash.h"
#include "plan/side_file_name.h"

namespace thaw {

namespace {

// Raise when the same input and options give other bytes than before.
constexpr std::uint64_t kPlanVersion = 3;

// The structured bindings below name every member: who adds one is stopped by the compiler until he
// has said whether it decides a byte.

void add_number(Hash& hash, std::uint64_t number) { hash.add(number); }
void add_type(Hash& hash, Dtype type) { hash.add(dtype_name(type)); }

// Which tensor it is, and where its bytes are.
void add_tensor(Hash& hash, const Tensor* tensor) {
  add_number(hash, std::uint64_t{tensor != nullptr});
  if (tensor == nullptr) return;
  hash.add(tensor->name);
  add_number(hash, tensor->shard);
  add_number(hash, tensor->begin);
  add_number(hash, tensor->end);
}

void add_segment(Hash& hash, const Segment& segment) {
  const auto& [kind, from, to, source, divisor, tensor, offset, size, begin, row_bytes, row_block,
               row_step] = segment;
  // How many rows are made together decides no byte.
  static_cast<void>(row_block);
  static_cast<void>(row_step);
  add_number(hash, static_cast<std::uint64_t>(kind));
  add_type(hash, from);
  add_type(hash, to);
  for (const std::uint64_t number : {std::uint64_t{source}, std::uint64_t{divisor},
                                     std::uint64_t{tensor}, offset, size, begin, row_bytes}) {
    add_number(hash, number);
  }
}

void add_operand(Hash& hash, const PackedOperand& operand) {
  const auto& [tensor, lines, pitch, out_features_per_line, block_rows, block_bytes] = operand;
  add_tensor(hash, tensor);
  for (const std::uint64_t number :
       {lines, pitch, out_features_per_line, block_rows, block_bytes}) {
    add_number(hash, number);
  }
}

// As it was decided, from whatever configs, names and shapes.
void add_table(Hash& hash, const CodeTable& table) {
  const auto add = [&](std::span<const float> numbers) {
    add_number(hash, numbers.size());
    for (const float number : numbers) add_number(hash, std::bit_cast<std::uint32_t>(number));
  };
  add(table.numbers);
  add(table.nested);
  add_number(hash, table.nested_block);
  add({&table.offset, 1});
}

void add_linear(Hash& hash, const QuantizedLinear& linear) {
  // What the config claims has been decided on; the rest is for people and warnings.
  const auto& [module, layout, reason, operands, in_features, out_features, group_size, scale_dtype,
               claims, bits, rows_per_slice, is_parameter, byte_zeros, assumed_width,
               rows_per_scale, zero_addend, zeros_wrap, word_bytes, planes, scaled, table] = linear;
  const auto& [element, block_rows, divides_by_scale, divides_by_global] = scaled;
  static_cast<void>(reason);
  static_cast<void>(claims);
  static_cast<void>(assumed_width);
  static_cast<void>(zeros_wrap);
  hash.add(module);
  hash.add(layout->name);
  for (const PackedOperand& operand : operands) add_operand(hash, operand);
  for (const std::uint64_t number :
       {in_features, out_features, group_size, std::uint64_t{bits}, rows_per_slice,
        std::uint64_t{is_parameter}, std::uint64_t{byte_zeros}, rows_per_scale,
        std::uint64_t{zero_addend}, std::uint64_t{word_bytes}, std::uint64_t{planes},
        static_cast<std::uint64_t>(element), block_rows, std::uint64_t{divides_by_scale},
        std::uint64_t{divides_by_global}}) {
    add_number(hash, number);
  }
  add_type(hash, scale_dtype);
  if (table != nullptr) add_table(hash, *table);
}

// Configs as they were read and the bytes of headers: what they say that decides no byte today may
// do so in another version, and their own bytes are copied.
void add_documents(Hash& hash, const Checkpoint& checkpoint) {
  add_number(hash, checkpoint.shards().size());
  for (const Shard& shard : checkpoint.shards()) add_number(hash, shard.header_hash);
  hash.add(checkpoint.config_text());
  add_number(hash, checkpoint.quantization_files().size());
  for (const Checkpoint::QuantizationFile& file : checkpoint.quantization_files()) {
    hash.add(file.name);
    hash.add(file.text);
  }
}

void add_plan(Hash& hash, const Plan& plan) {
  add_type(hash, plan.dtype);
  add_number(hash, std::uint64_t{plan.via_float16});
  add_number(hash, plan.files.size());
  for (const PlannedFile& file : plan.files) {
    hash.add(file.name);
    add_number(hash, file.size);
    add_number(hash, file.segments.size());
    for (const Segment& segment : file.segments) add_segment(hash, segment);
  }
  add_number(hash, plan.tensors.size());
  for (const PlannedTensor& tensor : plan.tensors) hash.add(tensor.name);
  add_number(hash, plan.literals.size());
  for (const std::string& text : plan.literals) hash.add(text);
  add_number(hash, plan.inputs.size());
  add_number(hash, plan.linears.size());
  for (const QuantizedLinear* linear : plan.linears) add_linear(hash, *linear);
  add_number(hash, plan.weaves.size());
  for (const Weave& weave : plan.weaves) {
    const auto& [parts, inner, outer, transposed, interleaved] = weave;
    for (const Segment& part : parts) add_segment(hash, part);
    for (const std::uint64_t number :
         {inner, outer, std::uint64_t{transposed}, std::uint64_t{interleaved}}) {
      add_number(hash, number);
    }
  }
  add_number(hash, plan.divisors.size());
  for (const Divisor& divisor : plan.divisors) {
    const auto& [scales, columns, weight_begin] = divisor;
    add_tensor(hash, scales);
    add_number(hash, columns);
    add_number(hash, weight_begin);
  }
}

}  // namespace

std::string plan_fingerprint(const PlanRequest& request, const Plan& plan) {
  Hash hash;
  add_number(hash, kPlanVersion);
  // Overflows end a run or are kept: what stands on the disk is the same, but one may go on.
  add_number(hash, std::uint64_t{request.allow_overflow});
  add_documents(hash, *request.checkpoint);
  if (request.overlay != nullptr) add_documents(hash, *request.overlay->base);
  add_plan(hash, plan);
  return hash.hex();
}

}  // namespace thaw
