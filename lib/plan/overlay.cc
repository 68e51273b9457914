#include "plan/overlay.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "plan/block_member.h"
#include "plan/outer_linears.h"
#include "plan/overlay_experts.h"
#include "plan/required_modules.h"

namespace thaw {

namespace {

constexpr std::size_t kMostNamed = 5;
constexpr std::string_view kWeight = ".weight";

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
        quantized_(*request.quantized),
        linears_(request.linears->linears),
        required_(*request.spec, request.base_blocks.count),
        linear_taken_(linears_.size()),
        tensor_taken_(quantized_.tensors().size()) {
    overlay_.base = request.base;
    overlay_.base_blocks = request.base_blocks;
    overlay_.quantized_blocks = request.quantized_blocks;
    overlay_.sources.resize(base_.tensors().size());
  }

  Result<Overlay> run() {
    if (request_.base_blocks.count != request_.quantized_blocks.count &&
        total(request_.base_blocks) != total(request_.quantized_blocks)) {
      return fail(ErrorCode::input, Place{quantized_.path(), {}},
                  "the number of layers at " + printable(request_.quantized_blocks.path),
                  std::to_string(request_.quantized_blocks.count),
                  std::to_string(request_.base_blocks.count) + ", as the base has at " +
                      printable(request_.base_blocks.path));
    }
    for (const Fold& fold : request_.folds) take(*fold.scales);
    match_outer_linears();
    Result<std::vector<ExpertTensor>> experts = experts_like_base(request_);
    if (!experts.ok()) {
      errors_.add(std::move(experts).take_status());
    } else {
      overlay_.experts = std::move(experts).value();
    }
    for (std::size_t i = 0; i < overlay_.experts.size(); ++i) {
      experts_.emplace(overlay_.experts[i].name, static_cast<std::uint32_t>(i));
    }
    for (std::size_t i = 0; i < base_.tensors().size(); ++i) match(i);
    check_linears();
    for (std::size_t i = 0; i < quantized_.tensors().size(); ++i) check_left_over(i);
    required_.check(base_.path(), quantized_.path(), errors_);
    if (!errors_.empty()) {
      for (const PaddedModule& module : overlay_.padded) {
        errors_.add(refuse_padded(module, base_, quantized_, {}));
      }
    }
    THAW_RETURN_IF_ERROR(errors_.take());
    add_warnings();
    return std::move(overlay_);
  }

 private:
  void take(const Tensor& tensor) {
    tensor_taken_[static_cast<std::size_t>(&tensor - quantized_.tensors().data())] = 1;
  }

  // Finds what the tensor of the base is made from.
  void match(std::size_t index) {
    const Tensor& tensor = base_.tensors()[index];
    const Member member = member_of(request_.base_blocks, tensor.name);
    if (member.name.empty()) {
      ++(overlay_.sources[index].replaced() ? overlay_.replaced : overlay_.kept);
      return;
    }
    const std::string_view module = spec_module(*request_.spec, member.name);
    required_.note(RequiredModules::Side::base, member.number, module);
    const std::string name = name_in(request_.quantized_blocks, member);
    OverlaySource& source = overlay_.sources[index];
    if (const auto found = experts_.find(name); found != experts_.end()) {
      source.experts = found->second;
      match_experts(tensor, overlay_.experts[found->second], member.number);
    } else if (const QuantizedLinear* linear = find_linear(name)) {
      // A linear that the spec does not name is refused with the others that nobody takes.
      if (module.empty()) return;
      source.linear = linear;
      linear_taken_[static_cast<std::size_t>(linear - linears_.data())] = 1;
      check_linear(tensor, member.name, *linear);
    } else if (const Tensor* other = find_float(name)) {
      source.tensor = other;
      take(*other);
      check_float(tensor, member.name, *other);
    } else if (!may_be_one_sided(tensor, module) &&
               member.number < total(request_.quantized_blocks)) {
      errors_.add(fail(
          ErrorCode::input, Place{quantized_.path(), name},
          "is not in the quantized checkpoint, neither packed nor as floats, but in the base: " +
              std::string(dtype_name(tensor.dtype)) + " " + shape_text(tensor.shape)));
    } else {
      ++overlay_.kept;
      only_base_.add(member.name);
      return;
    }
    ++overlay_.replaced;
  }

  // Buffers that some versions write and others do not, such as rotary_emb.inv_freq, of what no
  // rule names, or what the spec says that a block may lack and is no linear. A parameter that one
  // side lacks would leave half of a block, whatever a spec says of its module.
  bool may_be_one_sided(const Tensor& tensor, std::string_view module) const {
    if (!is_block_buffer(tensor)) return false;
    const auto has = [&](const std::vector<std::string>& names) {
      return std::find(names.begin(), names.end(), module) != names.end();
    };
    return module.empty() || (has(request_.spec->optional) && !has(request_.spec->linears));
  }

  // A weight of a module, or the parameter of all experts that was packed by its own name.
  const QuantizedLinear* find_linear(std::string_view tensor) const {
    const bool weight = tensor.ends_with(kWeight);
    const std::string_view module =
        weight ? tensor.substr(0, tensor.size() - kWeight.size()) : tensor;
    const auto found = std::lower_bound(
        linears_.begin(), linears_.end(), module,
        [](const QuantizedLinear& linear, std::string_view name) { return linear.module < name; });
    const bool same = found != linears_.end() && found->module == module;
    return same && found->is_parameter != weight ? &*found : nullptr;
  }

  // A tensor that is no part of a packed one and no scales that are folded.
  const Tensor* find_float(std::string_view name) const {
    const Tensor* tensor = quantized_.find(name);
    if (tensor == nullptr) return nullptr;
    const auto index = static_cast<std::size_t>(tensor - quantized_.tensors().data());
    return request_.linears->consumed[index] == 1 || tensor_taken_[index] != 0 ? nullptr : tensor;
  }

  // Experts that are put together, or taken apart, to what the base has.
  void match_experts(const Tensor& tensor, const ExpertTensor& experts, std::uint64_t layer) {
    const Place place{base_.file_of(tensor), tensor.name};
    if (!std::equal(experts.shape.begin(), experts.shape.end(), tensor.shape.begin(),
                    tensor.shape.end())) {
      errors_.add(
          fail(ErrorCode::input, place, "the shape in base and quantized checkpoint differs",
               shape_text(tensor.shape), shape_text(experts.shape) + ", as its experts make it"));
    } else if (!is_output_dtype(tensor.dtype)) {
      errors_.add(fail(ErrorCode::input, place,
                       "is dequantized to the type of the base, which thaw does not write",
                       std::string(dtype_name(tensor.dtype)), "F16, BF16 or F32"));
    }
    for (const ExpertMatrix& matrix : experts.matrices) {
      for (const ExpertPart& part : matrix.parts) take_expert(place, part.source, layer);
    }
  }

  // The modules of a part are there on both sides, whatever they are called.
  void take_expert(const Place& place, const ExpertSource& source, std::uint64_t layer) {
    std::string name(source.name());
    if (source.linear != nullptr) {
      linear_taken_[static_cast<std::size_t>(source.linear - linears_.data())] = 1;
      name = weight_name(*source.linear);
    } else {
      take(*source.tensor);
      if (!is_output_dtype(source.tensor->dtype)) {
        errors_.add(fail(ErrorCode::input, place,
                         "the quantized checkpoint has " + printable(source.tensor->name) + " as " +
                             std::string(dtype_name(source.tensor->dtype)) +
                             ", which cannot be cast to the base's type"));
      }
    }
    const Member member = member_of(request_.quantized_blocks, name);
    const std::string_view module = spec_module(*request_.spec, member.name);
    required_.note(RequiredModules::Side::base, layer, module);
    required_.note(RequiredModules::Side::quantized, layer, module);
  }

  // `member`: its name within the block, or all of it outside of blocks.
  void check_linear(const Tensor& tensor, std::string_view member, const QuantizedLinear& linear) {
    const Place place{base_.file_of(tensor), tensor.name};
    const std::vector<std::uint64_t> shape = weight_shape(linear);
    if (is_padded(tensor.shape, shape)) {
      note_padded(overlay_.padded, member, tensor, &linear, shape);
    } else if (!std::equal(shape.begin(), shape.end(), tensor.shape.begin(), tensor.shape.end())) {
      errors_.add(fail(ErrorCode::input, place,
                       "the shape in base and quantized checkpoint differs",
                       shape_text(tensor.shape), shape_text(shape) + ", as packed"));
    } else if (!is_output_dtype(tensor.dtype)) {
      errors_.add(fail(ErrorCode::input, place,
                       "is dequantized to the type of the base, which thaw does not write",
                       std::string(dtype_name(tensor.dtype)), "F16, BF16 or F32"));
    }
  }

  void check_float(const Tensor& tensor, std::string_view member, const Tensor& other) {
    const Place place{base_.file_of(tensor), tensor.name};
    if (is_padded(tensor.shape, other.shape)) {
      note_padded(overlay_.padded, member, tensor, nullptr, other.shape);
    } else if (!std::equal(tensor.shape.begin(), tensor.shape.end(), other.shape.begin(),
                           other.shape.end())) {
      errors_.add(fail(
          ErrorCode::input, place, "the shape in base and quantized checkpoint differs",
          shape_text(tensor.shape), shape_text(other.shape) + ", as in the quantized checkpoint"));
    } else if (tensor.dtype != other.dtype &&
               !(is_output_dtype(tensor.dtype) && is_output_dtype(other.dtype))) {
      errors_.add(
          fail(ErrorCode::input, place,
               "the quantized checkpoint has it as " + std::string(dtype_name(other.dtype)) +
                   ", which cannot be cast to the base's type",
               std::string(dtype_name(tensor.dtype)), "the same, or floats of 16 or 32 bits"));
    }
  }

  // Those outside of the blocks go where the user says. A bias goes with its weight.
  void match_outer_linears() {
    OuterLinears outer = sort_outer_linears(request_, errors_);
    overlay_.taken = std::move(outer.taken);
    overlay_.left = std::move(outer.left);
    for (const TakenLinear& taken : overlay_.taken) {
      OverlaySource& source = source_of(*taken.base);
      if (source.replaced()) {
        errors_.add(fail(ErrorCode::input, Place{base_.file_of(*taken.base), taken.base->name},
                         "two modules of the quantized checkpoint would be put in its place, " +
                             printable(source.linear->module) + " and " +
                             printable(taken.linear->module)));
        continue;
      }
      source.linear = taken.linear;
      check_linear(*taken.base, taken.base->name, *taken.linear);
      match_outer_bias(taken);
    }
  }

  void match_outer_bias(const TakenLinear& taken) {
    const std::string_view weight = taken.base->name;
    const std::string_view module = weight.substr(0, weight.size() - kWeight.size());
    const Tensor* mine = base_.find(std::string(module) + ".bias");
    const Tensor* theirs = find_float(std::string(taken.linear->module) + ".bias");
    if (theirs != nullptr) take(*theirs);
    if (mine != nullptr && theirs != nullptr) {
      source_of(*mine).tensor = theirs;
      check_float(*mine, mine->name, *theirs);
    } else if (mine != nullptr) {
      errors_.add(fail(ErrorCode::input, Place{base_.file_of(*mine), mine->name},
                       "is the bias of a module that --take names, and the quantized checkpoint "
                       "has none"));
    } else if (theirs != nullptr) {
      overlay_.biases_left_out.push_back(theirs);
    }
  }

  OverlaySource& source_of(const Tensor& tensor) {
    return overlay_.sources[static_cast<std::size_t>(&tensor - base_.tensors().data())];
  }

  // Every quantized linear of a block has to have gone somewhere.
  void check_linears() {
    for (std::size_t i = 0; i < linears_.size(); ++i) {
      const QuantizedLinear& linear = linears_[i];
      const Member member = member_of(request_.quantized_blocks, linear.module);
      if (linear_taken_[i] != 0 || member.name.empty()) continue;
      // spec_module() wants a tensor's name.
      const std::string weight = std::string(member.name) + ".weight";
      const bool named = !spec_module(*request_.spec, weight).empty();
      const std::string why = named ? "is quantized and the base has no such weight"
                                    : "is quantized and no rule of the model spec " +
                                          printable(request_.spec->name) + " names it";
      errors_.add(fail(ErrorCode::input, Place{quantized_.file_of(linear.codes()), linear.module},
                       why,
                       "Every quantized linear has to go into the base. --spec takes a file with "
                       "other rules; without --base all of the model is converted."));
    }
  }

  // What the quantized checkpoint has and nobody took.
  void check_left_over(std::size_t index) {
    const Tensor& tensor = quantized_.tensors()[index];
    const Member member = member_of(request_.quantized_blocks, tensor.name);
    const std::string_view module =
        member.name.empty() ? std::string_view() : spec_module(*request_.spec, member.name);
    if (!member.name.empty()) {
      required_.note(RequiredModules::Side::quantized, member.number, module);
    }
    if (tensor_taken_[index] != 0 || request_.linears->consumed[index] == 1) return;
    if (member.name.empty()) {
      ++overlay_.ignored;
    } else if (may_be_one_sided(tensor, module) || member.number >= total(request_.base_blocks)) {
      only_quantized_.add(member.name);
    } else if (is_bias_of_linear(tensor)) {
      overlay_.biases_left_out.push_back(&tensor);
    } else {
      const std::string type =
          std::string(dtype_name(tensor.dtype)) + " " + shape_text(tensor.shape);
      errors_.add(fail(ErrorCode::input, Place{quantized_.file_of(tensor), tensor.name},
                       module.empty()
                           ? "is part of a block, but the base has no such tensor: " + type
                           : "belongs to a module that the model spec " +
                                 printable(request_.spec->name) +
                                 " names, but the base has no such tensor: " + type));
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
    if (!only_quantized_.empty()) {
      overlay_.warnings.push_back("only the quantized checkpoint has " + only_quantized_.text() +
                                  " of the blocks: left out");
    }
  }

  const OverlayRequest& request_;
  const Checkpoint& base_;
  const Checkpoint& quantized_;
  const std::vector<QuantizedLinear>& linears_;
  RequiredModules required_;
  std::vector<std::uint8_t> linear_taken_;
  std::vector<std::uint8_t> tensor_taken_;
  std::map<std::string_view, std::uint32_t> experts_;  // names to Overlay::experts
  Overlay overlay_;
  MemberCount only_base_;
  MemberCount only_quantized_;
  ErrorList errors_;
};

}  // namespace

Result<Overlay> make_overlay(const OverlayRequest& request) { return Matcher(request).run(); }

}  // namespace thaw
