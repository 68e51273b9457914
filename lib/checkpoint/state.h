// What an open Checkpoint holds. Internal.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "checkpoint/arena.h"
#include "checkpoint/checkpoint.h"

namespace thaw {

struct Checkpoint::State {
  std::string path;
  std::string directory;
  bool is_directory = false;
  std::string index_path;
  std::vector<Shard> shards;
  Arena arena;  // holds the names and shapes of the tensors
  std::vector<Tensor> tensors;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string config_text;
  json::Node config;
  std::vector<QuantizationFile> quantization_files;
  std::vector<SideFile> side_files;
  std::vector<std::string> files_not_carried;
  std::vector<SideFile> adapter_files;
  std::vector<std::string> warnings;
};

}  // namespace thaw
