// Small model directories for tests, written below the temporary directory and removed again.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "io/file_system.h"

namespace thaw::test {

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A tensor of zeros, which is enough where only names, types and shapes matter, or of `content`.
struct ZeroTensor {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::string content = {};
};

inline std::uint64_t element_size(std::string_view dtype) {
  if (dtype == "I64" || dtype == "F64") return 8;
  if (dtype == "I32" || dtype == "U32" || dtype == "F32") return 4;
  if (dtype == "I16" || dtype == "F16" || dtype == "BF16") return 2;
  return 1;
}

inline std::string safetensors_of(const std::vector<ZeroTensor>& tensors) {
  std::string header = "{";
  std::string data;
  std::uint64_t at = 0;
  for (const ZeroTensor& tensor : tensors) {
    const std::uint64_t elements = std::accumulate(tensor.shape.begin(), tensor.shape.end(),
                                                   std::uint64_t{1}, std::multiplies<>());
    const std::uint64_t end = at + elements * element_size(tensor.dtype);
    header += (header.size() > 1 ? ",\"" : "\"") + tensor.name + "\":{\"dtype\":\"" + tensor.dtype +
              "\",\"shape\":" + shape_text(tensor.shape) + ",\"data_offsets\":[" +
              std::to_string(at) + "," + std::to_string(end) + "]}";
    data += tensor.content;
    data.resize(end, '\0');
    at = end;
  }
  header += "}";
  std::string bytes;
  for (std::size_t i = 0; i < 8; ++i) {
    bytes += static_cast<char>(static_cast<unsigned char>(header.size() >> (8 * i)));
  }
  return bytes + header + data;
}

class ModelDirectory {
 public:
  ModelDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "thaw-test-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ModelDirectory(const ModelDirectory&) = delete;
  ModelDirectory& operator=(const ModelDirectory&) = delete;
  ~ModelDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  void write(const std::string& name, std::string_view bytes) const {
    std::ofstream file(path_ / name, std::ios::binary);
    file << bytes;
    REQUIRE(file.good());
  }
  void link(const std::string& name, const std::filesystem::path& target) const {
    std::filesystem::create_symlink(target, path_ / name);
  }
  [[nodiscard]] std::string path() const { return path_.string(); }
  // An empty text: no config.json.
  void write_model(std::string_view config, const std::vector<ZeroTensor>& tensors) const {
    if (!config.empty()) write("config.json", config);
    write("model.safetensors", safetensors_of(tensors));
  }

  [[nodiscard]] Checkpoint open() const {
    Result<Checkpoint> checkpoint = open_checkpoint(real_file_system(), path_.string());
    REQUIRE_MESSAGE(checkpoint.ok(), checkpoint.error().text());
    return std::move(checkpoint).value();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace thaw::test
