#include "prepare/own_adapters.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "model/blocks.h"
#include "quant/linears.h"

namespace thaw {

namespace {

bool names_part(const ModelSpec& spec, std::string_view tensor) {
  const BlockMember member = find_block(spec, tensor);
  return !member.block.empty() && !spec_module(spec, member.member).empty();
}

}  // namespace

OwnAdapters own_adapters(const ModelSpec* spec) {
  if (spec == nullptr) return {};
  return [spec](std::string_view tensor) { return names_part(*spec, tensor); };
}

Result<OwnAdapters> find_own_adapters(const Checkpoint& checkpoint, const ModelSpec* spec,
                                      const ConvertOptions& options, FileSystem& file_system) {
  if (spec != nullptr) return own_adapters(spec);
  const bool any = std::any_of(checkpoint.tensors().begin(), checkpoint.tensors().end(),
                               [](const Tensor& tensor) { return names_adapter(tensor.name); });
  if (!any || options.model_specs.empty()) return OwnAdapters();
  THAW_ASSIGN_OR_RETURN(const std::vector<ModelSpec> specs,
                        load_model_specs(file_system, options.model_specs));
  const ModelSpec* found = find_model_spec(specs, checkpoint.model_type());
  if (found == nullptr) return OwnAdapters();
  const auto own = std::make_shared<const ModelSpec>(*found);
  return OwnAdapters([own](std::string_view tensor) { return names_part(*own, tensor); });
}

}  // namespace thaw
