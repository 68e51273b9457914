// Opens one shard. Internal.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/header.h"

namespace thaw {

// Maps the file, checks its header, appends its tensors to the table and gives the memory of the
// header's pages back.
[[nodiscard]] Result<Shard> open_shard(FileSystem& file_system, const std::string& directory,
                                       const std::string& name, std::uint32_t number,
                                       TensorTable& table);

}  // namespace thaw
