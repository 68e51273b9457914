#include <algorithm>
#include <array>
#include <cstdio>

#include "base/dtype.h"
#include "base/text.h"
#include "summary.h"
#include "table.h"

namespace thaw::app {

namespace {

constexpr std::size_t kMostListed = 20;

// The first names in one line, the rest as a number.
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kMostListed; ++i) {
    if (i > 0) text += ", ";
    text += printable(names[i]);
  }
  if (names.size() > kMostListed) {
    text += " and " + std::to_string(names.size() - kMostListed) + " more";
  }
  return text.empty() ? "none" : text;
}

std::string shard_lines(const std::vector<ShardSummary>& shards) {
  std::vector<std::vector<std::string>> rows;
  for (const ShardSummary& shard : shards) {
    if (rows.size() == kMostListed) break;
    rows.push_back(
        {printable(shard.name), counted(shard.tensors, "tensor"), bytes_text(shard.bytes)});
  }
  std::string text = column_lines(rows);
  if (shards.size() > kMostListed) {
    text += fact_line("", "and " + std::to_string(shards.size() - kMostListed) + " more");
  }
  return text;
}

std::string memory_text(const PlanSummary& plan) {
  std::string text = "at most " + bytes_text(plan.peak_bytes) + ": " +
                     counted(plan.buffers, "buffer") + " of " + bytes_text(plan.tile_bytes) + ", " +
                     counted(plan.workers, "worker") + ", " + plan.isa;
  if (plan.slabbed_linears > 0) {
    text += "; " + counted(plan.slabbed_linears, "linear") + " read in several passes";
  }
  return text;
}

// "tar.zst, top folder qwen2, 2 compressor threads".
std::string archive_text(const PlanSummary& plan) {
  std::string text = plan.to;
  if (!plan.archive_root.empty()) text += ", top folder " + printable(plan.archive_root);
  if (plan.compressors > 0) text += ", " + counted(plan.compressors, "compressor thread");
  return text;
}

std::string list_of(const std::string& name, const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += fact_line(text.empty() ? name : "", line);
  return text;
}

// A file of one linear has a module without a name.
std::string modules_text(const LinearGroup& group) {
  return group.modules.empty() ? "(no name)" : group.modules;
}

std::string groups_text(const std::vector<LinearGroup>& groups) {
  std::vector<std::vector<std::string>> rows = {{"layout", "modules", "count", "bits", "in", "out",
                                                 "group", "zeros", "scales", "packed", "as float"}};
  for (const LinearGroup& group : groups) {
    rows.push_back({group.title, modules_text(group), std::to_string(group.count),
                    std::to_string(group.bits), std::to_string(group.in_features),
                    std::to_string(group.out_features), std::to_string(group.group_size),
                    group.symmetric ? "none" : "stored", group.scale_dtype,
                    bytes_text(group.packed_bytes), bytes_text(group.float_bytes)});
  }
  return column_lines(rows);
}

}  // namespace

namespace {

std::vector<std::string> reason_lines(const std::vector<LinearGroup>& groups) {
  std::vector<std::string> lines;
  for (const LinearGroup& group : groups) {
    if (lines.size() == kMostListed) {
      lines.push_back("and " + std::to_string(groups.size() - kMostListed) + " more groups");
      break;
    }
    lines.push_back(modules_text(group) + ": " + group.title + ", " +
                    (group.untransposed ? "untransposed, " : "") + "by " + group.reason);
  }
  return lines;
}

std::vector<std::string> suspicion_lines(const std::vector<LinearGroup>& groups) {
  std::vector<std::string> lines;
  for (const LinearGroup& group : groups) {
    for (const std::string& contradiction : group.contradictions) {
      lines.push_back(modules_text(group) + ": the config says " + contradiction);
    }
    if (group.wrapped_zeros != 0) {
      lines.push_back(modules_text(group) + ": GPTQ v1 zero points of " +
                      std::to_string((1u << group.bits) - 1) + " in " +
                      counted(group.wrapped_zeros, "module") + ", first in " + group.first_wrapped);
    }
    if (!group.flaws.any()) continue;
    std::string text = modules_text(group) + ": scales that are ";
    const char* separator = "";
    const auto add = [&](std::uint64_t count, const char* what) {
      if (count == 0) return;
      text += separator + std::string(what) + " (" + std::to_string(count) + ")";
      separator = ", ";
    };
    add(group.flaws.infinite, "infinite");
    add(group.flaws.nan, "NaN");
    add(group.flaws.zero, "zero");
    lines.push_back(text + ", first in " + group.flaws.first);
  }
  return lines;
}

// Where scales of activations are folded; nothing where there are none.
std::string folded_text(const PlanSummary& plan) {
  if (plan.folded == 0) return {};
  return fact_line("folded", "activation scales into " + counted(plan.folded, "linear"));
}

// What the overlay puts where; nothing without a base.
std::string overlay_text(const PlanSummary& plan) {
  if (!plan.overlay) return {};
  const OverlaySummary& overlay = *plan.overlay;
  std::string text = fact_line("base", printable(overlay.base) + " (spec " + overlay.spec + ")");
  std::string where = overlay.twin_layers;
  if (overlay.twin_layers != overlay.base_layers) where += " into " + overlay.base_layers;
  text += fact_line("overlay", counted(overlay.layers, "layer") + " of " + where + ": " +
                                   counted(overlay.replaced, "tensor") + " replaced, " +
                                   std::to_string(overlay.kept) + " kept");
  std::string match = "not checked";
  if (overlay.match) {
    std::array<char, 32> cosine{};
    std::snprintf(cosine.data(), cosine.size(), "%.4f", overlay.match->lowest_cosine);
    match = counted(overlay.match->samples, "linear") + " compared";
    if (overlay.match->samples > 0) {
      match += ", lowest cosine " + std::string(cosine.data()) + " (" + overlay.match->lowest + ")";
    }
  }
  text += fact_line("match", match);
  if (!overlay.backup.empty()) text += fact_line("backup", printable(overlay.backup));
  return text;
}

}  // namespace

namespace {

// Which files of how many runs; nothing for a run that makes all.
std::string part_text(const PlanSummary& plan) {
  if (!plan.part) return {};
  return fact_line(
      "part", std::to_string(plan.part->index) + " of " + std::to_string(plan.part->count) + ": " +
                  counted(plan.part->files, "file") + ", " + bytes_text(plan.part->bytes));
}

// What OUT waits for; nothing where it stands.
std::string waiting_text(const ConvertReport& report) {
  if (!report.waits) return {};
  if (report.missing_parts.empty()) {
    return fact_line("waits", "another run is publishing; if it fails, --finish does it");
  }
  std::string text = report.missing_parts.size() == 1 ? "part " : "parts ";
  for (std::size_t i = 0; i < report.missing_parts.size() && i < kMostListed; ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(report.missing_parts[i]);
  }
  if (report.missing_parts.size() > kMostListed) {
    text += " and " + std::to_string(report.missing_parts.size() - kMostListed) + " more";
  }
  text += report.missing_parts.size() == 1 ? " is missing" : " are missing";
  return fact_line("waits", text + "; OUT appears with the last one, or by --finish");
}

}  // namespace

std::string plan_text(const PlanSummary& plan) {
  const std::uint64_t dequantized = plan.tensors - plan.tensors_cast - plan.tensors_copied;
  std::string text = fact_line("model", printable(plan.model));
  if (!plan.out.empty()) text += fact_line("out", printable(plan.out));
  if (plan.to != "directory") text += fact_line("to", archive_text(plan));
  text +=
      fact_line("type", std::string(torch_dtype_name(plan.dtype)) + " (" + plan.dtype_reason + ")");
  text += fact_line("tensors", std::to_string(plan.tensors) + ": " + std::to_string(dequantized) +
                                   " dequantized, " + std::to_string(plan.tensors_cast) +
                                   " cast, " + std::to_string(plan.tensors_copied) + " copied");
  text += overlay_text(plan);
  text += folded_text(plan);
  text +=
      fact_line("bytes", bytes_text(plan.bytes_in) + " in, " + bytes_text(plan.bytes_out) + " out");
  text += fact_line("shards", std::to_string(plan.shards.size())) + shard_lines(plan.shards);
  text += part_text(plan);
  text += fact_line("side files", listed(plan.side_files));
  text += fact_line("not carried", listed(plan.not_carried));
  text += fact_line("memory", memory_text(plan));
  text += fact_line("fingerprint", plan.fingerprint);
  return text + list_of("warnings", plan.warnings);
}

std::string report_text(const ConvertReport& report, const std::string& out) {
  const PlanSummary& plan = report.plan;
  std::array<char, 48> seconds{};
  std::snprintf(seconds.data(), seconds.size(), "%.2f s", report.seconds);
  std::string rate;
  if (report.seconds > 0) {
    const double speed = static_cast<double>(report.bytes_written) / report.seconds;
    rate = ", " + bytes_text(static_cast<std::uint64_t>(speed)) + "/s";
  }
  // A pipe has no such ways.
  const char* const way = out == "-" ? "" : report.direct_io ? " (direct)" : " (buffered)";
  std::string text = fact_line("converted", counted(plan.linears, "linear") + ", " +
                                                counted(plan.tensors, "tensor") + " to " +
                                                std::string(torch_dtype_name(plan.dtype)) + " in " +
                                                counted(plan.shards.size(), "shard"));
  text += overlay_text(plan);
  text += folded_text(plan);
  text += part_text(plan);
  text += fact_line("read", bytes_text(report.bytes_read));
  text +=
      fact_line("wrote", bytes_text(report.bytes_written) + " in " + seconds.data() + rate + way);
  if (report.stream_bytes > 0) {
    text += fact_line("stream", plan.to + ", " + bytes_text(report.stream_bytes));
  }
  if (report.verified.done) {
    text += fact_line("verified", bytes_text(report.verified.bytes) + " are as they should be, " +
                                      std::to_string(report.verified.recovered) +
                                      " codes were recovered");
  }
  if (report.files_kept > 0) {
    text += fact_line("kept", bytes_text(report.bytes_kept) + " in " +
                                  counted(report.files_kept, "file") +
                                  " that an earlier run had finished");
  }
  if (report.peak_memory > 0) {
    text += fact_line("peak memory", bytes_text(report.peak_memory) + ", " +
                                         counted(plan.workers, "worker") + ", " + plan.isa);
  }
  if (!plan.not_carried.empty()) text += fact_line("not carried", listed(plan.not_carried));
  text += waiting_text(report);
  return text + fact_line("out", printable(out) + (report.waits ? ".partial" : ""));
}

std::string inspection_text(const Inspection& inspection) {
  std::uint64_t bytes = 0;
  for (const ShardSummary& shard : inspection.shards) bytes += shard.bytes;
  std::string method = "none found";
  if (!inspection.config_source.empty()) {
    method = printable(inspection.method);
    if (!inspection.version.empty()) method += ", version " + printable(inspection.version);
    method += " (" + printable(inspection.config_source) + ")";
  }
  std::string text = fact_line("model", printable(inspection.model));
  text += fact_line("quantization", method);
  text += fact_line("shards", std::to_string(inspection.shards.size()) + ", " + bytes_text(bytes));
  text += shard_lines(inspection.shards);
  std::uint64_t linears = 0;
  for (const LinearGroup& group : inspection.groups) linears += group.count;
  text += fact_line("linears", std::to_string(linears));
  if (linears > 0) text += groups_text(inspection.groups);
  std::vector<std::string> others;
  for (const DtypeCount& count : inspection.other_tensors) {
    others.push_back(counted(count.tensors, "tensor") + " of " + count.dtype + ", " +
                     bytes_text(count.bytes));
  }
  text += list_of("others", others);
  text += list_of("recognised", reason_lines(inspection.groups));
  text += list_of("suspicious", suspicion_lines(inspection.groups));
  text += list_of("warnings", inspection.warnings);
  text += list_of("problems", inspection.problems);
  if (inspection.plan) {
    const PlanSummary& plan = *inspection.plan;
    text += fact_line("would write", counted(plan.tensors, "tensor") + " as " +
                                         std::string(torch_dtype_name(plan.dtype)) + " (" +
                                         plan.dtype_reason + "), " + bytes_text(plan.bytes_out) +
                                         " in " + counted(plan.shards.size(), "shard"));
    text += folded_text(plan);
  }
  return text;
}

}  // namespace thaw::app
