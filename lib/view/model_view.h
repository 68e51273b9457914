// A quantized checkpoint read as the float one that a conversion would write, which is planned and
// never written: its bytes are made when somebody asks for them. specs/view.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "io/file_system.h"
#include "plan/plan.h"
#include "prepare/options.h"

namespace thaw {

// Thread-safe: any number of threads may read at once.
class ModelView {
 public:
  // `options` are those of a conversion; what says where output goes, and how, is not looked at.
  // Reads headers and configs, and decides all that convert() would have decided. With a file
  // system that catches no signals the inputs' pages are held in memory while they are read.
  // Errors: those of prepare().
  [[nodiscard]] static Result<std::unique_ptr<ModelView>> open(const ConvertOptions& options,
                                                               FileSystem& file_system);
  ModelView(const ModelView&) = delete;
  ModelView& operator=(const ModelView&) = delete;
  ~ModelView();

  // Its tensors in natural order of their names, and its files: both valid while this lives.
  [[nodiscard]] const Plan& plan() const;
  // What a conversion would have warned of, one line each, safe for a terminal.
  [[nodiscard]] const std::vector<std::string>& warnings() const;

  // Bytes [from, from + size) of a tensor of plan(), row-major and little-endian as in a
  // safetensors file. `out` may have any alignment; 64 bytes are best. Many rows are made by
  // several threads, if no other call has them. Errors: ErrorCode::io (also where the input has
  // changed since open()), numbers (a finite value became infinite, where that is not allowed),
  // no_space, bug where the bytes are not the tensor's.
  [[nodiscard]] Status read(const PlannedTensor& tensor, std::uint64_t from, std::uint64_t size,
                            std::byte* out);
  // Bytes [offset, offset + size) of a file of plan(), likewise.
  [[nodiscard]] Status read_file(const PlannedFile& file, std::uint64_t offset, std::uint64_t size,
                                 std::byte* out);

 private:
  struct State;
  explicit ModelView(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace thaw
