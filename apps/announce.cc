#include "announce.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/text.h"
#include "summary.h"
#include "table.h"

namespace thaw::app {

namespace {

// A word as a shell reads it back. A name that is not safe to show is shown, not quoted.
std::string quoted_word(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./@:=+,%";
  const bool plain = !word.empty() && word.find_first_not_of(kPlain) == std::string::npos;
  const std::string shown = printable(word);
  if (plain || shown != word) return shown;
  std::string text = "'";
  for (const char c : word) {
    if (c == '\'') {
      text += "'\\''";
    } else {
      text += c;
    }
  }
  return text + "'";
}

// "28 AWQ GEMM and 2 GPTQ linears".
std::string linears_text(const PlanSummary& plan) {
  std::string text;
  for (std::size_t i = 0; i < plan.layouts.size(); ++i) {
    if (i > 0) text += i + 1 == plan.layouts.size() ? " and " : ", ";
    text += std::to_string(plan.layouts[i].linears) + " " + plan.layouts[i].title;
  }
  return text + (plan.linears == 1 ? " linear" : " linears");
}

std::string where_text(const PlanSummary& plan, const std::string& out) {
  const std::string place = printable(out.empty() ? plan.out : out);
  if (plan.to == "directory") {
    return counted(plan.shards.size(), "shard") + ": " + place;
  }
  return "a " + plan.to + ": " + (out == "-" ? "standard output" : place);
}

std::string seconds_text(double seconds) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.2f s", seconds);
  return text.data();
}

std::string found_text(const PlanSummary& plan) {
  std::string text = linears_text(plan) + ", " + bytes_text(plan.bytes_in) + " in " +
                     counted(plan.shards_in, "shard");
  if (plan.folded > 0) {
    text += "; activation scales into " + counted(plan.folded, "linear");
  }
  if (!plan.overlay) return text;
  const OverlaySummary& overlay = *plan.overlay;
  text += "; " + counted(overlay.layers, "layer") + " of " + overlay.quantized_layers + " for " +
          printable(overlay.base);
  if (overlay.match && overlay.match->samples > 0) {
    std::array<char, 32> cosine{};
    std::snprintf(cosine.data(), cosine.size(), "%.4f", overlay.match->lowest_cosine);
    text += " (" + counted(overlay.match->samples, "linear") + " compared, lowest cosine " +
            cosine.data() + ")";
  }
  return text;
}

std::string writes_text(const PlanSummary& plan, const std::string& out) {
  std::string text =
      counted(plan.tensors, "tensor") + " as " + std::string(torch_dtype_name(plan.dtype));
  if (plan.overlay) {
    text += " (" + counted(plan.overlay->replaced, "tensor") + " replaced, " +
            std::to_string(plan.overlay->kept) + " kept)";
  }
  text += ", " + bytes_text(plan.bytes_out) + " in " + where_text(plan, out);
  if (!plan.side_files.empty()) {
    text += "; with " + counted(plan.side_files.size(), "side file") + " of " +
            bytes_text(plan.side_bytes);
  }
  if (!plan.not_carried.empty()) text += "; without " + listed_names(plan.not_carried);
  return text;
}

std::string needs_text(const PlanSummary& plan) {
  std::string text = "memory: at most " + bytes_text(plan.peak_bytes) + ", " +
                     counted(plan.workers, "worker") + ", " + plan.isa;
  if (!plan.threads_note.empty()) text += " (" + plan.threads_note + ")";
  return plan.disk ? text + "; disk: " + disk_text(*plan.disk) : text;
}

std::string moved_text(const ConvertReport& report, const ConvertOptions& options) {
  std::string text =
      bytes_text(report.bytes_read) + " read, " + bytes_text(report.bytes_written) + " written";
  if (report.stream_bytes > 0) {
    text += " as " + bytes_text(report.stream_bytes) + " of " + report.plan.to;
  }
  text += " in " + seconds_text(report.seconds);
  if (report.seconds > 0) {
    const double speed = static_cast<double>(report.bytes_written) / report.seconds;
    text += ", " + bytes_text(static_cast<std::uint64_t>(speed)) + "/s";
  }
  // A pipe has no such ways.
  if (options.out != "-") text += report.direct_io ? " (direct)" : " (buffered)";
  if (report.files_kept > 0) {
    text += "; kept " + bytes_text(report.bytes_kept) + " in " +
            counted(report.files_kept, "file") + " of an earlier run";
  }
  return text;
}

std::string took_text(const ConvertReport& report) {
  std::string text;
  if (report.peak_memory > 0) text = "peak memory " + bytes_text(report.peak_memory) + ", ";
  text += counted(report.plan.workers, "worker") + ", " + report.plan.isa;
  if (report.verified.done) {
    text += "; verified: " + bytes_text(report.verified.bytes) + " are as they should be, " +
            std::to_string(report.verified.recovered) + " codes were recovered";
  }
  return text;
}

// What OUT waits for; nothing where it stands.
std::string waiting_text(const ConvertReport& report) {
  if (!report.waits) return {};
  if (report.missing_parts.empty()) {
    return fact_line("waits", "another run is publishing; if it fails, --finish does it");
  }
  constexpr std::size_t kMostListed = 20;
  const std::vector<unsigned>& missing = report.missing_parts;
  std::string text = missing.size() == 1 ? "part " : "parts ";
  for (std::size_t i = 0; i < missing.size() && i < kMostListed; ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(missing[i]);
  }
  if (missing.size() > kMostListed) {
    text += " and " + std::to_string(missing.size() - kMostListed) + " more";
  }
  text += missing.size() == 1 ? " is missing" : " are missing";
  return fact_line("waits", text + "; OUT appears with the last one, or by --finish");
}

// " --take lm_head,embed_tokens"; nothing where there are none.
std::string names_option(const char* option, const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text.empty() ? text : std::string(" ") + option + " " + quoted_word(text);
}

// What compares `out` with its inputs, with all options that decide its bytes and that verify does
// not infer.
std::string verify_command(const std::string& out, const ConvertOptions& options,
                           const std::string& base) {
  std::string command =
      "thaw verify " + quoted_word(out) + " --against " + quoted_word(options.model);
  if (!base.empty()) command += " --base " + quoted_word(base);
  if (!options.spec.empty()) command += " --spec " + quoted_word(options.spec);
  command += names_option("--take", options.take) + names_option("--leave", options.leave);
  if (!options.match_check) command += " --no-match-check";
  if (options.copy_unknown) command += " --copy-unknown";
  if (options.this_file_only) command += " --this-file-only";
  if (options.keep_names) command += " --keep-names";
  if (options.allow_overflow) command += " --allow-overflow";
  return command;
}

}  // namespace

std::string disk_text(const DiskSpace& disk) {
  std::string text = disk.bound ? "at most " : "";
  text += bytes_text(disk.need) + ", " + bytes_text(disk.free) + " free";
  if (disk.need > disk.free) text += disk.bound ? " (it may not be enough)" : " (not enough)";
  return text;
}

std::string announcement(const PlanSummary& plan, const std::string& out) {
  std::string text =
      fact_line("found", found_text(plan)) + fact_line("writes", writes_text(plan, out));
  if (plan.part) text += fact_line("part", part_value(*plan.part));
  for (const std::string& note : plan.notes) text += fact_line("note", note);
  return text + fact_line("needs", needs_text(plan));
}

std::string report_text(const ConvertReport& report, const ConvertOptions& options) {
  const PlanSummary& plan = report.plan;
  std::string text;
  if (report.waits && plan.part) {
    text = fact_line("converted", "part " + part_value(*plan.part));
  } else {
    text = fact_line("converted", counted(plan.linears, "linear") + ", " +
                                      counted(plan.tensors, "tensor") + " to " +
                                      std::string(torch_dtype_name(plan.dtype)) + " in " +
                                      where_text(plan, options.out));
  }
  text += fact_line("moved", moved_text(report, options));
  text += fact_line("took", took_text(report));
  text += waiting_text(report);
  const std::string next = next_command(report, options);
  if (!next.empty()) text += fact_line("next", next);
  return text;
}

std::string next_command(const ConvertReport& report, const ConvertOptions& options) {
  const PlanSummary& plan = report.plan;
  if (options.out == "-" || plan.to == "safetensors" || report.waits) return {};
  const std::string out = options.in_place ? plan.out : options.out;
  if (plan.to != "directory") {
    return "tar -xf " + quoted_word(out) + " && " +
           verify_command(plan.archive_root, options, options.base);
  }
  std::string base = options.base;
  if (options.in_place) base = plan.overlay ? plan.overlay->backup : "";
  if (report.verified.done) {
    if (!base.empty()) return "thaw compare " + quoted_word(base) + " " + quoted_word(out);
    return options.checksums ? "thaw verify " + quoted_word(out) : "";
  }
  // What was replaced in place and not kept is no longer there to be checked against.
  if (options.in_place && base.empty()) return {};
  return verify_command(out, options, base);
}

}  // namespace thaw::app
