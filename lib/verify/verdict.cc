// What a verification found, in words.
#include <utility>

#include "base/text.h"
#include "verify/verify.h"

namespace thaw {

namespace {

std::string line_of(const VerifyFinding& finding) {
  if (finding.kind == VerifyFinding::Kind::packed) return finding.why;
  std::string line = printable(finding.file) + ": ";
  if (!finding.part.empty()) line += printable(finding.part) + ": ";
  switch (finding.kind) {
    case VerifyFinding::Kind::differs:
      line +=
          std::to_string(finding.bytes) + (finding.bytes == 1 ? " byte differs" : " bytes differ");
      return line + ", the first at byte " + std::to_string(finding.first) + " of the file";
    case VerifyFinding::Kind::missing:
      return line + "is missing (" + finding.why + ")";
    case VerifyFinding::Kind::size:
      return line + "size in bytes: got " + std::to_string(finding.bytes) + ", expected " +
             std::to_string(finding.first);
    case VerifyFinding::Kind::extra:
      return line + "is no part of the output, and holds weights";
    case VerifyFinding::Kind::packed:  // has returned
      break;
  }
  return line;
}

std::string line_of(const LinearCertificate& linear) {
  std::string line = printable(linear.tensor) + ": ";
  if (!linear.flaw.empty()) return line + linear.flaw;
  return line + std::to_string(linear.wrong) + " of " +
         std::to_string(linear.wrong + linear.recovered + linear.ambiguous) +
         " weights are not what their codes give, the first at row " + std::to_string(linear.row) +
         ", column " + std::to_string(linear.column);
}

std::string line_of(const ChecksumFinding& finding) {
  const std::string line = std::string(kChecksumsName) + ": " + printable(finding.file);
  switch (finding.kind) {
    case ChecksumFinding::Kind::differs:
      return line + ": the checksum differs";
    case ChecksumFinding::Kind::missing:
      return line + ": is missing";
    case ChecksumFinding::Kind::unlisted:
      return line + ": is not listed";
  }
  return line;
}

}  // namespace

std::vector<std::string> finding_lines(const VerifyReport& report) {
  std::vector<std::string> lines;
  for (const VerifyFinding& finding : report.findings) lines.push_back(line_of(finding));
  if (!report.no_certificate.empty()) {
    lines.push_back("no certificate: " + report.no_certificate);
  }
  if (report.certificate) {
    for (const LinearCertificate& linear : report.certificate->linears) {
      if (linear.wrong != 0 || !linear.flaw.empty()) {
        lines.push_back("certificate: " + line_of(linear));
      }
    }
  }
  if (report.checksums) {
    for (const ChecksumFinding& finding : report.checksums->findings) {
      lines.push_back(line_of(finding));
    }
  }
  return lines;
}

Status verdict(const VerifyReport& report) {
  if (report.holds()) return {};
  ErrorList errors;
  for (std::string& line : finding_lines(report)) {
    errors.add(Error{ErrorCode::differs, {std::move(line)}, {}});
  }
  return errors.take();
}

}  // namespace thaw
