#include "checkpoint/names.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace thaw {

namespace {

constexpr std::array<std::string_view, 11> kWeightEndings = {
    ".safetensors", ".bin",  ".pt",   ".pth",       ".gguf", ".h5",
    ".msgpack",     ".onnx", ".ckpt", ".onnx_data", ".ot"};
constexpr std::array<std::string_view, 4> kQuantizationNames = {
    "quant_config.json", "quantize_config.json", "quantization_config.json",
    "hf_quant_config.json"};
// Checksums of the input's files say nothing of the output's.
constexpr std::array<std::string_view, 4> kOtherLeftBehind = {"quant_log.csv", "recipe.yaml",
                                                              "thaw-state.json", "SHA256SUMS"};

bool ends_with(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

}  // namespace

std::string join_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

std::optional<std::string_view> name_flaw(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name == "." || name == "..") return "is a directory's";
  // With an ending of ours while it is written, at most the 255 that file systems take.
  if (name.size() > 240) return "is longer than 240 bytes";
  if (name.find('/') != std::string_view::npos) return "leads out of the directory";
  if (name.find('\\') != std::string_view::npos) return "holds a backslash";
  // What printable() would have to escape, in two pieces because it shortens what is long.
  std::size_t cut = name.size() / 2;
  while (cut > 0 && (static_cast<unsigned char>(name[cut]) & 0xc0u) == 0x80) --cut;
  for (const std::string_view piece : {name.substr(0, cut), name.substr(cut)}) {
    if (printable(piece) != piece) {
      return "holds a control character or bytes that are not UTF-8";
    }
  }
  return std::nullopt;
}

bool is_weight_name(std::string_view name) {
  constexpr std::string_view kIndexEnding = ".index.json";
  std::string lower(name);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (ends_with(lower, kIndexEnding)) lower.resize(lower.size() - kIndexEnding.size());
  return std::any_of(kWeightEndings.begin(), kWeightEndings.end(),
                     [&](std::string_view ending) { return ends_with(lower, ending); });
}

std::span<const std::string_view> quantization_names() { return kQuantizationNames; }

bool is_left_behind(std::string_view name) {
  const auto is_name = [&](std::string_view other) { return name == other; };
  return std::any_of(kQuantizationNames.begin(), kQuantizationNames.end(), is_name) ||
         std::any_of(kOtherLeftBehind.begin(), kOtherLeftBehind.end(), is_name);
}

}  // namespace thaw
