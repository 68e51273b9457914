// The golden linears of tests/data/golden, one model directory each.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "json/node.h"
#include "quant/model_files.h"
#include "support/places.h"

namespace thaw::test {

struct GoldenCase {
  std::string name;
  std::string layout;  // of the manifest: "awq-gemm"
  std::uint64_t in_features = 0;
  std::uint64_t out_features = 0;  // of all experts
  std::uint64_t group_size = 0;    // in_features where the manifest says -1
  std::string scale_dtype;         // "F16"
  std::string file;                // path
  std::string quantization_config;
  std::string config_key = "quantization_config";
  bool side_file = false;  // the config is of the kind that stands in quant_config.json
  std::uint32_t bits = 4;

  // The name of its kernels.
  [[nodiscard]] std::string kernel_name() const {
    if (layout == "llm-awq-v2") return "awq_gemv_fast";
    if (layout == "ct-pack") return "ct_pack";
    if (layout.starts_with("gptq-")) return "gptq";
    return "awq_" + layout.substr(layout.find('-') + 1);
  }
  void write_to(const ModelDirectory& directory) const {
    if (side_file) {
      directory.write("config.json", "{}");
      directory.write("quant_config.json", quantization_config);
    } else {
      directory.write("config.json", "{\"" + config_key + "\": " + quantization_config + "}");
    }
    directory.link("model.safetensors", file);
  }
};

inline json::Node parse_json(const std::string& file, const std::string& text) {
  Result<json::Node> node = json::parse(file, text, {});
  REQUIRE_MESSAGE(node.ok(), node.error().text());
  return std::move(node).value();
}

inline std::vector<GoldenCase> golden_cases() {
  const std::string folder = THAW_TEST_DATA "/golden/";
  const std::string text = read_text(folder + "manifest.json");
  const json::Node manifest = parse_json("manifest.json", text);
  std::vector<GoldenCase> cases;
  for (const json::Node& node : manifest.find("cases")->items) {
    const auto number = [&](const char* key) { return node.find(key)->as_integer().value(); };
    const auto string = [&](const char* key) {
      return std::string(node.find(key)->as_string().value());
    };
    const json::Node& config = *node.find("quantization_config");
    const json::Node* key = config.find("_stored_under_key");
    const json::Node* experts = node.find("experts");
    const std::int64_t slices = experts == nullptr ? 1 : experts->as_integer().value();
    const std::int64_t group = number("G");
    cases.push_back({.name = string("case"),
                     .layout = string("layout"),
                     .in_features = static_cast<std::uint64_t>(number("K")),
                     .out_features = static_cast<std::uint64_t>(number("N") * slices),
                     .group_size = static_cast<std::uint64_t>(group == -1 ? number("K") : group),
                     .scale_dtype = string("scale_dtype"),
                     .file = folder + string("file"),
                     .quantization_config = text.substr(config.begin, config.end - config.begin),
                     .config_key = key == nullptr ? "quantization_config" : key->string,
                     .side_file = config.find("quant_method") == nullptr,
                     .bits = static_cast<std::uint32_t>(number("bits"))});
  }
  REQUIRE(cases.size() == 40);
  return cases;
}

}  // namespace thaw::test
