// A file's pages read into memory of the process, at the addresses where it was mapped: for
// programs whose signals are not ours to catch (specs/view.md clause 2). What nobody has brought
// cannot be read by mistake: touching it is a fault, and never zeros. Private to lib/io.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/status.h"
#include "io/file_system.h"

namespace thaw {

// Thread-safe.
class HeldPages {
 public:
  // What is read at once.
  static constexpr std::uint64_t kPart = 256u << 10;

  // Takes over the addresses [begin, begin + size) of a mapping, which stay its owner's to unmap.
  // `fd` must stay open as long as this lives. Errors: ErrorCode::no_space, as of the system's
  // mmap.
  [[nodiscard]] Status take(FileSystem& file_system, int fd, const std::string& path,
                            std::byte* begin, std::uint64_t size);
  [[nodiscard]] bool taken() const { return begin_ != nullptr; }

  // Reads what is missing of [offset, offset + size), which lies in the file. A part that another
  // thread is reading is waited for. Errors: ErrorCode::io where the file cannot be read or has
  // become shorter; what was read before stays.
  [[nodiscard]] Status bring(std::uint64_t offset, std::uint64_t size);
  // Gives back the parts that lie wholly in [offset, offset + size), where the last part of the
  // file ends with it. Nobody may be reading there.
  void drop(std::uint64_t offset, std::uint64_t size);

 private:
  enum class Part : std::uint8_t { absent, coming, there };
  [[nodiscard]] Status read(std::uint64_t first, std::uint64_t last);

  FileSystem* file_system_ = nullptr;
  int fd_ = -1;
  std::string path_;
  std::byte* begin_ = nullptr;
  std::uint64_t size_ = 0;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Part> parts_;
};

}  // namespace thaw
