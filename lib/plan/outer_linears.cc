#include "plan/outer_linears.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "model/embeddings.h"
#include "plan/block_member.h"

namespace thaw {

namespace {

constexpr std::size_t kMostNamed = 5;

// "visual.blocks" of "visual.blocks.0.attn.qkv": what stands before the first number. Empty where
// there is none.
std::string_view stack_of(std::string_view module) {
  for (std::size_t at = 0; at < module.size();) {
    const std::size_t dot = std::min(module.find('.', at), module.size());
    const std::string_view part = module.substr(at, dot - at);
    if (!part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos) {
      return at == 0 ? part : module.substr(0, at - 1);
    }
    at = dot + 1;
  }
  return {};
}

// The words that a user would choose this module with.
std::string_view short_name(std::string_view module) {
  const std::string_view stack = stack_of(module);
  return stack.empty() ? module.substr(module.rfind('.') + 1) : stack;
}

class Sorter {
 public:
  Sorter(const OverlayRequest& request, ErrorList& errors)
      : request_(request),
        errors_(errors),
        base_ties_(ties_embeddings(request.base->config()).value_or(false)) {}

  OuterLinears run() {
    for (const QuantizedLinear& linear : request_.linears->linears) {
      if (!member_of(request_.quantized_blocks, linear.module).name.empty()) continue;
      outer_.push_back(&linear);
      sort(linear);
    }
    for (const std::string& name : request_.take) {
      if (!is_known(name)) add_unknown("--take", name);
    }
    for (const std::string& name : request_.leave) {
      if (!is_known(name) && !names_any_tensor(name)) add_unknown("--leave", name);
    }
    return std::move(result_);
  }

 private:
  static const std::string* chosen(std::span<const std::string> names, std::string_view module) {
    const auto found = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
      return names_module(name, module);
    });
    return found == names.end() ? nullptr : &*found;
  }

  void sort(const QuantizedLinear& linear) {
    const std::string* take = chosen(request_.take, linear.module);
    const std::string* leave = chosen(request_.leave, linear.module);
    if (take != nullptr && leave != nullptr) {
      add(linear, "is meant by --take " + printable(*take) + " and by --leave " + printable(*leave),
          "Name it in one of them.");
    } else if (leave != nullptr) {
      result_.left.push_back(linear.module);
    } else if (take == nullptr) {
      add_unasked(linear);
    } else if (const Tensor* base = find_place(linear)) {
      result_.taken.push_back({&linear, base});
    }
  }

  void add(const QuantizedLinear& linear, const std::string& what, const std::string& hint) {
    const Tensor& packed = *linear.qweight.tensor;
    errors_.add(fail(ErrorCode::input, Place{request_.quantized->file_of(packed), linear.module},
                     what, hint));
  }

  static std::string leave_hint(const QuantizedLinear& linear) {
    return "--leave " + printable(short_name(linear.module)) +
           " keeps the base's own; without --base all of the model is converted.";
  }

  void add_unasked(const QuantizedLinear& linear) {
    std::string hint = "Every quantized linear has to go somewhere: ";
    if (stack_of(linear.module).empty()) {
      hint += "--take " + printable(short_name(linear.module)) + " puts it into the base, ";
    }
    add(linear,
        "is quantized and lies outside of the blocks at " +
            printable(request_.quantized_blocks.path),
        hint + leave_hint(linear));
  }

  // The weight of the base that a linear is put in the place of; null with an error.
  const Tensor* find_place(const QuantizedLinear& linear) {
    if (!stack_of(linear.module).empty()) {
      add(linear,
          "cannot be taken: it is one of the layers at " + printable(stack_of(linear.module)) +
              ", which are right only together with their norms",
          leave_hint(linear));
      return nullptr;
    }
    if (base_ties_ && is_output_head(linear.module)) {
      add(linear,
          "cannot be taken: the base's config.json ties its head to its embeddings "
          "(tie_word_embeddings), so that readers of the result would ignore it",
          leave_hint(linear));
      return nullptr;
    }
    if (base_ties_ && is_token_embedding(linear.module) && has_own_head()) {
      add(linear,
          "cannot be taken: the base's config.json ties its head to its embeddings "
          "(tie_word_embeddings), but the quantized checkpoint has a head of its own, which would "
          "be lost",
          leave_hint(linear));
      return nullptr;
    }
    const std::string weight = std::string(linear.module) + ".weight";
    for (const std::string& name : spellings(*request_.spec, weight)) {
      if (const Tensor* tensor = request_.base->find(name)) return tensor;
    }
    add(linear, "cannot be taken: the base has no " + printable(weight), leave_hint(linear));
    return nullptr;
  }

  // Of the quantized checkpoint, one that its readers use.
  bool has_own_head() const {
    if (!ties_embeddings(request_.quantized->config()).value_or(true)) return true;
    return std::any_of(request_.linears->linears.begin(), request_.linears->linears.end(),
                       [](const QuantizedLinear& linear) { return is_output_head(linear.module); });
  }

  bool is_known(std::string_view name) const {
    return std::any_of(outer_.begin(), outer_.end(), [&](const QuantizedLinear* linear) {
      return names_module(name, linear->module);
    });
  }

  // What is not quantized stays the base's: to say so is no mistake.
  bool names_any_tensor(std::string_view name) const {
    for (const Checkpoint* side : {request_.base, request_.quantized}) {
      const Blocks& blocks =
          side == request_.base ? request_.base_blocks : request_.quantized_blocks;
      for (const Tensor& tensor : side->tensors()) {
        const std::string_view module =
            tensor.name.substr(0, std::min(tensor.name.rfind('.'), tensor.name.size()));
        if (names_module(name, module) && member_of(blocks, tensor.name).name.empty()) return true;
      }
    }
    return false;
  }

  void add_unknown(const std::string& option, const std::string& name) {
    std::string there;
    for (std::size_t i = 0; i < outer_.size() && i < kMostNamed; ++i) {
      there += (i == 0 ? "" : ", ") + printable(outer_[i]->module);
    }
    if (outer_.size() > kMostNamed) there += ", ...";
    errors_.add(fail(ErrorCode::input, Place{request_.quantized->path(), {}},
                     option + " " + printable(name) +
                         " names no quantized module outside of the blocks: there " +
                         (outer_.empty() ? "is none" : "are " + there)));
  }

  const OverlayRequest& request_;
  ErrorList& errors_;
  bool base_ties_;
  std::vector<const QuantizedLinear*> outer_;
  OuterLinears result_;
};

}  // namespace

OuterLinears sort_outer_linears(const OverlayRequest& request, ErrorList& errors) {
  return Sorter(request, errors).run();
}

bool names_module(std::string_view name, std::string_view module) {
  for (std::size_t at = module.find(name); at != std::string_view::npos;
       at = module.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    const bool begins = at == 0 || module[at - 1] == '.';
    if (begins && (end == module.size() || module[end] == '.')) return true;
  }
  return false;
}

}  // namespace thaw
