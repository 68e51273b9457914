#include "model.h"

#include <sstream>
#include <utility>

namespace thaw::tools {

namespace {

class Layer {
 public:
  Layer(const ModelShape& model, const PackOptions& options, std::uint64_t index)
      : model_(model), options_(options), prefix_("model.layers." + std::to_string(index) + ".") {}

  void linear(const std::string& name, std::uint64_t in, std::uint64_t out, bool bias = false) {
    for (TensorSpec& tensor : pack_linear(options_, prefix_ + name, in, out)) {
      tensors_.push_back(std::move(tensor));
    }
    if (bias) number(name + ".bias", {out}, Content::weights);
  }
  void number(const std::string& name, std::vector<std::uint64_t> shape, Content content) {
    tensors_.push_back(float_tensor(options_, prefix_ + name, std::move(shape), content));
  }

  void mlp(const std::string& name) {
    linear(name + ".gate_proj", model_.hidden, model_.intermediate);
    linear(name + ".up_proj", model_.hidden, model_.intermediate);
    linear(name + ".down_proj", model_.intermediate, model_.hidden);
  }
  void attention() {
    const std::uint64_t query = model_.heads * model_.head_size;
    const std::uint64_t key = model_.key_heads * model_.head_size;
    linear("self_attn.q_proj", model_.hidden, query, model_.attention_bias);
    linear("self_attn.k_proj", model_.hidden, key, model_.attention_bias);
    linear("self_attn.v_proj", model_.hidden, key, model_.attention_bias);
    linear("self_attn.o_proj", query, model_.hidden);
  }
  std::vector<TensorSpec> take() && { return std::move(tensors_); }

 private:
  const ModelShape& model_;
  const PackOptions& options_;
  std::string prefix_;
  std::vector<TensorSpec> tensors_;
};

}  // namespace

const std::vector<ModelShape>& model_shapes() {
  static const std::vector<ModelShape> shapes = {
      // hidden, intermediate, layers, heads, key_heads, head_size, vocabulary, experts, bias
      {"llama-3-8b", "llama", "LlamaForCausalLM", 4096, 14336, 32, 32, 8, 128, 128256, 0, false},
      {"llama-3-70b", "llama", "LlamaForCausalLM", 8192, 28672, 80, 64, 8, 128, 128256, 0, false},
      {"qwen2.5-72b", "qwen2", "Qwen2ForCausalLM", 8192, 29568, 80, 64, 8, 128, 152064, 0, true},
      // 60 layers of 332 experts: 60 000 linears, the small ones in a tenth of the bytes.
      {"moe-60k", "qwen3_moe", "Qwen3MoeForCausalLM", 2048, 768, 60, 32, 4, 128, 151936, 332,
       false},
      {"moe-60k-small", "qwen3_moe", "Qwen3MoeForCausalLM", 256, 128, 60, 4, 2, 64, 1024, 332,
       false},
      {"tiny", "qwen2", "Qwen2ForCausalLM", 256, 512, 2, 4, 2, 64, 1024, 0, true},
  };
  return shapes;
}

std::optional<ModelShape> find_shape(const std::string& name) {
  for (const ModelShape& shape : model_shapes()) {
    if (shape.name == name) return shape;
  }
  return std::nullopt;
}

std::vector<TensorSpec> first_tensors(const ModelShape& model, const PackOptions& options) {
  return {float_tensor(options, "model.embed_tokens.weight", {model.vocabulary, model.hidden},
                       Content::weights)};
}

std::vector<TensorSpec> layer_tensors(const ModelShape& model, const PackOptions& options,
                                      std::uint64_t layer) {
  Layer made(model, options, layer);
  made.attention();
  if (model.experts == 0) {
    made.mlp("mlp");
  } else {
    made.number("mlp.gate.weight", {model.experts, model.hidden}, Content::weights);
    made.number("self_attn.q_norm.weight", {model.head_size}, Content::norm);
    made.number("self_attn.k_norm.weight", {model.head_size}, Content::norm);
    for (std::uint64_t i = 0; i < model.experts; ++i) made.mlp("mlp.experts." + std::to_string(i));
  }
  made.number("input_layernorm.weight", {model.hidden}, Content::norm);
  made.number("post_attention_layernorm.weight", {model.hidden}, Content::norm);
  return std::move(made).take();
}

std::vector<TensorSpec> last_tensors(const ModelShape& model, const PackOptions& options) {
  return {
      float_tensor(options, "model.norm.weight", {model.hidden}, Content::norm),
      float_tensor(options, "lm_head.weight", {model.vocabulary, model.hidden}, Content::weights)};
}

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

}  // namespace

std::string config_json(const ModelShape& model, const PackOptions& options) {
  std::ostringstream out;
  out << "{\n  \"architectures\": [\n    \"" << model.architecture << "\"\n  ],\n"
      << "  \"head_dim\": " << model.head_size << ",\n"
      << "  \"hidden_act\": \"silu\",\n"
      << "  \"hidden_size\": " << model.hidden << ",\n"
      << "  \"intermediate_size\": " << model.intermediate << ",\n"
      << "  \"max_position_embeddings\": 8192,\n"
      << "  \"model_type\": \"" << model.model_type << "\",\n";
  if (model.experts > 0) {
    out << "  \"moe_intermediate_size\": " << model.intermediate << ",\n"
        << "  \"num_experts\": " << model.experts << ",\n"
        << "  \"num_experts_per_tok\": 8,\n";
  }
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
