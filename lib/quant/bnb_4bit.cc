// bitsandbytes, nf4 and fp4: codes of 4 bits over the flat weight, the high half of a byte first, a
// scale for each run of them. Format: specs/bitsandbytes.md clause 2.
#include <bit>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "quant/bnb_state.h"
#include "quant/code_table.h"
#include "quant/content.h"
#include "quant/layouts.h"

namespace thaw {

namespace {

constexpr PackLayout kNf4 = {.id = LayoutId::bnb_4bit,
                             .family = LayoutFamily::bitsandbytes,
                             .name = "bnb_nf4",
                             .title = "bitsandbytes nf4"};
constexpr PackLayout kFp4 = {.id = LayoutId::bnb_4bit,
                             .family = LayoutFamily::bitsandbytes,
                             .name = "bnb_fp4",
                             .title = "bitsandbytes fp4"};

Problem expect_vector(std::string_view name, const Tensor& tensor, Dtype dtype,
                      std::uint64_t count) {
  if (tensor.dtype == dtype && tensor.shape.size() == 1 && tensor.shape[0] == count) {
    return std::nullopt;
  }
  return std::string(name) + ": got " + tensor_text(tensor) + ", expected " +
         std::string(dtype_name(dtype)) + " [" + std::to_string(count) + "]";
}

class Describer {
 public:
  Describer(const ModuleTensors& tensors, QuantizedLinear& linear)
      : tensors_(tensors), linear_(linear), table_(std::make_shared<CodeTable>()) {}

  Problem run() {
    THAW_RETURN_IF_PROBLEM(read_state());
    const auto count = checked_multiply(state_.shape[0], state_.shape[1]);
    if (!count.has_value()) return "its weight would be too large";
    count_ = *count;
    if (tensors_.weight->size() != divide_up(count_, 2)) {
      return "weight: got " + tensor_text(*tensors_.weight) + ", expected the " +
             std::to_string(divide_up(count_, 2)) + " bytes of " + shape_text(state_.shape) +
             " in 4 bits each";
    }
    THAW_RETURN_IF_PROBLEM(expect_vector("quant_map", *tensors_.quant_map, Dtype::f32, 16));
    THAW_RETURN_IF_PROBLEM(load(*tensors_.quant_map, table_->numbers.data()));
    const std::uint64_t scales = divide_up(count_, state_.block);
    THAW_RETURN_IF_PROBLEM(
        expect_vector("absmax", *tensors_.absmax, state_.nested ? Dtype::u8 : Dtype::f32, scales));
    THAW_RETURN_IF_PROBLEM(read_nested(scales));
    place();
    return std::nullopt;
  }

 private:
  Problem read_state() {
    if (tensors_.nf4_state != nullptr && tensors_.fp4_state != nullptr) return "two quant_states";
    const Tensor* state = tensors_.nf4_state != nullptr ? tensors_.nf4_state : tensors_.fp4_state;
    if (state->dtype != Dtype::u8)
      return "quant_state: got " + tensor_text(*state) + ", expected U8";
    if (tensors_.quant_map == nullptr) return "no quant_map, which says what the codes mean";
    std::string text;
    const Status read = with_content(*tensors_.checkpoint, *state, [&](auto bytes) {
      if (text.size() <= (1u << 20)) {
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      }
    });
    if (!read.ok()) return read.error().messages.front();
    if (Problem problem = read_bnb_state(text, state_)) return "quant_state: " + *problem;
    return std::nullopt;
  }

  Problem read_nested(std::uint64_t scales) {
    const bool there = tensors_.nested_absmax != nullptr || tensors_.nested_quant_map != nullptr;
    if (!state_.nested) {
      if (there) return "nested scales that the quant_state does not speak of";
      return std::nullopt;
    }
    if (tensors_.nested_absmax == nullptr || tensors_.nested_quant_map == nullptr) {
      return "no nested_absmax or no nested_quant_map, though its scales are quantized themselves";
    }
    THAW_RETURN_IF_PROBLEM(expect_vector("nested_absmax", *tensors_.nested_absmax, Dtype::f32,
                                         divide_up(scales, state_.nested_block)));
    THAW_RETURN_IF_PROBLEM(
        expect_vector("nested_quant_map", *tensors_.nested_quant_map, Dtype::f32, 256));
    table_->nested.resize(256);
    table_->nested_block = state_.nested_block;
    table_->offset = state_.offset;
    return load(*tensors_.nested_quant_map, table_->nested.data());
  }

  Problem load(const Tensor& tensor, float* to) const {
    const Status read = with_content(*tensors_.checkpoint, tensor, [&](auto bytes) {
      for (std::size_t at = 0; at < bytes.size(); at += sizeof(float)) {
        *to++ = std::bit_cast<float>(load_little_endian<std::uint32_t>(bytes.data() + at));
      }
    });
    return read.ok() ? Problem() : read.error().messages.front();
  }

  // So many rows begin with a byte and with a block; where a weight has none such, every row needs
  // all of it.
  void place() {
    const auto [rows, columns] = state_.shape;
    const std::uint64_t unit = 2 * state_.block;
    const std::uint64_t step = unit / std::gcd(columns, unit);
    const bool divides = rows % step == 0;
    const std::uint64_t lines = divides ? rows / step : 1;
    const auto operand = [&](const Tensor& tensor) {
      return PackedOperand{.tensor = &tensor,
                           .lines = lines,
                           .pitch = tensor.size() / lines,
                           .out_features_per_line = divides ? step : 0};
    };
    linear_.claims = {};  // the config says nothing of groups
    linear_.bits = 4;
    linear_.out_features = rows;
    linear_.in_features = columns;
    linear_.group_size = state_.block;
    linear_.scale_dtype = Dtype::f32;
    linear_.operands[Role::codes] = operand(*tensors_.weight);
    linear_.operands[Role::scales] = operand(*tensors_.absmax);
    if (state_.nested) {
      linear_.operands[Role::global_scale] = {.tensor = tensors_.nested_absmax, .lines = 1};
    }
    linear_.table = std::move(table_);
  }

  const ModuleTensors& tensors_;
  QuantizedLinear& linear_;
  std::shared_ptr<CodeTable> table_;
  BnbState state_;
  std::uint64_t count_ = 0;  // codes
};

Problem describe(const ModuleTensors& tensors, const QuantConfig&, QuantizedLinear& linear) {
  return Describer(tensors, linear).run();
}

bool is_nf4(const ModuleTensors& tensors) { return tensors.fp4_state == nullptr; }
bool is_fp4(const ModuleTensors&) { return true; }

}  // namespace

constinit const LayoutReader kBnbNf4Reader = {&kNf4, Naming::bnb_4bit,
                                              "a weight and its absmax, nf4", is_nf4, describe};
constinit const LayoutReader kBnbFp4Reader = {&kFp4, Naming::bnb_4bit,
                                              "a weight and its absmax, fp4", is_fp4, describe};

}  // namespace thaw
