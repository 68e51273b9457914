#include "checkpoint/file_role.h"

#include <algorithm>
#include <array>

#include "checkpoint/names.h"

namespace thaw {

namespace {

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

template <std::size_t count>
bool begins_with_one(std::string_view name, const std::array<std::string_view, count>& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](std::string_view beginning) { return name.starts_with(beginning); });
}

// Where a trainer keeps the model's earlier states: checkpoint-500, global_step500.
bool is_training_folder(std::string_view folder) {
  while (!folder.empty()) {
    const std::size_t slash = folder.rfind('/');
    const std::string_view last =
        slash == std::string_view::npos ? folder : folder.substr(slash + 1);
    for (const std::string_view beginning : {"checkpoint-", "global_step"}) {
      if (last.starts_with(beginning) && is_digits(last.substr(beginning.size()))) return true;
    }
    folder = slash == std::string_view::npos ? std::string_view() : folder.substr(0, slash);
  }
  return false;
}

bool is_training_state(std::string_view name) {
  constexpr std::array<std::string_view, 7> kBeginnings = {
      "optimizer",      "scheduler.", "rng_state",    "random_states_",
      "training_args.", "scaler.",    "zero_pp_rank_"};
  return begins_with_one(name, kBeginnings) ||
         name.find("_optim_states.") != std::string_view::npos ||
         name.find("_model_states.") != std::string_view::npos;
}

// model.safetensors, model-00001-of-00002.bin, model.fp16.safetensors; model.onnx is an asset of
// its own, and so is modeling.bin.
bool is_main_name(std::string_view name) {
  if (!name.starts_with("model") || name.find(".onnx") != std::string_view::npos) return false;
  const char next = name.size() > 5 ? name[5] : '\0';
  return next == '.' || next == '-' || next == '_';
}

// <anything>-00001-of-00002.<ending>
bool is_numbered(std::string_view name) {
  const std::size_t of = name.find("-of-");
  if (of == std::string_view::npos) return false;
  const std::string_view before = name.substr(0, of);
  const std::string_view after = name.substr(of + 4);
  const std::size_t dash = before.rfind('-');
  return dash != std::string_view::npos && is_digits(before.substr(dash + 1)) &&
         is_digits(after.substr(0, after.find('.')));
}

}  // namespace

std::string lowered_name(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return lower;
}

FileRole role_of(std::string_view name, std::string_view folder) {
  // Of a download that has not ended.
  constexpr std::array<std::string_view, 3> kUnfinished = {".incomplete", ".aria2", ".crdownload"};
  // The libraries' own names of the model's file: in a folder they are a module's.
  constexpr std::array<std::string_view, 7> kAtTheTop = {
      "pytorch_model", "gptq_model", "awq_model", "ggml-model",
      "tf_model",      "flax_model", "rust_model"};
  const std::string lower = lowered_name(name);
  const std::string lower_folder = lowered_name(folder);
  for (const std::string_view ending : kUnfinished) {
    if (lower.ends_with(ending)) return FileRole::other_form;
  }
  if (lower == "adapter_config.json") return FileRole::adapter;
  if (is_training_state(lower)) return FileRole::other_form;
  if (!is_weight_name(lower)) return FileRole::side_file;
  if (lower.starts_with("adapter_model") || lower.starts_with("adapters.") ||
      lower.ends_with("_adapters.safetensors")) {
    return FileRole::adapter;
  }
  const bool top = folder.empty();
  const bool other =
      lower.ends_with(".gguf") || lower.starts_with("consolidated") ||
      is_training_folder(lower_folder) ||
      (top && (is_main_name(lower) || is_numbered(lower) || begins_with_one(lower, kAtTheTop)));
  return other ? FileRole::other_form : FileRole::side_file;
}

bool names_prediction_blocks(std::string_view name) {
  const std::string lower = lowered_name(name);
  return lower.find("mtp") != std::string::npos || lower.find("nextn") != std::string::npos;
}

}  // namespace thaw
