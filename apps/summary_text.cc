#include <array>
#include <cstdio>

#include "announce.h"
#include "base/dtype.h"
#include "base/text.h"
#include "summary.h"
#include "table.h"

namespace thaw::app {

namespace {

constexpr std::size_t kMostListed = 20;

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
  std::string where = overlay.quantized_layers;
  if (overlay.quantized_layers != overlay.base_layers) where += " into " + overlay.base_layers;
  text += fact_line("overlay", counted(overlay.layers, "layer") + " of " + where + ": " +
                                   counted(overlay.replaced, "tensor") + " replaced, " +
                                   std::to_string(overlay.kept) + " kept");
  if (!overlay.taken.empty()) text += fact_line("taken", listed_names(overlay.taken));
  if (!overlay.left.empty()) text += fact_line("left", listed_names(overlay.left));
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

std::string part_value(const PartSummary& part) {
  return std::to_string(part.index) + " of " + std::to_string(part.count) + ": " +
         counted(part.files, "file") + ", " + bytes_text(part.bytes);
}

std::string listed_names(const std::vector<std::string>& names) {
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
  if (plan.part) text += fact_line("part", part_value(*plan.part));
  text += fact_line("side files", listed_names(plan.side_files));
  text += fact_line("not carried", listed_names(plan.not_carried));
  text += fact_line("memory", memory_text(plan));
  if (plan.disk) text += fact_line("disk", disk_text(*plan.disk));
  text += fact_line("fingerprint", plan.fingerprint);
  return text + list_of("warnings", plan.warnings);
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
