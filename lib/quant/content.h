// The bytes of a small tensor, for the few decisions that its shape leaves open. Internal to
// lib/quant.
#pragma once

#include <cstddef>
#include <span>

#include "checkpoint/checkpoint.h"

namespace thaw {

// Reads the tensor, calls function(bytes) and lets the pages go again: checking every module of a
// large model must not keep them all.
template <typename Function>
Status with_content(const Checkpoint& checkpoint, const Tensor& tensor, const Function& function) {
  const MappedFile& file = checkpoint.shards()[tensor.shard].file;
  THAW_RETURN_IF_ERROR(file.populate(tensor.begin, tensor.size()));
  function(checkpoint.bytes(tensor));
  if (file.damaged()) return file.check_unchanged();
  file.drop(tensor.begin, tensor.size());
  return {};
}

}  // namespace thaw
