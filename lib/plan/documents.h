// The JSON files of the output: index and config.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "json/node.h"
#include "plan/plan.h"
#include "plan/shards.h"

namespace thaw {

// model.safetensors.index.json, laid out as transformers writes it: names sorted bytewise.
[[nodiscard]] std::string index_document(std::span<const PlannedTensor> tensors,
                                         std::span<const PlannedShard> shards);

// config.json with every byte kept except: quantization_config and compression_config removed at
// every level; a dtype or torch_dtype that is float16 or bfloat16 becomes `dtype`, at every level.
[[nodiscard]] std::string edited_config(std::string_view text, const json::Node& config,
                                        Dtype dtype);

}  // namespace thaw
