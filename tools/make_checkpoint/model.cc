#include "model.h"

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

  void mlp(const std::string& name, std::uint64_t intermediate) {
    linear(name + ".gate_proj", model_.hidden, intermediate);
    linear(name + ".up_proj", model_.hidden, intermediate);
    linear(name + ".down_proj", intermediate, model_.hidden);
  }
  void attention() {
    const std::uint64_t query = model_.heads * model_.head_size;
    const std::uint64_t key = model_.key_heads * model_.head_size;
    linear("self_attn.q_proj", model_.hidden, query, model_.attention_bias);
    linear("self_attn.k_proj", model_.hidden, key, model_.attention_bias);
    linear("self_attn.v_proj", model_.hidden, key, model_.attention_bias);
    linear("self_attn.o_proj", query, model_.hidden);
  }
  void latent_attention(const LatentAttention& latent) {
    const std::uint64_t query = model_.heads * (latent.plain_head + latent.rotary_head);
    const std::uint64_t key_value = model_.heads * (latent.plain_head + latent.value_head);
    linear("self_attn.q_a_proj", model_.hidden, latent.query_rank);
    number("self_attn.q_a_layernorm.weight", {latent.query_rank}, Content::norm);
    linear("self_attn.q_b_proj", latent.query_rank, query);
    linear("self_attn.kv_a_proj_with_mqa", model_.hidden,
           latent.key_value_rank + latent.rotary_head);
    number("self_attn.kv_a_layernorm.weight", {latent.key_value_rank}, Content::norm);
    linear("self_attn.kv_b_proj", latent.key_value_rank, key_value);
    linear("self_attn.o_proj", model_.heads * latent.value_head, model_.hidden);
  }
  void experts() {
    number("mlp.gate.weight", {model_.experts, model_.hidden}, Content::weights);
    for (std::uint64_t i = 0; i < model_.experts; ++i) {
      mlp("mlp.experts." + std::to_string(i), model_.intermediate);
    }
    if (!model_.latent) return;  // the rest is DeepSeek's, as its attention is
    mlp("mlp.shared_experts", model_.shared_experts * model_.intermediate);
    tensors_.push_back(
        router_bias(options_, prefix_ + "mlp.gate.e_score_correction_bias", model_.experts));
  }
  std::vector<TensorSpec> take() && { return std::move(tensors_); }

 private:
  const ModelShape& model_;
  const PackOptions& options_;
  std::string prefix_;
  std::vector<TensorSpec> tensors_;
};

// 1.03 trillion parameters, nearly all in 60 layers of 384 experts: 69 608 linears.
ModelShape kimi_k2() {
  return {.name = "kimi-k2-1t",
          .model_type = "kimi_k2",
          .architecture = "DeepseekV3ForCausalLM",
          .hidden = 7168,
          .intermediate = 2048,
          .layers = 61,
          .heads = 64,
          .key_heads = 64,
          .vocabulary = 163840,
          .experts = 384,
          .latent = LatentAttention{.query_rank = 1536,
                                    .key_value_rank = 512,
                                    .plain_head = 128,
                                    .rotary_head = 64,
                                    .value_head = 128},
          .dense_layers = 1,
          .dense_intermediate = 18432,
          .shared_experts = 1};
}

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
      kimi_k2(),
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
  if (model.latent) {
    made.latent_attention(*model.latent);
  } else {
    made.attention();
    if (model.experts > 0) {
      made.number("self_attn.q_norm.weight", {model.head_size}, Content::norm);
      made.number("self_attn.k_norm.weight", {model.head_size}, Content::norm);
    }
  }
  if (model.experts == 0) {
    made.mlp("mlp", model.intermediate);
  } else if (layer < model.dense_layers) {
    made.mlp("mlp", model.dense_intermediate);
  } else {
    made.experts();
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

}  // namespace thaw::tools
