#include <algorithm>
#include <array>
#include <map>
#include <span>

#include "base/text.h"
#include "html_map.h"
#include "html_page.h"
#include "html_reports.h"
#include "html_text.h"
#include "summary.h"
#include "table.h"

namespace thaw::app {

namespace {

constexpr std::size_t kKinds = 7;  // layouts with a letter and a colour of their own
constexpr std::size_t kMostGroups = 200;

struct LayoutKind {
  std::string name;
  std::uint64_t tensors = 0;
  std::uint64_t bytes = 0;
};

// The largest first.
std::vector<LayoutKind> kinds_of(const Inspection& inspection) {
  std::map<std::string, LayoutKind> found;
  for (const InspectedTensor& tensor : inspection.tensors) {
    LayoutKind& kind = found[tensor.layout];
    kind.name = tensor.layout;
    ++kind.tensors;
    kind.bytes += tensor.bytes;
  }
  std::vector<LayoutKind> kinds;
  for (auto& [name, kind] : found) kinds.push_back(std::move(kind));
  std::stable_sort(kinds.begin(), kinds.end(),
                   [](const LayoutKind& x, const LayoutKind& y) { return x.bytes > y.bytes; });
  return kinds;
}

MapCell kind_cell(const std::vector<LayoutKind>& kinds, const std::string& layout) {
  const auto found = std::find_if(kinds.begin(), kinds.end(),
                                  [&](const LayoutKind& kind) { return kind.name == layout; });
  const auto index = std::min(static_cast<std::size_t>(found - kinds.begin()), kKinds);
  std::string look = "k";
  look += std::to_string(index + 1);
  return {look, std::string(1, static_cast<char>('A' + index)), printable(layout)};
}

MapCell size_cell(std::uint64_t bytes) {
  constexpr std::array<std::uint64_t, 5> kLimits = {10'000, 1'000'000, 10'000'000, 100'000'000,
                                                    1'000'000'000};
  std::size_t level = 1;
  for (const std::uint64_t limit : kLimits) level += bytes < limit ? 0 : 1;
  std::string look = "s";
  look += std::to_string(level);
  return {look, std::to_string(level), size_html(bytes)};
}

std::string size_words(const std::vector<const InspectedTensor*>& tensors, std::size_t chosen) {
  std::uint64_t bytes = 0;
  for (const InspectedTensor* tensor : tensors) bytes += tensor->bytes;
  return size_html(bytes) + (chosen > 1 ? " in " + counted(chosen, "tensor") : "");
}

std::string map_sections(const Inspection& inspection, const std::vector<LayoutKind>& kinds) {
  // The largest first: they are those that a map with too little room must have.
  std::vector<const InspectedTensor*> tensors;
  for (const InspectedTensor& tensor : inspection.tensors) tensors.push_back(&tensor);
  std::stable_sort(
      tensors.begin(), tensors.end(),
      [](const InspectedTensor* x, const InspectedTensor* y) { return x->bytes > y->bytes; });
  const auto chosen = [&](std::span<const std::size_t> indexes) {
    std::vector<const InspectedTensor*> those;
    for (const std::size_t i : indexes) those.push_back(tensors[i]);
    return those;
  };

  LayerMap layouts;
  layouts.caption = "How each module is stored, by layer";
  for (const InspectedTensor* tensor : tensors) layouts.names.push_back(tensor->name);
  for (std::size_t i = 0; i < std::min(kinds.size(), kKinds); ++i) {
    layouts.legend.push_back(kind_cell(kinds, kinds[i].name));
  }
  if (kinds.size() > kKinds) layouts.legend.push_back({"k8", "H", "other types"});
  layouts.legend.push_back({"k0", "+", "of several"});
  layouts.cell = [&](std::span<const std::size_t> indexes) {
    const auto those = chosen(indexes);
    const InspectedTensor& first = *those.front();
    MapCell cell = kind_cell(kinds, first.layout);
    const bool several = std::any_of(those.begin(), those.end(), [&](const auto* tensor) {
      return tensor->layout != first.layout;
    });
    if (several) cell = {"k0", "+", "several layouts"};
    if (first.bits != 0) {
      cell.words += ", " + std::to_string(first.bits) + " bits, groups of " +
                    std::to_string(first.group_size);
    }
    cell.words += ", " + size_words(those, those.size());
    return cell;
  };

  LayerMap sizes;
  sizes.caption = "How many bytes each module takes in the files, by layer";
  sizes.names = layouts.names;
  sizes.legend = {{"s1", "1", "below 10 kB"}, {"s2", "2", "below 1 MB"},
                  {"s3", "3", "below 10 MB"}, {"s4", "4", "below 100 MB"},
                  {"s5", "5", "below 1 GB"},  {"s6", "6", "1 GB and above"}};
  sizes.cell = [&](std::span<const std::size_t> indexes) {
    const auto those = chosen(indexes);
    std::uint64_t bytes = 0;
    for (const InspectedTensor* tensor : those) bytes += tensor->bytes;
    MapCell cell = size_cell(bytes);
    cell.words = size_words(those, those.size());
    return cell;
  };
  return section_html("Layouts", map_html(layouts)) + section_html("Sizes", map_html(sizes));
}

std::string groups_section(const Inspection& inspection) {
  if (inspection.groups.empty()) return {};
  PageTable table;
  table.columns = {{"Modules", Kind::name}, {"Layout", Kind::text},   {"Linears", Kind::count},
                   {"Bits", Kind::count},   {"In", Kind::count},      {"Out", Kind::count},
                   {"Group", Kind::count},  {"Zeros", Kind::text},    {"Scales", Kind::text},
                   {"Packed", Kind::bytes}, {"As float", Kind::bytes}};
  table.rows = inspection.groups.size();
  table.row = [&](std::size_t i) -> std::vector<Cell> {
    const LinearGroup& group = inspection.groups[i];
    return {group.modules,     group.title,
            group.count,       std::uint64_t{group.bits},
            group.in_features, group.out_features,
            group.group_size,  std::string(group.symmetric ? "none" : "stored"),
            group.scale_dtype, group.packed_bytes,
            group.float_bytes};
  };
  std::string text =
      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Quantized linears\">\n"
      "<table class=\"data groups\"><caption>Linears of one name, layout and shape; numbers of "
      "layers and experts are *</caption><thead>" +
      head_html(table) + "</thead><tbody>\n" + rows_html(table, kMostGroups) +
      "</tbody></table></div>\n";
  if (table.rows > kMostGroups) {
    text += "<p>and " + count_html(table.rows - kMostGroups) + " more groups</p>\n";
  }
  return section_html("Quantized linears", text);
}

std::vector<std::string> suspicious(const Inspection& inspection) {
  std::vector<std::string> lines;
  for (const LinearGroup& group : inspection.groups) {
    const std::string where = group.modules + ": ";
    for (const std::string& line : group.contradictions) lines.push_back(where + line);
    const ScaleFlaws& flaws = group.flaws;
    if (flaws.any()) {
      lines.push_back(where + std::to_string(flaws.infinite) + " infinite, " +
                      std::to_string(flaws.nan) + " NaN and " + std::to_string(flaws.zero) +
                      " zero scales, first in " + flaws.first);
    }
    if (group.wrapped_zeros != 0) {
      lines.push_back(where + counted(group.wrapped_zeros, "module") +
                      " with a zero point that is the highest there is, first " +
                      group.first_wrapped);
    }
  }
  return lines;
}

std::vector<std::string> shard_lines(const Inspection& inspection) {
  std::vector<std::string> lines;
  for (const ShardSummary& shard : inspection.shards) {
    lines.push_back(shard.name + ": " + counted(shard.tensors, "tensor") + ", " +
                    size_html(shard.bytes));
  }
  return lines;
}

PageTable table_of(const Inspection& inspection) {
  PageTable table;
  table.columns = {{"Tensor", Kind::name},  {"Layout", Kind::text},   {"Shape", Kind::text},
                   {"Layer", Kind::count},  {"Bits", Kind::count},    {"Group", Kind::count},
                   {"Stored", Kind::bytes}, {"As float", Kind::bytes}};
  table.rows = inspection.tensors.size();
  table.row = [&inspection](std::size_t i) -> std::vector<Cell> {
    const InspectedTensor& tensor = inspection.tensors[i];
    const bool quantized = tensor.bits != 0;
    const auto only = [&](std::uint64_t value) { return quantized ? Cell(value) : Cell(); };
    return {printable(tensor.name),
            printable(tensor.layout),
            shape_text(tensor.shape),
            tensor.layer ? Cell(*tensor.layer) : Cell(),
            only(tensor.bits),
            only(tensor.group_size),
            tensor.bytes,
            only(tensor.float_bytes)};
  };
  return table;
}

}  // namespace

Result<std::string> inspection_html(const Inspection& inspection) {
  std::uint64_t bytes = 0;
  for (const ShardSummary& shard : inspection.shards) bytes += shard.bytes;
  std::uint64_t linears = 0;
  for (const LinearGroup& group : inspection.groups) linears += group.count;
  const std::vector<LayoutKind> kinds = kinds_of(inspection);
  const std::vector<std::string> doubts = suspicious(inspection);

  Page page;
  page.kind = "What a checkpoint is";
  page.subjects = {{"Model", inspection.model}};
  if (!inspection.config_source.empty()) {
    page.subjects.emplace_back(
        "Config", inspection.method +
                      (inspection.version.empty() ? "" : ", version " + inspection.version) + " (" +
                      inspection.config_source + ")");
  }
  const std::string holds = counted(linears, "quantized linear");
  if (!inspection.problems.empty()) {
    page.tone = Tone::bad;
    page.headline = "thaw would not convert this";
    page.lead = inspection.problems.front();
  } else if (!doubts.empty()) {
    page.tone = Tone::note;
    page.headline = holds + ", and something suspicious";
    page.lead = doubts.front();
  } else {
    page.tone = Tone::good;
    page.headline = holds + ", ready to convert";
    page.lead = "Every module was recognised and nothing in it is suspicious.";
  }
  page.title = "thaw: " + page.headline;
  page.facts = {{"Quantized linears", count_html(linears)},
                {"Tensors and linears", count_html(inspection.tensors.size())},
                {"Shards", count_html(inspection.shards.size())},
                {"In the files", size_html(bytes)}};
  if (inspection.plan) {
    page.facts.emplace_back("Would write", size_html(inspection.plan->bytes_out));
    page.facts.emplace_back("As", html(torch_dtype_name(inspection.plan->dtype)));
  }
  page.sections = list_section("Problems", inspection.problems) +
                  list_section("Suspicious", doubts) +
                  list_section("Warnings", inspection.warnings) +
                  list_section("Notes", inspection.notes) + groups_section(inspection);
  if (!inspection.tensors.empty()) page.sections += map_sections(inspection, kinds);
  page.sections += list_section("Shards", shard_lines(inspection));
  page.table_title = "All tensors";
  page.table_caption =
      "Weights of quantized linears, with the bytes of their scales and zeros, and all other "
      "tensors";
  page.table = table_of(inspection);
  page.add_members = [&](JsonOut& out) { add_inspection(out, inspection); };
  return page_html(page);
}

}  // namespace thaw::app
