// GPTQ, told from AWQ by its tensors and refused by name. Format: specs/awq.md clause 8.2.
#include "quant/layouts.h"

namespace thaw {

namespace {

constexpr PackLayout kLayout = {.name = "gptq", .title = "GPTQ"};

bool recognises(const ModuleTensors& tensors) { return tensors.g_idx != nullptr; }

// Files of old tools have no g_idx; then only the scales, one a qweight column, tell.
bool recognises_without_index(const ModuleTensors& tensors) {
  return tensors.qweight->dtype == Dtype::i32 &&
         tensors.scales->shape[1] == tensors.qweight->shape[1];
}

}  // namespace

constinit const LayoutReader kGptqReader = {&kLayout, recognises, nullptr};
constinit const LayoutReader kGptqWithoutIndexReader = {&kLayout, recognises_without_index,
                                                        nullptr};

}  // namespace thaw
