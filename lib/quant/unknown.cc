#include "quant/unknown.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/text.h"
#include "quant/module_tensors.h"

namespace thaw {

namespace {
constexpr std::uint64_t kMostListed = 20;
}

// Calls function(index) for every tensor of the module, in the order of the names.
template <typename Function>
void UnknownModules::for_each_of(std::string_view module, const Function& function) const {
  const std::span<const Tensor> tensors = checkpoint_.tensors();
  if (module.empty()) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].name.find('.') == std::string_view::npos) function(i);
    }
    return;
  }
  // bitsandbytes hangs its tensors below the weight: <module> is itself a tensor there.
  if (const Tensor* tensor = checkpoint_.find(module)) {
    function(static_cast<std::size_t>(tensor - tensors.data()));
  }
  const std::string prefix = std::string(module) + ".";
  auto tensor =
      std::lower_bound(tensors.begin(), tensors.end(), prefix,
                       [](const Tensor& one, const std::string& name) { return one.name < name; });
  for (; tensor != tensors.end() && tensor->name.starts_with(prefix); ++tensor) {
    if (split_tensor_name(tensor->name)->module == module) {
      function(static_cast<std::size_t>(tensor - tensors.begin()));
    }
  }
}

void UnknownModules::note(std::string_view module) {
  for_each_of(module, [&](std::size_t index) { mark(index); });
}

void UnknownModules::note_instead_of_linear(std::string_view module) {
  for_each_of(module, [&](std::size_t index) {
    if (marks_[index] == 1) marks_[index] = 0;
  });
  note(module);
}

void UnknownModules::mark(std::size_t index) {
  std::uint8_t& mark = marks_[index];
  if (mark != 0) return;
  mark = 2;
  if (++count_ > kMostListed) return;
  if (count_ > 1) names_ += ", ";
  names_ += printable(checkpoint_.tensors()[index].name);
}

void UnknownModules::warn(std::vector<std::string>& warnings) const {
  if (count_ == 0) return;
  std::string text = std::to_string(count_) + (count_ == 1 ? " tensor is" : " tensors are") +
                     " copied unchanged, packed in a way that thaw does not read: " + names_;
  if (count_ > kMostListed) text += " and " + std::to_string(count_ - kMostListed) + " more";
  warnings.push_back(std::move(text));
}

}  // namespace thaw
