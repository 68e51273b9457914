#include "config.h"

#include <sstream>

namespace thaw::tools {

namespace {

// The members of quantization_config, as the quantizers of each layout write them.
std::string quantization_members(const PackOptions& options) {
  const auto text = [](bool value) { return value ? "true" : "false"; };
  std::ostringstream out;
  if (is_awq(options)) {
    const bool zero_point = options.layout != "marlin" && !options.symmetric;
    out << "    \"bits\": 4,\n"
        << "    \"group_size\": " << options.group_size << ",\n"
        << "    \"modules_to_not_convert\": null,\n"
        << "    \"quant_method\": \"awq\",\n"
        << "    \"version\": \"" << options.layout << "\",\n"
        << "    \"zero_point\": " << text(zero_point) << "\n";
  } else if (options.layout == "ct") {
    const bool channel = options.group_size < 0;
    out << "    \"config_groups\": {\n      \"group_0\": {\n"
        << "        \"targets\": [\"Linear\"],\n        \"weights\": {\n"
        << "          \"actorder\": " << (options.act_order ? "\"group\"" : "null") << ",\n"
        << "          \"group_size\": " << (channel ? "null" : std::to_string(options.group_size))
        << ",\n"
        << "          \"num_bits\": " << options.bits << ",\n"
        << "          \"strategy\": \"" << (channel ? "channel" : "group") << "\",\n"
        << "          \"symmetric\": " << text(options.symmetric) << ",\n"
        << "          \"type\": \"int\"\n        }\n      }\n    },\n"
        << "    \"format\": \"pack-quantized\",\n"
        << "    \"ignore\": [\"lm_head\"],\n"
        << "    \"quant_method\": \"compressed-tensors\"\n";
  } else {
    out << "    \"bits\": " << options.bits << ",\n"
        << "    \"checkpoint_format\": \"" << options.layout << "\",\n"
        << "    \"desc_act\": " << text(options.act_order) << ",\n"
        << "    \"group_size\": " << options.group_size << ",\n"
        << "    \"lm_head\": false,\n"
        << "    \"quant_method\": \"gptq\",\n"
        << "    \"sym\": " << text(options.symmetric) << "\n";
  }
  return out.str();
}

// The members that only models of experts have; two spellings, by family.
std::string expert_members(const ModelShape& model) {
  std::ostringstream out;
  out << "  \"moe_intermediate_size\": " << model.intermediate << ",\n";
  if (model.latent) {
    out << "  \"first_k_dense_replace\": " << model.dense_layers << ",\n"
        << "  \"n_group\": 1,\n"
        << "  \"n_routed_experts\": " << model.experts << ",\n"
        << "  \"n_shared_experts\": " << model.shared_experts << ",\n"
        << "  \"num_nextn_predict_layers\": 0,\n"
        << "  \"scoring_func\": \"sigmoid\",\n"
        << "  \"topk_group\": 1,\n"
        << "  \"topk_method\": \"noaux_tc\",\n";
  } else {
    out << "  \"num_experts\": " << model.experts << ",\n";
  }
  out << "  \"num_experts_per_tok\": 8,\n";
  return out.str();
}

// The sizes of the attention's heads.
std::string head_members(const ModelShape& model) {
  std::ostringstream out;
  if (!model.latent) {
    out << "  \"head_dim\": " << model.head_size << ",\n";
    return out.str();
  }
  out << "  \"kv_lora_rank\": " << model.latent->key_value_rank << ",\n"
      << "  \"q_lora_rank\": " << model.latent->query_rank << ",\n"
      << "  \"qk_nope_head_dim\": " << model.latent->plain_head << ",\n"
      << "  \"qk_rope_head_dim\": " << model.latent->rotary_head << ",\n"
      << "  \"v_head_dim\": " << model.latent->value_head << ",\n";
  return out.str();
}

}  // namespace

std::string config_json(const ModelShape& model, const PackOptions& options) {
  std::ostringstream out;
  out << "{\n  \"architectures\": [\n    \"" << model.architecture << "\"\n  ],\n"
      << head_members(model) << "  \"hidden_act\": \"silu\",\n"
      << "  \"hidden_size\": " << model.hidden << ",\n"
      << "  \"intermediate_size\": "
      << (model.dense_layers > 0 ? model.dense_intermediate : model.intermediate) << ",\n"
      << "  \"max_position_embeddings\": 8192,\n"
      << "  \"model_type\": \"" << model.model_type << "\",\n";
  if (model.experts > 0) out << expert_members(model);
  out << "  \"num_attention_heads\": " << model.heads << ",\n"
      << "  \"num_hidden_layers\": " << model.layers << ",\n"
      << "  \"num_key_value_heads\": " << model.key_heads << ",\n"
      << "  \"quantization_config\": {\n"
      << quantization_members(options) << "  },\n"
      << "  \"rms_norm_eps\": 1e-06,\n"
      << "  \"tie_word_embeddings\": false,\n"
      << "  \"torch_dtype\": \"" << (options.scale_dtype == "BF16" ? "bfloat16" : "float16")
      << "\",\n"
      << "  \"vocab_size\": " << model.vocabulary << "\n}\n";
  return out.str();
}

}  // namespace thaw::tools
