#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/text.h"
#include "compare_summary.h"
#include "table.h"

namespace thaw::app {

namespace {

constexpr std::size_t kWorst = 20;
constexpr std::size_t kMostListed = 3;

std::string figure(const char* format, double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::vector<std::string> row_of(const TensorComparison& tensor) {
  const DifferenceFigures& figures = tensor.figures;
  std::string types = tensor.type_a;
  if (tensor.type_b != tensor.type_a) types += ", " + tensor.type_b;
  return {printable(tensor.name),
          shape_text(tensor.shape),
          types,
          tensor.fault == Fault::none ? "-" : fault_name(tensor.fault),
          figure("%.3g", figures.max_abs),
          figure("%.3g", figures.rms),
          figure("%.3g", figures.relative),
          figure("%.6f", figures.cosine),
          figure("%.1f", figures.snr_db)};
}

void add_list(std::string& text, const char* name, const std::vector<std::string>& lines) {
  for (std::size_t i = 0; i < lines.size() && i < kMostListed; ++i) {
    text += fact_line(i == 0 ? name : "", lines[i]);
  }
  if (lines.size() > kMostListed) {
    text += fact_line("", "and " + std::to_string(lines.size() - kMostListed) + " more (--json)");
  }
}

std::vector<std::string> printable_names(const std::vector<std::string>& names) {
  std::vector<std::string> lines;
  for (const std::string& name : names) lines.push_back(printable(name));
  return lines;
}

}  // namespace

std::string compare_text(const CompareReport& report, std::size_t width) {
  std::string text = fact_line("A", printable(report.a)) + fact_line("B", printable(report.b));
  const auto differing = std::count_if(
      report.tensors.begin(), report.tensors.end(), [](const TensorComparison& tensor) {
        return tensor.figures.relative > 0 || tensor.figures.nonfinite_differ != 0;
      });
  text += fact_line("compared", counted(report.tensors.size(), "tensor") + ", of which " +
                                    std::to_string(differing) +
                                    (differing == 1 ? " differs" : " differ"));
  add_list(text, "only in A", printable_names(report.only_a));
  add_list(text, "only in B", printable_names(report.only_b));
  std::vector<std::string> shapes;
  for (const ShapeDifference& shape : report.shapes) {
    shapes.push_back(printable(shape.name) + ": " + shape_text(shape.shape_a) + " in A, " +
                     shape_text(shape.shape_b) + " in B" +
                     (shape.fault == Fault::transposed ? ", transposed" : ""));
  }
  add_list(text, "shapes", shapes);
  const DifferenceFigures& total = report.total;
  text += fact_line("total", "relative error " + figure("%.3g", total.relative) + ", cosine " +
                                 figure("%.6f", total.cosine) + ", SNR " +
                                 figure("%.1f", total.snr_db) + " dB, max " +
                                 figure("%.3g", total.max_abs));
  if (total.nonfinite_differ != 0) {
    text += fact_line("not finite", counted(total.nonfinite_differ, "element") +
                                        " infinite or NaN on one side only");
  }
  for (std::size_t i = 0; i < report.verdicts.size(); ++i) {
    text += fact_line(i == 0 ? "found" : "", report.verdicts[i]);
  }
  const std::string verdict = fact_line("verdict", report.conclusion);
  if (differing == 0) return text + verdict;
  std::vector<std::vector<std::string>> rows = {
      {"tensor", "shape", "types", "fault", "max abs", "RMS", "relative", "cosine", "SNR dB"}};
  for (const TensorComparison& tensor : report.tensors) {
    if (rows.size() > kWorst || rows.size() > static_cast<std::size_t>(differing)) break;
    rows.push_back(row_of(tensor));
  }
  return text + fact_line("worst", "the first of the worst") +
         column_lines(rows, {.width = width, .ranks = {0, 7, 8, 2, 5, 6, 1, 4, 3}}) + verdict;
}

}  // namespace thaw::app
