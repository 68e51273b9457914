// What was asked of a conversion: set once, checked once, never changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/status.h"
#include "plan/part.h"
#include "sink/archive_sink.h"

namespace thaw {

enum class Rounding : std::uint8_t { exact, via_float16 };

// How the output files are written. automatic: O_DIRECT where the file system takes it, else the
// buffered window.
enum class OutputMode : std::uint8_t { automatic, buffered };

struct ConvertOptions {
  std::string model;  // a directory, a .safetensors file, or org/name[@revision] in the cache
  // The directory or file to make, - for standard output; may be empty for a plan without
  // execution.
  std::string out;

  std::optional<StreamFormat> to;   // nothing: by the ending of `out`, else a directory
  std::optional<int> level;         // of zstd
  std::string archive_root;         // the top folder of an archive; empty: by `out` or `model`
  std::uint64_t archive_mtime = 0;  // of its members, seconds since 1970

  std::optional<Dtype> dtype;  // nothing: auto
  Rounding rounding = Rounding::exact;
  bool allow_overflow = false;
  // Nothing: 5 GB, or with a base the base's own shards.
  std::optional<std::uint64_t> max_shard_size;

  unsigned threads = 0;                // 0: one a processor
  std::uint64_t memory = 256'000'000;  // bytes, the whole process
  std::string isa;                     // empty: the best of this machine
  OutputMode output_mode = OutputMode::automatic;

  bool copy_unknown = false;    // copy packed tensors that thaw does not read, instead of refusing
  bool keep_names = false;      // experts stay as the quantizer named and divided them
  bool this_file_only = false;  // take one shard of several for the whole of `model` and `base`
  bool strict = false;          // what would be a warning about the model's parts is an error
  std::string model_specs;      // the directory of the model specs; for experts, and what is folded

  // The overlay: the blocks of `model` in the float checkpoint `base`. specs/overlay.md.
  std::string base;          // as `model`; empty: none
  std::string spec;          // a spec's name or the path of a file; empty: by the base's model_type
  bool in_place = false;     // replaces `base` itself; `out` is empty
  bool keep_backup = false;  // in_place: the old directory stays, as `base`.backup
  bool match_check = true;   // refuses a base and a model that do not belong together
  // Quantized modules outside of the blocks, by name: to put into `base`, or not to.
  std::vector<std::string> take;
  std::vector<std::string> leave;

  // Several runs make one output: this one makes these files of it. specs/parts.md.
  std::optional<Part> part;
  bool finish = false;  // makes nothing: publishes what the parts have made

  bool force = false;         // replace an existing checkpoint at `out`
  bool restart = false;       // start over where an earlier run left something
  bool drop_foreign = false;  // start over where an earlier run left another plan's files
  bool checksums = false;     // write SHA256SUMS into the output
  bool verify = false;        // read the output back and compare it with what was planned
};

}  // namespace thaw
