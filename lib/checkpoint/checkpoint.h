// An open checkpoint: its shards mapped, every header checked, its config, index and side files
// known. Knows nothing of quantization. Format: specs/safetensors.md, specs/checkpoint.md.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/status.h"
#include "io/mapped_file.h"
#include "json/node.h"

namespace thaw {

// A tensor as its shard's header describes it. Every tensor lies inside its shard, its size is
// that of its shape, and no two overlap. Views point into the Checkpoint.
struct Tensor {
  std::string_view name;
  std::span<const std::uint64_t> shape;
  std::uint64_t begin = 0;  // bytes from the start of the shard file
  std::uint64_t end = 0;
  std::uint32_t shard = 0;  // index into Checkpoint::shards()
  Dtype dtype = Dtype::u8;

  [[nodiscard]] std::uint64_t size() const { return end - begin; }
};

struct Shard {
  std::string name;  // file name within the model directory
  MappedFile file;
  std::uint64_t header_hash = 0;  // of the header's bytes
};

// A file that travels with the weights: tokenizer, templates, code.
struct SideFile {
  std::string name;  // path below the model directory, with '/'
  std::string path;
  std::uint64_t size = 0;
};

// Immutable once open; may be shared by threads. Moving it keeps all views valid.
class Checkpoint {
 public:
  // As the user named it; for messages.
  [[nodiscard]] const std::string& path() const;
  // Where the files are: the directory, that of a bare file, or the snapshot in the cache.
  [[nodiscard]] const std::string& directory() const;
  [[nodiscard]] std::span<const Shard> shards() const;
  // Sorted by name, bytewise.
  [[nodiscard]] std::span<const Tensor> tensors() const;
  [[nodiscard]] const Tensor* find(std::string_view name) const;
  [[nodiscard]] std::span<const std::byte> bytes(const Tensor& tensor) const;
  // The shard's path, for messages about a tensor.
  [[nodiscard]] const std::string& file_of(const Tensor& tensor) const;

  // __metadata__ of all shards together, sorted by key; the first shard's value wins.
  [[nodiscard]] std::span<const std::pair<std::string, std::string>> metadata() const;
  // config.json as it is on disk, empty when there is none, and parsed (null kind when none).
  [[nodiscard]] const std::string& config_text() const;
  [[nodiscard]] const json::Node& config() const;
  // model_type of config.json; empty where it has none, or no text there.
  [[nodiscard]] std::string_view model_type() const;
  // quant_config.json, quantize_config.json, quantization_config.json, hf_quant_config.json, those
  // that are there.
  struct QuantizationFile {
    std::string name;
    std::string text;  // as it is on disk
    json::Node content;
  };
  [[nodiscard]] std::span<const QuantizationFile> quantization_files() const;
  // What is carried to the output beside weights, index and config.json, sorted by name. Empty
  // for a bare .safetensors file.
  [[nodiscard]] std::span<const SideFile> side_files() const;
  // Names of files in the directory that are not carried, sorted, for the report.
  [[nodiscard]] std::span<const std::string> files_not_carried() const;
  // An adapter for the model (weights and adapter_config.json), sorted by name. They are among
  // files_not_carried(): a reader opens a directory that holds such a config as an adapter.
  [[nodiscard]] std::span<const SideFile> adapter_files() const;
  // What is odd about the files: an index that belongs to others, weights that nothing names. One
  // line each, safe for a terminal. specs/checkpoint.md clause 5.
  [[nodiscard]] std::span<const std::string> warnings() const;
  // The index that names the shards; empty when there is none.
  [[nodiscard]] const std::string& index_path() const;
  // False for a bare .safetensors file.
  [[nodiscard]] bool is_directory() const;

  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

 private:
  friend class CheckpointBuilder;
  struct State;
  explicit Checkpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct OpenOptions {
  bool this_file_only = false;  // open one shard of several as if it were the model
};

// `model`: a directory, a .safetensors file, or org/name[@revision] in the local Hugging Face
// cache. Errors: ErrorCode::input (missing, damaged, unsafe), ErrorCode::io.
[[nodiscard]] Result<Checkpoint> open_checkpoint(FileSystem& file_system, const std::string& model,
                                                 OpenOptions options = {});

}  // namespace thaw
