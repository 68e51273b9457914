// One output file of a size known in advance, written in pieces by any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "io/file_system.h"

namespace thaw {

struct OutputSettings {
  // O_DIRECT for the pieces that allow it, until the file system refuses.
  bool direct = true;
  // At most so many bytes of this file wait in the page cache for the disk.
  std::uint64_t window = 64u << 20;
  // The size is not known in advance: the file grows, and nothing is reserved.
  bool grows = false;
};

// Pieces whose offset, size and address are multiples of this can go around the page cache.
constexpr std::uint64_t kDirectAlignment = 4096;

class Folder;

class OutputFile {
 public:
  // Makes the file (truncating one that is there) and reserves its space where the file system
  // can, so that a full disk is found now: ErrorCode::no_space.
  static Result<OutputFile> create(FileSystem& file_system, const std::string& path,
                                   std::uint64_t size, const OutputSettings& settings);
  // A new file of that name in an open folder: what had the name is removed, and neither a link nor
  // a file that others put there meanwhile is written to.
  static Result<OutputFile> create(const Folder& folder, const std::string& name,
                                   std::uint64_t size, const OutputSettings& settings);
  OutputFile(OutputFile&&) noexcept;
  OutputFile& operator=(OutputFile&&) noexcept;
  ~OutputFile();  // closes; what was written stays, unsynced

  // Writes all of `bytes` at `offset`. Thread-safe.
  [[nodiscard]] Status write(std::uint64_t offset, std::span<const std::byte> bytes);
  // Makes all that was written durable, and closes. Not while a write() runs.
  [[nodiscard]] Status finish();
  // True when some piece went around the page cache.
  [[nodiscard]] bool used_direct() const;

 private:
  struct State;
  explicit OutputFile(std::unique_ptr<State> state);
  static Result<OutputFile> begin(std::unique_ptr<State> state, const std::function<int(int)>& open,
                                  std::uint64_t size, const OutputSettings& settings);
  std::unique_ptr<State> state_;
};

}  // namespace thaw
