// Compares an output with files that are there, instead of writing it. specs/verify.md clause 2.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "io/file_system.h"
#include "io/mapped_file.h"
#include "plan/plan.h"
#include "sink/sink.h"

namespace thaw {

// Bytes of one part of a planned file that the file on disk has otherwise.
struct PartDifference {
  std::uint64_t bytes = 0;
  std::uint64_t first = 0;  // offset in the file of the first one
};

// Reads the files of a plan below `directory` and never writes one. Memory is bounded: what was
// compared is dropped from the page cache. Takes pieces in any order, from any thread.
class VerifySink final : public Sink {
 public:
  enum class FileState : std::uint8_t { present, missing };
  struct File {
    FileState state = FileState::missing;
    std::uint64_t size = 0;  // on the disk
    std::string why;         // missing: what is wrong, safe for a terminal
    std::map<std::uint32_t, PartDifference> differences;  // by part
  };

  // Where the parts of each file begin, ascending, the first at 0: what differences are told by.
  using Parts = std::vector<std::vector<std::uint64_t>>;

  // Opens every file of the plan. One that is missing is no error: files() tells. One that is there
  // and cannot be read is: it has not been found to differ. Errors: ErrorCode::io, no_space.
  static Result<std::unique_ptr<VerifySink>> open(FileSystem& file_system, const PlannedFiles& plan,
                                                  const std::string& directory, Parts parts);

  // One for each file of the plan. Not while write() runs.
  [[nodiscard]] const std::vector<File>& files() const { return results_; }

  [[nodiscard]] bool ordered() const override { return false; }
  [[nodiscard]] bool rereads() const override { return true; }
  // Only what both have is compared: a size that differs is for files() to tell. Errors:
  // ErrorCode::io when a file cannot be read or changes meanwhile.
  [[nodiscard]] Status write(std::uint32_t file, std::uint64_t offset,
                             std::span<const std::byte> bytes) override;
  [[nodiscard]] Status finish() override;
  void abandon(Keep) override {}

 private:
  explicit VerifySink(Parts parts) : parts_(std::move(parts)) {}
  void forget(std::uint32_t file, std::uint64_t begin, std::uint64_t end);
  void note(std::uint32_t file, std::uint64_t offset, std::span<const std::byte> want,
            std::span<const std::byte> got);

  const Parts parts_;
  std::vector<std::optional<MappedFile>> mapped_;
  std::vector<File> results_;
  std::vector<std::vector<std::uint32_t>> left_;  // bytes of each step that were not compared yet
  std::mutex mutex_;                              // of the results, and of dropping
};

}  // namespace thaw
