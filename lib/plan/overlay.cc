#include "plan/overlay.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "plan/required_modules.h"

namespace thaw {

namespace {

constexpr std::size_t kMostNamed = 5;

// The layer's number, as it is spelled, and the name within the block; empty outside of blocks.
struct Member {
  std::string_view layer;
  std::string_view name;
  std::uint64_t number = 0;  // of the layer
};

Member member_of(const Blocks& blocks, std::string_view tensor) {
  if (!tensor.starts_with(blocks.path) || tensor.size() <= blocks.path.size() + 1) return {};
  if (tensor[blocks.path.size()] != '.') return {};
  const std::string_view rest = tensor.substr(blocks.path.size() + 1);
  const std::size_t dot = rest.find('.');
  if (dot == 0 || dot == std::string_view::npos || dot + 1 == rest.size()) return {};
  if (rest.substr(0, dot).find_first_not_of("0123456789") != std::string_view::npos) return {};
  Member member{rest.substr(0, dot), rest.substr(dot + 1)};
  const auto read = std::from_chars(rest.data(), rest.data() + dot, member.number);
  return read.ec == std::errc() ? member : Member{};
}

std::string name_in(const Blocks& blocks, const Member& member) {
  std::string name = blocks.path;
  name.append(".").append(member.layer).append(".").append(member.name);
  return name;
}

// With the blocks that predict further tokens.
std::uint64_t total(const Blocks& blocks) { return blocks.count + blocks.extra; }

// Names within blocks that stand for many tensors: "3 tensors (a, b)".
class MemberCount {
 public:
  void add(std::string_view name) {
    ++count_;
    names_.insert(name);
  }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::string text() const {
    std::string text = std::to_string(count_) + (count_ == 1 ? " tensor (" : " tensors (");
    std::size_t named = 0;
    for (const std::string_view name : names_) {
      if (named++ == kMostNamed) break;
      if (named > 1) text += ", ";
      text += printable(name);
    }
    return text + (names_.size() > kMostNamed ? ", ...)" : ")");
  }

 private:
  std::uint64_t count_ = 0;
  std::set<std::string_view> names_;
};

class Matcher {
 public:
  explicit Matcher(const OverlayRequest& request)
      : request_(request),
        base_(*request.base),
        twin_(*request.twin),
        linears_(request.linears->linears),
        required_(*request.spec, request.base_blocks.count),
        linear_taken_(linears_.size()),
        tensor_taken_(twin_.tensors().size()) {
    overlay_.base = request.base;
    overlay_.base_blocks = request.base_blocks;
    overlay_.twin_blocks = request.twin_blocks;
    overlay_.sources.resize(base_.tensors().size());
  }

  Result<Overlay> run() {
    if (request_.base_blocks.count != request_.twin_blocks.count &&
        total(request_.base_blocks) != total(request_.twin_blocks)) {
      return fail(ErrorCode::input, Place{twin_.path(), {}},
                  "the number of layers at " + printable(request_.twin_blocks.path),
                  std::to_string(request_.twin_blocks.count),
                  std::to_string(request_.base_blocks.count) + ", as the base has at " +
                      printable(request_.base_blocks.path));
    }
    for (const Fold& fold : request_.folds) take(*fold.scales);
    for (std::size_t i = 0; i < base_.tensors().size(); ++i) match(i);
    check_linears();
    for (std::size_t i = 0; i < twin_.tensors().size(); ++i) check_left_over(i);
    required_.check(base_.path(), twin_.path(), errors_);
    THAW_RETURN_IF_ERROR(errors_.take());
    add_warnings();
    return std::move(overlay_);
  }

 private:
  void take(const Tensor& tensor) {
    tensor_taken_[static_cast<std::size_t>(&tensor - twin_.tensors().data())] = 1;
  }

  // Finds what the tensor of the base is made from.
  void match(std::size_t index) {
    const Tensor& tensor = base_.tensors()[index];
    const Member member = member_of(request_.base_blocks, tensor.name);
    if (member.name.empty()) {
      ++overlay_.kept;
      return;
    }
    const std::string_view module = spec_module(*request_.spec, member.name);
    required_.note(RequiredModules::Side::base, member.number, module);
    const std::string name = name_in(request_.twin_blocks, member);
    OverlaySource& source = overlay_.sources[index];
    if (const QuantizedLinear* linear = find_linear(name)) {
      // A linear that the spec does not name is refused with the others that nobody takes.
      if (module.empty()) return;
      source.linear = linear;
      linear_taken_[static_cast<std::size_t>(linear - linears_.data())] = 1;
      check_linear(tensor, *linear);
    } else if (const Tensor* other = find_float(name)) {
      source.tensor = other;
      take(*other);
      check_float(tensor, *other);
    } else if (!may_be_one_sided(module) && member.number < total(request_.twin_blocks)) {
      errors_.add(fail(ErrorCode::input, Place{twin_.path(), name},
                       "is not in the AWQ model, neither packed nor as floats, but in the base: " +
                           std::string(dtype_name(tensor.dtype)) + " " + shape_text(tensor.shape)));
    } else {
      ++overlay_.kept;
      only_base_.add(member.name);
      return;
    }
    ++overlay_.replaced;
  }

  // Buffers that some versions write and others do not, such as rotary_emb.inv_freq: what no rule
  // names, and what the spec says that a block may lack and is no linear.
  bool may_be_one_sided(std::string_view module) const {
    const auto has = [&](const std::vector<std::string>& names) {
      return std::find(names.begin(), names.end(), module) != names.end();
    };
    return module.empty() || (has(request_.spec->optional) && !has(request_.spec->linears));
  }

  const QuantizedLinear* find_linear(std::string_view tensor) const {
    constexpr std::string_view kWeight = ".weight";
    if (!tensor.ends_with(kWeight)) return nullptr;
    const std::string_view module = tensor.substr(0, tensor.size() - kWeight.size());
    const auto found = std::lower_bound(
        linears_.begin(), linears_.end(), module,
        [](const QuantizedLinear& linear, std::string_view name) { return linear.module < name; });
    return found != linears_.end() && found->module == module ? &*found : nullptr;
  }

  // A tensor that is no part of a packed one and no scales that are folded.
  const Tensor* find_float(std::string_view name) const {
    const Tensor* tensor = twin_.find(name);
    if (tensor == nullptr) return nullptr;
    const auto index = static_cast<std::size_t>(tensor - twin_.tensors().data());
    return request_.linears->consumed[index] == 1 || tensor_taken_[index] != 0 ? nullptr : tensor;
  }

  void check_linear(const Tensor& tensor, const QuantizedLinear& linear) {
    const Place place{base_.file_of(tensor), tensor.name};
    std::vector<std::uint64_t> shape = {linear.out_features, linear.in_features};
    if (linear.rows_per_slice != 0) {
      shape = {linear.out_features / linear.rows_per_slice, linear.rows_per_slice,
               linear.in_features};
    }
    if (!std::equal(shape.begin(), shape.end(), tensor.shape.begin(), tensor.shape.end())) {
      errors_.add(fail(ErrorCode::input, place, "the shape in base and AWQ model differs",
                       shape_text(tensor.shape), shape_text(shape) + ", as packed"));
    } else if (!is_output_dtype(tensor.dtype)) {
      errors_.add(fail(ErrorCode::input, place,
                       "is dequantized to the type of the base, which thaw does not write",
                       std::string(dtype_name(tensor.dtype)), "F16, BF16 or F32"));
    }
  }

  void check_float(const Tensor& tensor, const Tensor& other) {
    const Place place{base_.file_of(tensor), tensor.name};
    if (!std::equal(tensor.shape.begin(), tensor.shape.end(), other.shape.begin(),
                    other.shape.end())) {
      errors_.add(fail(ErrorCode::input, place, "the shape in base and AWQ model differs",
                       shape_text(tensor.shape),
                       shape_text(other.shape) + ", as in the AWQ model"));
    } else if (tensor.dtype != other.dtype &&
               !(is_output_dtype(tensor.dtype) && is_output_dtype(other.dtype))) {
      errors_.add(fail(ErrorCode::input, place,
                       "the AWQ model has it as " + std::string(dtype_name(other.dtype)) +
                           ", which cannot be cast to the base's type",
                       std::string(dtype_name(tensor.dtype)),
                       "the same, or floats of 16 or 32 bits"));
    }
  }

  // Every quantized linear has to have gone somewhere.
  void check_linears() {
    for (std::size_t i = 0; i < linears_.size(); ++i) {
      if (linear_taken_[i] != 0) continue;
      const QuantizedLinear& linear = linears_[i];
      const Member member = member_of(request_.twin_blocks, linear.module);
      const std::string spec = printable(request_.spec->name);
      std::string why =
          "is quantized and lies outside of the blocks at " + printable(request_.twin_blocks.path);
      if (!member.name.empty()) {
        // spec_module() wants a tensor's name.
        const std::string weight = std::string(member.name) + ".weight";
        const bool named = !spec_module(*request_.spec, weight).empty();
        why = named ? "is quantized and the base has no such weight"
                    : "is quantized and no rule of the model spec " + spec + " names it";
      }
      errors_.add(fail(ErrorCode::input, Place{twin_.file_of(linear.codes()), linear.module}, why,
                       "Every quantized linear has to go into the base. --spec takes a file with "
                       "other rules; without --base all of the model is converted."));
    }
  }

  // What the twin has and nobody took.
  void check_left_over(std::size_t index) {
    const Tensor& tensor = twin_.tensors()[index];
    const Member member = member_of(request_.twin_blocks, tensor.name);
    const std::string_view module =
        member.name.empty() ? std::string_view() : spec_module(*request_.spec, member.name);
    if (!member.name.empty()) {
      required_.note(RequiredModules::Side::twin, member.number, module);
    }
    if (tensor_taken_[index] != 0 || request_.linears->consumed[index] == 1) return;
    if (member.name.empty()) {
      ++overlay_.ignored;
    } else if (may_be_one_sided(module) || member.number >= total(request_.base_blocks)) {
      only_twin_.add(member.name);
    } else if (is_bias_of_linear(tensor)) {
      overlay_.biases_left_out.push_back(&tensor);
    } else {
      errors_.add(fail(ErrorCode::input, Place{twin_.file_of(tensor), tensor.name},
                       "belongs to a module that the model spec " + printable(request_.spec->name) +
                           " names, but the base has no such tensor"));
    }
  }

  // GPTQ's packers wrote biases of zeros where the model had none.
  bool is_bias_of_linear(const Tensor& tensor) const {
    constexpr std::string_view kBias = ".bias";
    if (!tensor.name.ends_with(kBias) || !is_output_dtype(tensor.dtype)) return false;
    std::string weight(tensor.name.substr(0, tensor.name.size() - kBias.size()));
    return find_linear(weight.append(".weight")) != nullptr;
  }

  void add_warnings() {
    if (!only_base_.empty()) {
      overlay_.warnings.push_back("only the base has " + only_base_.text() +
                                  " of the blocks: kept as they are");
    }
    if (!only_twin_.empty()) {
      overlay_.warnings.push_back("only the AWQ model has " + only_twin_.text() +
                                  " of the blocks: left out");
    }
  }

  const OverlayRequest& request_;
  const Checkpoint& base_;
  const Checkpoint& twin_;
  const std::vector<QuantizedLinear>& linears_;
  RequiredModules required_;
  std::vector<std::uint8_t> linear_taken_;
  std::vector<std::uint8_t> tensor_taken_;
  Overlay overlay_;
  MemberCount only_base_;
  MemberCount only_twin_;
  ErrorList errors_;
};

}  // namespace

Result<Overlay> make_overlay(const OverlayRequest& request) { return Matcher(request).run(); }

}  // namespace thaw
