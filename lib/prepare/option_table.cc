#include "prepare/option_table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/dtype.h"
#include "base/nearest.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "prepare/part_option.h"

namespace thaw {

namespace {

Status bad(std::string_view option, const std::string& word, std::string_view expected,
           std::string_view hint = {}) {
  std::string what = "--";
  what.append(option).append(": got ").append(printable(word));
  what.append(", expected ").append(expected);
  return fail(ErrorCode::usage, {}, what, hint);
}

// A word that is none of those there are.
Status bad_choice(std::string_view option, const std::string& word,
                  const std::vector<std::string>& known, std::string_view expected) {
  std::string before = "--";
  before.append(option).append(" ");
  return bad(option, word, expected, did_you_mean(word, known, before));
}

template <typename Size>
Status set_size(std::string_view option, const std::string& word, Size& to) {
  const std::optional<std::uint64_t> bytes = parse_bytes(word);
  if (!bytes || *bytes == 0) return bad(option, word, "a size such as 512MB, 5GB or 2GiB");
  to = *bytes;
  return {};
}

Status set_dtype(ConvertOptions& options, const std::string& word) {
  options.dtype.reset();
  if (word == "auto") return {};
  const std::optional<Dtype> dtype = parse_torch_dtype(word);
  if (!dtype || !is_output_dtype(*dtype)) {
    // As in fp16 and fp32.
    std::string meant = word;
    if (meant.starts_with("fp")) meant.erase(1, 1);
    return bad("dtype", word, "auto, float16, bfloat16 or float32",
               did_you_mean(meant, {"auto", "float16", "bfloat16", "float32"}, "--dtype "));
  }
  options.dtype = dtype;
  return {};
}

Status set_rounding(ConvertOptions& options, const std::string& word) {
  if (word != "exact" && word != "via-float16")
    return bad_choice("rounding", word, {"exact", "via-float16"}, "exact or via-float16");
  options.rounding = word == "exact" ? Rounding::exact : Rounding::via_float16;
  return {};
}

// A number of 1 to `most`.
bool read_count(const std::string& word, unsigned most, unsigned& to) {
  const char* const end = word.data() + word.size();
  const auto [stop, problem] = std::from_chars(word.data(), end, to);
  return problem == std::errc() && stop == end && to != 0 && to <= most;
}

Status set_threads(ConvertOptions& options, const std::string& word) {
  constexpr unsigned kMost = 4096;
  unsigned threads = 0;
  if (!read_count(word, kMost, threads)) return bad("threads", word, "a number from 1 to 4096");
  options.threads = threads;
  return {};
}

Status set_isa(ConvertOptions& options, const std::string& word) {
  bool runs_here = false;
  const bool known = kernels::find_table(word.c_str(), &runs_here) != nullptr;
  if (!known || !runs_here) {
    std::string names;
    std::vector<std::string> known_names;
    const kernels::TableList list = kernels::available_tables();
    for (std::size_t i = 0; i < list.count; ++i) {
      if (i != 0) names += ", ";
      names += list.tables[i]->name;
      known_names.emplace_back(list.tables[i]->name);
    }
    const std::string which = known ? " (which this processor cannot run)" : "";
    return bad("isa", word + which, "one of " + names, did_you_mean(word, known_names, "--isa "));
  }
  options.isa = word;
  return {};
}

Status set_format(ConvertOptions& options, const std::string& word) {
  if (word == "tar") {
    options.to = StreamFormat::tar;
  } else if (word == "tar.zst") {
    options.to = StreamFormat::tar_zst;
  } else if (word == "safetensors") {
    options.to = StreamFormat::safetensors;
  } else {
    return bad_choice("to", word, {"tar", "tar.zst", "safetensors"}, "tar, tar.zst or safetensors");
  }
  return {};
}

Status set_level(ConvertOptions& options, const std::string& word) {
  constexpr unsigned kMost = 22;  // of zstd
  unsigned level = 0;
  if (!read_count(word, kMost, level)) return bad("level", word, "a number from 1 to 22");
  options.level = static_cast<int>(level);
  return {};
}

Status set_output_mode(ConvertOptions& options, const std::string& word) {
  if (word != "auto" && word != "buffered") {
    return bad_choice("output-io", word, {"auto", "buffered"}, "auto or buffered");
  }
  options.output_mode = word == "auto" ? OutputMode::automatic : OutputMode::buffered;
  return {};
}

template <bool ConvertOptions::*member>
Status set_switch(ConvertOptions& options, const std::string& word) {
  options.*member = word == "true";
  return {};
}

// An empty name is a mistake, such as a variable that was not set.
Status set_name(std::string_view option, const std::string& word, std::string& to) {
  if (word.empty()) return bad(option, word, "a name or a path");
  to = word;
  return {};
}

// "lm_head,embed_tokens": names of modules, none of them empty or twice.
Status set_modules(std::string_view option, const std::string& word, std::vector<std::string>& to) {
  to.clear();
  for (std::size_t at = 0; at <= word.size();) {
    const std::size_t comma = std::min(word.find(',', at), word.size());
    std::string name = word.substr(at, comma - at);
    const bool dots = name.starts_with('.') || name.ends_with('.');
    if (name.empty() || dots || std::find(to.begin(), to.end(), name) != to.end()) {
      return bad(option, word, "names of modules with commas between them, each once");
    }
    to.push_back(std::move(name));
    at = comma + 1;
  }
  return {};
}

constexpr std::array kTable = {
    OptionEntry{"dtype", "TYPE", "auto",
                "auto, float16, bfloat16 or float32; auto follows config.json", set_dtype},
    OptionEntry{"rounding", "HOW", "exact",
                "exact, or via-float16: round to float16 first, then to bfloat16", set_rounding},
    OptionEntry{"allow-overflow", "", "", "let values beyond float16 become infinite",
                set_switch<&ConvertOptions::allow_overflow>},
    OptionEntry{"copy-unknown", "", "",
                "copy packed tensors that thaw does not read, such as HQQ's, as they are",
                set_switch<&ConvertOptions::copy_unknown>},
    OptionEntry{"strict", "", "",
                "stop where parts of the model seem to be missing or left over, instead of warning",
                set_switch<&ConvertOptions::strict>},
    OptionEntry{"this-file-only", "", "", "convert a MODEL that is one shard of several, alone",
                set_switch<&ConvertOptions::this_file_only>},
    OptionEntry{"keep-names", "", "",
                "leave experts as the quantizer named and divided them, not as the architecture",
                set_switch<&ConvertOptions::keep_names>},
    OptionEntry{"max-shard-size", "SIZE", "",
                "largest output shard (5GB; with --base its shards); one larger tensor gets a "
                "shard of its own",
                [](ConvertOptions& options, const std::string& word) {
                  return set_size("max-shard-size", word, options.max_shard_size.emplace());
                }},
    OptionEntry{"base", "FLOAT", "",
                "overlay: put MODEL's blocks into the float model that it was made from",
                [](ConvertOptions& options, const std::string& word) {
                  return set_name("base", word, options.base);
                }},
    OptionEntry{"spec", "NAME", "",
                "with --base: a model spec or a file with one (by the base's model_type)",
                [](ConvertOptions& options, const std::string& word) {
                  return set_name("spec", word, options.spec);
                }},
    OptionEntry{"in-place", "", "", "with --base: replace FLOAT itself; no OUT",
                set_switch<&ConvertOptions::in_place>, Scope::writing},
    OptionEntry{"keep-backup", "", "", "with --in-place: keep the old directory as FLOAT.backup",
                set_switch<&ConvertOptions::keep_backup>, Scope::writing},
    OptionEntry{"no-match-check", "", "",
                "with --base: do not check that FLOAT and MODEL belong together",
                [](ConvertOptions& options, const std::string& word) {
                  options.match_check = word != "true";
                  return Status();
                }},
    OptionEntry{"take", "NAMES", "",
                "with --base: quantized modules outside of the blocks to put into FLOAT, such as "
                "lm_head,embed_tokens",
                [](ConvertOptions& options, const std::string& word) {
                  return set_modules("take", word, options.take);
                }},
    OptionEntry{"leave", "NAMES", "",
                "with --base: quantized modules outside of the blocks to leave as FLOAT has them",
                [](ConvertOptions& options, const std::string& word) {
                  return set_modules("leave", word, options.leave);
                }},
    OptionEntry{"threads", "N", "", "at most N worker threads (one a processor)", set_threads},
    OptionEntry{"memory", "SIZE", "256MB", "memory of the whole process",
                [](ConvertOptions& options, const std::string& word) {
                  return set_size("memory", word, options.memory);
                }},
    OptionEntry{"isa", "NAME", "", "scalar, ssse3, avx2, avx512 or neon (the best; also THAW_ISA)",
                set_isa},
    OptionEntry{"output-io", "HOW", "auto",
                "auto: past the page cache where the disk can; or buffered", set_output_mode,
                Scope::writing},
    OptionEntry{
        "to", "FORMAT", "",
        "tar, tar.zst or safetensors (one shard); by OUT's ending; OUT of - is standard output",
        set_format, Scope::writing},
    OptionEntry{"level", "N", "", "of tar.zst: 1, the fastest, to 22 (1)", set_level,
                Scope::writing},
    OptionEntry{"archive-root", "NAME", "", "the archive's top folder (OUT's name, for - MODEL's)",
                [](ConvertOptions& options, const std::string& word) {
                  return set_name("archive-root", word, options.archive_root);
                },
                Scope::writing},
    OptionEntry{
        "part", "I/N", "",
        "write only part I of N of OUT's files, beside other runs with the other parts; auto "
        "in a Slurm array, auto/N in an indexed Kubernetes Job",
        [](ConvertOptions& options, const std::string& word) {
          const auto variable = [](const char* name) { return std::getenv(name); };
          THAW_ASSIGN_OR_RETURN(options.part, parse_part(word, variable));
          return Status();
        },
        Scope::by_hand},
    OptionEntry{"finish", "", "", "publish at OUT what the parts have written, if all are whole",
                set_switch<&ConvertOptions::finish>, Scope::by_hand},
    OptionEntry{"force", "", "", "replace a checkpoint that stands at OUT",
                set_switch<&ConvertOptions::force>, Scope::writing},
    OptionEntry{"restart", "", "", "start over, whatever an interrupted run has left for OUT",
                set_switch<&ConvertOptions::restart>, Scope::writing},
    OptionEntry{"checksums", "", "", "write SHA256SUMS into OUT",
                set_switch<&ConvertOptions::checksums>, Scope::writing},
    OptionEntry{"verify", "", "", "read the output back and compare it before it appears at OUT",
                set_switch<&ConvertOptions::verify>, Scope::writing},
};

}  // namespace

std::span<const OptionEntry> option_table() { return kTable; }

const OptionEntry* find_option(std::string_view name) {
  for (const OptionEntry& entry : kTable) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace thaw
