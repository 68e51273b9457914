#include <cmath>
#include <utility>

#include "base/text.h"
#include "compare_summary.h"
#include "json_out.h"

namespace thaw::app {

namespace {

void add_figures(JsonOut& out, const DifferenceFigures& figures) {
  out.member("elements", figures.elements);
  out.member("equal", figures.equal);
  out.member("nonfinite_a", figures.nonfinite_a);
  out.member("nonfinite_b", figures.nonfinite_b);
  out.member("nonfinite_differ", figures.nonfinite_differ);
  out.figure("max_abs", figures.max_abs);
  out.figure("rms", figures.rms);
  out.figure("relative", figures.relative);
  out.figure("cosine", figures.cosine);
  out.figure("snr_db", figures.snr_db);
}

void add_shape(JsonOut& out, const char* key, const std::vector<std::uint64_t>& shape) {
  out.begin_array(key);
  for (const std::uint64_t extent : shape) out.item(extent);
  out.end_array();
}

void add_histogram(JsonOut& out, const TensorComparison& tensor) {
  out.begin_array("histogram");
  for (std::size_t i = 0; i < kHistogramBins; ++i) {
    if (tensor.histogram[i] == 0) continue;
    out.begin_object();
    out.figure("from", std::ldexp(1.0, kHistogramFirst + static_cast<int>(i)));
    out.member("count", tensor.histogram[i]);
    out.end_object();
  }
  out.end_array();
}

void add_tensor(JsonOut& out, const TensorComparison& tensor) {
  out.begin_object();
  out.member("name", tensor.name);
  out.member("name_b", tensor.name_b.empty() ? tensor.name : tensor.name_b);
  out.member("module", tensor.module);
  if (tensor.layer) out.member("layer", *tensor.layer);
  out.member("type_a", tensor.type_a);
  out.member("type_b", tensor.type_b);
  add_shape(out, "shape", tensor.shape);
  out.member("bytes_only", tensor.bytes_only);
  add_figures(out, tensor.figures);
  out.member("fault", fault_name(tensor.fault));
  if (!tensor.fault_text.empty()) out.member("fault_text", tensor.fault_text);
  add_histogram(out, tensor);
  out.end_object();
}

void add_head(JsonOut& out, const CompareReport& report) {
  out.member("a", report.a);
  out.member("b", report.b);
  out.member("spec", report.spec);
  out.member("same_names_and_shapes", report.same_names_and_shapes());
  out.begin_object("total");
  add_figures(out, report.total);
  out.end_object();
}

}  // namespace

void add_comparison(JsonOut& out, const CompareReport& report, std::size_t histograms) {
  add_head(out, report);
  out.begin_array("histograms");
  for (std::size_t i = 0; i < histograms; ++i) {
    out.begin_object();
    out.member("name", printable(report.tensors[i].name));
    add_histogram(out, report.tensors[i]);
    out.end_object();
  }
  out.end_array();
}

std::string compare_json(const CompareReport& report) {
  JsonOut out;
  out.begin_object();
  add_head(out, report);
  out.member("verdict", report.conclusion);
  out.member("verdicts", report.verdicts);
  out.member("only_a", report.only_a);
  out.member("only_b", report.only_b);
  out.begin_array("shapes");
  for (const ShapeDifference& shape : report.shapes) {
    out.begin_object();
    out.member("name", shape.name);
    add_shape(out, "shape_a", shape.shape_a);
    add_shape(out, "shape_b", shape.shape_b);
    out.member("fault", fault_name(shape.fault));
    out.end_object();
  }
  out.end_array();
  out.member("warnings", report.warnings);
  out.begin_array("tensors");
  for (const TensorComparison& tensor : report.tensors) add_tensor(out, tensor);
  out.end_array();
  out.end_object();
  return std::move(out).take();
}

}  // namespace thaw::app
