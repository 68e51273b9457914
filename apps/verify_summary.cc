#include "verify_summary.h"

#include <algorithm>

#include "base/text.h"
#include "json_out.h"
#include "table.h"

namespace thaw::app {

namespace {

const char* name_of(VerifyFinding::Kind kind) {
  switch (kind) {
    case VerifyFinding::Kind::differs:
      return "differs";
    case VerifyFinding::Kind::missing:
      return "missing";
    case VerifyFinding::Kind::size:
      return "size";
    case VerifyFinding::Kind::extra:
      return "extra";
    case VerifyFinding::Kind::packed:
      return "packed";
  }
  return "";
}

const char* name_of(ChecksumFinding::Kind kind) {
  switch (kind) {
    case ChecksumFinding::Kind::differs:
      return "differs";
    case ChecksumFinding::Kind::missing:
      return "missing";
    case ChecksumFinding::Kind::unlisted:
      return "unlisted";
  }
  return "";
}

void add_findings(JsonOut& out, const std::vector<VerifyFinding>& findings) {
  out.begin_array("differences");
  for (const VerifyFinding& finding : findings) {
    out.begin_object();
    out.member("file", finding.file);
    out.member("part", finding.part);
    out.member("kind", name_of(finding.kind));
    if (finding.kind == VerifyFinding::Kind::differs) {
      out.member("bytes", finding.bytes);
      out.member("first", finding.first);
    } else if (finding.kind == VerifyFinding::Kind::size) {
      out.member("got", finding.bytes);
      out.member("expected", finding.first);
    } else if (finding.kind == VerifyFinding::Kind::missing ||
               finding.kind == VerifyFinding::Kind::packed) {
      out.member("why", finding.why);
    }
    out.end_object();
  }
  out.end_array();
}

void add_tensors(JsonOut& out, const std::vector<VerifiedTensor>& tensors) {
  out.begin_array("tensors");
  for (const VerifiedTensor& tensor : tensors) {
    out.begin_object();
    out.member("name", tensor.name);
    out.member("file", tensor.file);
    out.member("bytes", tensor.bytes);
    out.member("differing", tensor.differing);
    if (tensor.differing != 0) out.member("first", tensor.first);
    out.end_object();
  }
  out.end_array();
}

void add_certificate(JsonOut& out, const Certificate& certificate) {
  out.begin_object("certificate");
  out.member("holds", certificate.holds());
  out.member("recovered", certificate.recovered);
  out.member("ambiguous", certificate.ambiguous);
  out.member("wrong", certificate.wrong);
  out.begin_array("linears");
  for (const LinearCertificate& linear : certificate.linears) {
    out.begin_object();
    out.member("tensor", linear.tensor);
    out.member("layout", linear.layout);
    out.member("recovered", linear.recovered);
    out.member("ambiguous", linear.ambiguous);
    out.member("wrong", linear.wrong);
    if (linear.wrong != 0) {
      out.member("row", linear.row);
      out.member("column", linear.column);
    }
    if (!linear.flaw.empty()) out.member("flaw", linear.flaw);
    out.end_object();
  }
  out.end_array();
  out.end_object();
}

void add_checksums(JsonOut& out, const ChecksumReport& checksums) {
  out.begin_object("checksums");
  out.member("holds", checksums.holds());
  out.member("files", checksums.files);
  out.member("bytes", checksums.bytes);
  out.begin_array("differences");
  for (const ChecksumFinding& finding : checksums.findings) {
    out.begin_object();
    out.member("file", finding.file);
    out.member("kind", name_of(finding.kind));
    out.end_object();
  }
  out.end_array();
  out.end_object();
}

constexpr std::size_t kMostListed = 3;

// specs/verify.md 1.4.
std::string verdict_text(const VerifyReport& report) {
  if (report.holds()) return "equal";
  if (report.tensors.empty()) {
    return report.checksums && !report.checksums->holds()
               ? "damaged: files are not what SHA256SUMS says"
               : "different";
  }
  std::uint64_t differing = 0;
  for (const VerifiedTensor& tensor : report.tensors) differing += tensor.differing != 0 ? 1 : 0;
  const bool codes_hold = report.certificate && report.certificate->holds();
  if (differing == 0) {
    return !report.certificate || codes_hold ? "equal weights, other files" : "different";
  }
  if (codes_hold) return "the same codes, rounded otherwise";
  if (report.certificate && report.certificate->wrong > report.certificate->recovered) {
    return "another model";
  }
  return "damaged: " + counted(differing, "tensor") + " of " +
         std::to_string(report.tensors.size()) + (differing == 1 ? " differs" : " differ");
}

std::string certificate_text(const Certificate& certificate) {
  std::string text = "the codes of " + std::to_string(certificate.recovered) + " weights in " +
                     counted(certificate.linears.size(), "linear") + " were recovered, " +
                     std::to_string(certificate.wrong) + " are wrong";
  if (certificate.ambiguous != 0) {
    text += "; " + std::to_string(certificate.ambiguous) + " have values of several codes";
  }
  return text;
}

}  // namespace

std::string verify_text(const VerifyOptions& options, const VerifyReport& report) {
  std::string text = fact_line("verified", printable(options.out));
  const ConvertOptions& conversion = options.conversion;
  if (!conversion.model.empty()) {
    text += fact_line("against", printable(conversion.model) +
                                     (conversion.base.empty() ? std::string()
                                                              : ", in the place of blocks of " +
                                                                    printable(conversion.base)));
    for (std::size_t i = 0; i < report.inferred.size(); ++i) {
      text += fact_line(i == 0 ? "inferred" : "", report.inferred[i]);
    }
    const auto differing =
        std::count_if(report.tensors.begin(), report.tensors.end(),
                      [](const VerifiedTensor& tensor) { return tensor.differing != 0; });
    text += fact_line("compared", counted(report.files, "file") + ", " +
                                      counted(report.tensors.size(), "tensor") + ", " +
                                      bytes_text(report.bytes) + "; " +
                                      counted(static_cast<std::uint64_t>(differing), "tensor") +
                                      (differing == 1 ? " differs" : " differ"));
  }
  if (report.certificate) text += fact_line("certificate", certificate_text(*report.certificate));
  if (report.checksums) {
    text +=
        fact_line("checksums", counted(report.checksums->files, "file") + " agree, " +
                                   std::to_string(report.checksums->findings.size()) + " do not");
  }
  const std::vector<std::string> findings = finding_lines(report);
  for (std::size_t i = 0; i < findings.size() && i < kMostListed; ++i) {
    text += fact_line(i == 0 ? "differences" : "", findings[i]);
  }
  if (findings.size() > kMostListed) {
    text +=
        fact_line("", "and " + std::to_string(findings.size() - kMostListed) + " more (--json)");
  }
  return text + fact_line("result", verdict_text(report));
}

std::string verify_json(const VerifyOptions& options, const VerifyReport& report) {
  JsonOut out;
  out.begin_object();
  out.member("out", options.out);
  out.member("against", options.conversion.model);
  out.member("base", options.conversion.base);
  out.member("equal", report.holds());
  out.member("inferred", report.inferred);
  out.member("files", report.files);
  out.member("bytes", report.bytes);
  add_findings(out, report.findings);
  if (report.certificate) add_certificate(out, *report.certificate);
  if (!report.no_certificate.empty()) out.member("no_certificate", report.no_certificate);
  if (report.checksums) add_checksums(out, *report.checksums);
  add_tensors(out, report.tensors);
  out.end_object();
  return std::move(out).take();
}

}  // namespace thaw::app
