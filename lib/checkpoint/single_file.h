// A MODEL that is one file: whether it is all of the model, and what of the model lies beside it.
// specs/checkpoint.md clause 1.2. Internal.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "io/file_system.h"

namespace thaw {

// An error where the file is one shard of several, by its name or by an index beside it that names
// it. An index that cannot be read says nothing.
[[nodiscard]] Status check_is_whole(FileSystem& file_system, const std::string& directory,
                                    const std::string& file);

// Names of the files beside it that travel with a directory, and with a file do not: tokenizer,
// templates, the config of generation. Those at the top only, sorted.
[[nodiscard]] std::vector<std::string> companions_of_file(const std::string& directory);

}  // namespace thaw
