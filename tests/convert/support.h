// Models of tests/data, converted; and changing single bytes of what came out.
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "convert/convert.h"
#include "support/places.h"
#include "support/temporary_directory.h"

namespace thaw::test {

class Silent final : public Observer {
 public:
  void on_progress(const Progress&) override {}
};

inline std::string model_path(const std::string& name) {
  return std::string(THAW_TEST_DATA) + "/" + name + "/model";
}

inline ConvertOptions options_for(const std::string& model, const std::string& out) {
  ConvertOptions options;
  options.model = model;
  options.out = out;
  options.allow_overflow = true;
  options.model_specs = THAW_MODEL_SPECS;
  return options;
}

inline ConvertReport must_convert(const ConvertOptions& options) {
  Silent observer;
  StopFlag stop;
  Result<ConvertReport> report = convert(options, observer, stop, real_file_system());
  REQUIRE_MESSAGE(report.ok(), (report.ok() ? "" : report.error().text()));
  return std::move(report).value();
}

inline void flip_bit(const std::string& path, std::uint64_t offset, int bit = 0) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(offset));
  const int byte = file.get();
  REQUIRE(byte != EOF);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(byte ^ (1 << bit)));
}

inline const char* const kFixtures[] = {"qwen2-awq-gemm",
                                        "qwen2-awq-gemv",
                                        "qwen2-awq-gemv_fast",
                                        "qwen2-awq-marlin",
                                        "starcoder2-awq-act_scales",
                                        "qwen3-ct-awq-asym",
                                        "qwen3moe-ct-w4a16-sym",
                                        "llama-ct-w8a16-channel",
                                        "llama-gptq-v1-desc_act",
                                        "llama-gptqmodel-awq",
                                        "llama-autoround-gptq",
                                        "llama-autoround-mixed"};

}  // namespace thaw::test
