#include "prepare/own_adapters.h"

#include <algorithm>

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

Result<OwnAdapters> find_own_adapters(const Checkpoint& checkpoint, OwnSpec& spec) {
  const bool any = std::any_of(checkpoint.tensors().begin(), checkpoint.tensors().end(),
                               [](const Tensor& tensor) { return names_adapter(tensor.name); });
  if (!any) return OwnAdapters();
  THAW_ASSIGN_OR_RETURN(const ModelSpec* const own, spec.get());
  return own_adapters(own);
}

}  // namespace thaw
