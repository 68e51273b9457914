// The writers: they hand filled buffers to the sink and give the buffers back.

#include <utility>

#include "execute/run.h"

namespace thaw {

void write_output(Run& run) {
  while (const std::optional<FilledBuffer> filled = run.output.pop()) {
    Status status = run.sink.write_summed(filled->file, filled->offset,
                                          {filled->buffer, static_cast<std::size_t>(filled->size)},
                                          filled->checksum);
    if (!status.ok()) {
      run.stop(std::move(status).take_error());
      return;
    }
    run.bytes_done += filled->size;
    run.tensors_done += filled->tensors_ended;
    run.pool.release(filled->buffer);
  }
}

}  // namespace thaw
