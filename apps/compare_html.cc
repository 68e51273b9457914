#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "base/text.h"
#include "compare_summary.h"
#include "html_histogram.h"
#include "html_map.h"
#include "html_page.h"
#include "html_reports.h"
#include "html_text.h"
#include "table.h"

namespace thaw::app {

namespace {

constexpr std::size_t kPictures = 12;
constexpr double kClose = 1e-2;  // a relative error below this is rounding, or nearly so

bool differs(const TensorComparison& tensor) {
  return tensor.figures.relative > 0 || tensor.figures.nonfinite_differ != 0;
}

// In a few words; null of what is none. The verdicts of the report say more.
constexpr std::array<const char*, kFaultCount> kFaults = {
    nullptr,
    "nibbles in the wrong order",
    "nibbles in the wrong order",
    "transposed weights",
    "zero points off by one",
    "zero points that differ",
    nullptr,
    "norms were not taken along",
    "weights scaled by channel",
    "weights scaled by one factor",
    "it is another model",
};

const char* most_frequent_fault(const CompareReport& report) {
  std::array<std::uint64_t, kFaultCount> counts{};
  for (const TensorComparison& tensor : report.tensors) {
    ++counts[static_cast<std::size_t>(tensor.fault)];
  }
  for (const ShapeDifference& shape : report.shapes) {
    ++counts[static_cast<std::size_t>(shape.fault)];
  }
  std::size_t most = 0;
  for (std::size_t i = 0; i < kFaultCount; ++i) {
    if (kFaults[i] == nullptr) counts[i] = 0;
    if (counts[i] > counts[most]) most = i;
  }
  return kFaults[most];
}

struct Verdict {
  Tone tone = Tone::good;
  std::string headline;
  std::string lead;
};

// The first of these that holds; what comes later is told in the sections. specs/reports.md
// clause 2.
Verdict verdict_of(const CompareReport& report, std::size_t differing,
                   std::optional<double> fail_above) {
  const std::string compared = counted(report.tensors.size(), "tensor");
  const std::string total =
      "Over all numbers the relative error is " + figure_html(report.total.relative) + ".";
  if (const char* const fault = most_frequent_fault(report)) {
    return {Tone::bad, std::string("B has a known fault: ") + fault,
            compared + " compared. " + total};
  }
  if (!report.same_names_and_shapes()) {
    return {Tone::bad, "A and B do not hold the same tensors",
            counted(report.only_a.size(), "name") + " only in A, " +
                std::to_string(report.only_b.size()) + " only in B, " +
                counted(report.shapes.size(), "shape") +
                (report.shapes.size() == 1 ? " differs. " : " differ. ") + compared +
                " compared. " + total};
  }
  if (report.total.nonfinite_differ != 0) {
    return {Tone::bad, "Numbers are infinite or NaN on one side only",
            counted(report.total.nonfinite_differ, "number") + ", of " + compared + ". " + total};
  }
  if (fail_above && exceeds(report, *fail_above)) {
    return {Tone::bad, "B is further from A than " + figure_html(*fail_above),
            "That is what --fail-above allows for a tensor. " + total};
  }
  if (differing == 0) {
    return {Tone::good, "A and B hold the same numbers",
            "All " + compared + " are equal, number by number."};
  }
  const double worst = report.tensors.front().figures.relative;
  const std::string many = std::to_string(differing) + " of " + compared +
                           (differing == 1 ? " differs" : " differ") +
                           "; the worst has a relative error of " + figure_html(worst) + ". ";
  if (worst < kClose) return {Tone::good, "B is close to A", many + total};
  return {Tone::note, "B differs from A", many + total + " No known fault explains it."};
}

MapCell level_of(const TensorComparison& worst) {
  const double relative = worst.figures.relative;
  if (worst.figures.nonfinite_differ != 0) return {"e6", "!", {}};
  if (relative == 0) return {"e0", "=", {}};
  constexpr std::array<double, 5> kLimits = {1e-4, 1e-3, 1e-2, 1e-1, 1};
  std::size_t level = 1;
  for (const double limit : kLimits) level += relative < limit ? 0 : 1;
  std::string look = "e";
  look += std::to_string(level);
  return {look, std::to_string(level), {}};
}

std::string map_section(const CompareReport& report) {
  LayerMap map;
  map.caption = "Relative error of the worst tensor of a module, by layer";
  map.legend = {{"e0", "=", "equal"},       {"e1", "1", "below 0.0001"},
                {"e2", "2", "below 0.001"}, {"e3", "3", "below 0.01"},
                {"e4", "4", "below 0.1"},   {"e5", "5", "below 1"},
                {"e6", "6", "1 and above"}, {"e6", "!", "infinite or NaN on one side only"}};
  for (const TensorComparison& tensor : report.tensors) map.names.push_back(tensor.name);
  map.cell = [&](std::span<const std::size_t> tensors) {
    const TensorComparison& worst = report.tensors[tensors.front()];  // they come worst first
    MapCell cell = level_of(worst);
    cell.words = "relative error " + figure_html(worst.figures.relative);
    if (worst.figures.nonfinite_differ != 0) cell.words += ", infinite or NaN on one side only";
    if (worst.fault != Fault::none) cell.words += ", " + std::string(fault_name(worst.fault));
    if (tensors.size() > 1) cell.words += ", the worst of " + counted(tensors.size(), "tensor");
    return cell;
  };
  return section_html("Where the differences are", map_html(map));
}

std::string pictures(const CompareReport& report, std::size_t differing) {
  if (differing == 0) return {};
  std::string text = "<p>How far numbers are apart that differ, in powers of two, of the " +
                     std::string(differing > kPictures ? "worst tensors."
                                                       : "tensors that differ, the worst first.") +
                     "</p>\n<div class=\"figures\">\n";
  for (std::size_t i = 0; i < std::min(differing, kPictures); ++i) {
    text += histogram_html(report.tensors[i]);
  }
  return section_html("The worst tensors", text + "</div>\n");
}

std::vector<std::string> names_of(const std::vector<std::string>& names) {
  std::vector<std::string> lines;
  for (const std::string& name : names) lines.push_back(printable(name));
  return lines;
}

std::vector<std::string> shapes_of(const CompareReport& report) {
  std::vector<std::string> lines;
  for (const ShapeDifference& shape : report.shapes) {
    lines.push_back(printable(shape.name) + ": " + shape_text(shape.shape_a) + " in A, " +
                    shape_text(shape.shape_b) + " in B" +
                    (shape.fault == Fault::transposed ? ", transposed" : ""));
  }
  return lines;
}

PageTable table_of(const CompareReport& report) {
  PageTable table;
  table.columns = {
      {"Tensor", Kind::name},    {"Types", Kind::text},      {"Shape", Kind::text},
      {"Fault", Kind::text},     {"Relative", Kind::figure}, {"RMS", Kind::figure},
      {"Max abs", Kind::figure}, {"Cosine", Kind::cosine},   {"SNR dB", Kind::decibel},
      {"Numbers", Kind::count},  {"Equal", Kind::count},     {"Not finite", Kind::count}};
  table.rows = report.tensors.size();
  table.row = [&report](std::size_t i) -> std::vector<Cell> {
    const TensorComparison& tensor = report.tensors[i];
    const DifferenceFigures& figures = tensor.figures;
    std::string name = printable(tensor.name);
    if (!tensor.name_b.empty()) name += " (B: " + printable(tensor.name_b) + ")";
    std::string types = printable(tensor.type_a);
    if (tensor.type_b != tensor.type_a) types += ", " + printable(tensor.type_b);
    const Cell fault = tensor.fault == Fault::none ? Cell("-") : Cell(fault_name(tensor.fault));
    return {name,
            types,
            shape_text(tensor.shape),
            fault,
            figures.relative,
            figures.rms,
            figures.max_abs,
            figures.cosine,
            figures.snr_db,
            figures.elements,
            figures.equal,
            figures.nonfinite_differ};
  };
  return table;
}

}  // namespace

Result<std::string> compare_html(const CompareReport& report, std::optional<double> fail_above) {
  const auto differing = static_cast<std::size_t>(
      std::count_if(report.tensors.begin(), report.tensors.end(), differs));
  const Verdict verdict = verdict_of(report, differing, fail_above);
  const DifferenceFigures& total = report.total;
  Page page;
  page.title = "thaw: " + verdict.headline;
  page.kind = "Comparison of two checkpoints";
  page.headline = verdict.headline;
  page.tone = verdict.tone;
  page.lead = verdict.lead;
  page.subjects = {{"A", printable(report.a)}, {"B", printable(report.b)}};
  if (!report.spec.empty()) page.subjects.emplace_back("Spec", printable(report.spec));
  page.facts = {{"Tensors compared", count_html(report.tensors.size())},
                {"Tensors that differ", count_html(differing)},
                {"Relative error", figure_html(total.relative)},
                {"Cosine", fixed_html(total.cosine, 6)},
                {"SNR, dB", fixed_html(total.snr_db, 1)},
                {"Largest difference", figure_html(total.max_abs)}};
  page.sections = list_section("What explains it", report.verdicts) +
                  list_section("Only in A", names_of(report.only_a)) +
                  list_section("Only in B", names_of(report.only_b)) +
                  list_section("Shapes that differ", shapes_of(report)) +
                  list_section("Warnings", report.warnings);
  if (!report.tensors.empty()) page.sections += map_section(report) + pictures(report, differing);
  page.table_title = "All tensors";
  page.table_caption = "Every tensor that both have, the worst first; B measured by A";
  page.table = table_of(report);
  page.add_members = [&](JsonOut& out) {
    add_comparison(out, report, std::min(differing, kPictures));
  };
  return page_html(page);
}

}  // namespace thaw::app
