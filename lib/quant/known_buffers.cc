#include "quant/known_buffers.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "quant/methods.h"
#include "quant/module_tensors.h"

namespace thaw {

namespace {

// The integer buffers in the state dicts of transformers 5.24.0, and those that release 4.28.1
// registered and later ones make anew (specs/closed_world.md clause 2.3).
constexpr std::array<std::string_view, 12> kBuffers = {
    "attention_bias_idxs",       // LeViT, EfficientFormer
    "attention_mask",            //
    "attn_mask",                 //
    "causal_mask",               // CodeGen
    "latent_stats_num_updates",  // text to speech
    "mask",                      //
    "num_batches_tracked",       // every BatchNorm
    "position_ids",              // BERT, CLIP and their kin
    "relative_position_index",   // Swin, BEiT, CLAP
    "summary_idxs",              // RADIO
    "tid2eid",                   // DeepSeek-V4
    "token_type_ids",            // BERT and its kin
};

// The causal mask of GPT-2, GPT-Neo and GPT-NeoX, which was once saved as bytes.
bool is_causal_mask(const TensorName& name) {
  if (name.suffix != "bias" || name.module.empty()) return false;
  const std::string last = lower_case(name.module.substr(name.module.rfind('.') + 1));
  return last.find("attn") != std::string::npos || last.find("attention") != std::string::npos;
}

}  // namespace

bool is_known_buffer(const Tensor& tensor) {
  const std::optional<TensorName> name = split_tensor_name(tensor.name);
  if (!name.has_value()) return false;
  return std::binary_search(kBuffers.begin(), kBuffers.end(), name->suffix) ||
         (tensor.dtype == Dtype::u8 && is_causal_mask(*name));
}

}  // namespace thaw
