// What the fuzzers of quantization configs and of the patterns in them run, and what a test runs
// over their corpus.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "checkpoint/checkpoint.h"
#include "fuzz/require.h"
#include "quant/config.h"
#include "quant/pattern.h"
#include "support/safetensors_file.h"
#include "support/temporary_directory.h"

namespace thaw::fuzz {

// A checkpoint without tensors, whose config.json is the input up to its first zero byte, and whose
// quantize_config.json is the rest.
inline Result<Checkpoint> open_with_configs(std::string_view text) {
  static const testing::TemporaryDirectory directory;
  static const std::string weights = directory.write("w.safetensors", testing::safetensors({}));
  const std::size_t zero = text.find('\0');
  directory.write("config.json", text.substr(0, zero));
  std::string_view second = "{}";
  if (zero != std::string_view::npos) second = text.substr(zero + 1);
  directory.write("quantize_config.json", second);
  return open_checkpoint(real_file_system(), weights);
}

inline void run_config(const std::uint8_t* data, std::size_t size) {
  const auto opened = open_with_configs({reinterpret_cast<const char*>(data), size});
  if (!opened.ok()) return check_error(opened.error());
  const Result<QuantConfig> read = read_quant_config(opened.value());
  if (!read.ok()) return check_error(read.error());
  const QuantConfig& config = read.value();
  require(is_safe_line(config.source));
  for (const std::string& warning : config.warnings) require(is_safe_line(warning));
  if (config.bits) require(config.bits == 4 || config.bits == 8);
  const auto group_is_sound = [](std::optional<std::int64_t> group) {
    return !group || *group == -1 || (*group >= 1 && *group <= kLargestGroup);
  };
  require(group_is_sound(config.group_size));
  for (const CompressedGroup& group : config.compressed) {
    require(!group.bits || group.bits == 4 || group.bits == 8);
    require(group_is_sound(group.group_size));
  }
  for (const char* module : {"", "lm_head", "model.layers.12.self_attn.q_proj",
                             "model.layers.0.mlp.experts.17.down_proj"}) {
    require(group_is_sound(config.claims_of(module).group_size));
  }
}

// The input is a pattern up to the first line's end, and a text to match behind it.
inline void run_pattern(const std::uint8_t* data, std::size_t size) {
  const std::string_view whole(reinterpret_cast<const char*>(data), size);
  const std::size_t line = whole.find('\n');
  const Result<Pattern> compiled = Pattern::compile(whole.substr(0, line));
  if (!compiled.ok()) return check_error(compiled.error());
  const Pattern& pattern = compiled.value();
  if (line == std::string_view::npos || pattern.cost(size) > 5'000'000) return;
  const std::string_view text = whole.substr(line + 1);
  const bool somewhere = pattern.matches_somewhere(text);
  if (pattern.matches_prefix(text)) require(somewhere);
  require(pattern.matches_somewhere(text) == somewhere);  // no state is left behind
}

}  // namespace thaw::fuzz
