#include "verify/checksums.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/bytes.h"
#include "base/text.h"
#include "checkpoint/names.h"
#include "io/directory.h"
#include "io/mapped_file.h"
#include "io/sha256.h"

namespace thaw {

namespace {

constexpr std::size_t kDigits = 64;
constexpr std::uint64_t kMostText = 64u << 20;
constexpr std::uint64_t kStep = 4u << 20;
constexpr std::size_t kDeepest = 64;  // folders

std::string lower(std::string_view digits) {
  std::string text(digits);
  for (char& c : text) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

// What coreutils escapes where a line begins with a backslash; nothing when it is malformed.
std::optional<std::string> unescaped(std::string_view name) {
  std::string plain;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '\\') {
      plain += name[i];
      continue;
    }
    if (++i == name.size()) return std::nullopt;
    if (name[i] == 'n')
      plain += '\n';
    else if (name[i] == 'r')
      plain += '\r';
    else if (name[i] == '\\')
      plain += '\\';
    else
      return std::nullopt;
  }
  return plain;
}

// Why a name cannot be that of a file below the directory; empty when it can.
std::string name_problem(std::string_view name) {
  if (name.starts_with('/')) return "is absolute";
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty()) return "has an empty part";
    if (part == "." || part == "..") return "leads elsewhere";
    if (part.find('\0') != std::string_view::npos) return "holds a zero byte";
    begin = end + 1;
  }
  return {};
}

std::optional<ChecksumLine> parse_line(std::string_view line) {
  const bool escaped = line.starts_with('\\');
  if (escaped) line.remove_prefix(1);
  // The digits, a space, a space (text) or an asterisk (binary), the name.
  if (line.size() < kDigits + 3 || !is_hex(line.substr(0, kDigits)) || line[kDigits] != ' ' ||
      (line[kDigits + 1] != ' ' && line[kDigits + 1] != '*')) {
    return std::nullopt;
  }
  const std::string_view name = line.substr(kDigits + 2);
  std::optional<std::string> plain = escaped ? unescaped(name) : std::string(name);
  if (!plain) return std::nullopt;
  if (plain->starts_with("./")) plain->erase(0, 2);
  return ChecksumLine{std::move(*plain), lower(line.substr(0, kDigits))};
}

Result<std::string> digest_of(const MappedFile& file) {
  Sha256 hash;
  for (std::uint64_t at = 0; at < file.size(); at += kStep) {
    const std::uint64_t size = std::min(kStep, file.size() - at);
    THAW_RETURN_IF_ERROR(file.populate(at, size));
    hash.add(file.bytes().subspan(at, size));
    file.drop(at, kStep);
  }
  THAW_RETURN_IF_ERROR(file.check_unchanged());
  return hash.finish();
}

Status list_files(const std::string& directory, const std::string& prefix, std::size_t depth,
                  std::set<std::string>& files) {
  if (depth > kDeepest) {
    return fail(ErrorCode::input, {.file = directory, .tensor = {}}, "folders are nested too deep");
  }
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(directory));
  for (const DirectoryEntry& entry : entries) {
    if (entry.kind == FileKind::directory && !entry.link) {
      THAW_RETURN_IF_ERROR(list_files(join_path(directory, entry.name), prefix + entry.name + "/",
                                      depth + 1, files));
    } else if (depth != 0 || entry.name != kChecksumsName) {
      files.insert(prefix + entry.name);
    }
  }
  return {};
}

}  // namespace

Result<std::vector<ChecksumLine>> parse_checksums(std::string_view file, std::string_view text) {
  std::vector<ChecksumLine> lines;
  std::set<std::string, std::less<>> seen;
  ErrorList errors;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    const std::string where = "line " + std::to_string(number);
    std::optional<ChecksumLine> parsed = parse_line(line);
    if (!parsed) {
      errors.add(fail(ErrorCode::input, {.file = file, .tensor = {}},
                      where + " is no line of sha256sum: 64 hexadecimal digits, two characters, a "
                              "name"));
      continue;
    }
    const std::string problem = name_problem(parsed->name);
    if (!problem.empty()) {
      errors.add(fail(ErrorCode::input, {.file = file, .tensor = {}},
                      where + ": the name " + printable(parsed->name) + " " + problem));
    } else if (!seen.insert(parsed->name).second) {
      errors.add(fail(ErrorCode::input, {.file = file, .tensor = {}},
                      where + ": the name " + printable(parsed->name) + " stands twice"));
    } else {
      lines.push_back(std::move(*parsed));
    }
  }
  THAW_RETURN_IF_ERROR(errors.take());
  return lines;
}

Result<ChecksumReport> check_checksums(FileSystem& file_system, const std::string& directory,
                                       Parallel& parallel) {
  const std::string path = join_path(directory, kChecksumsName);
  THAW_ASSIGN_OR_RETURN(const std::string text, read_file(file_system, path, kMostText));
  THAW_ASSIGN_OR_RETURN(const std::vector<ChecksumLine> lines, parse_checksums(path, text));
  std::set<std::string> present;
  THAW_RETURN_IF_ERROR(list_files(directory, {}, 0, present));
  enum class Outcome : std::uint8_t { agrees, differs, missing };
  std::vector<Outcome> outcomes(lines.size(), Outcome::missing);
  std::vector<std::uint64_t> sizes(lines.size(), 0);
  const std::string inside = resolved_path(directory) + "/";
  THAW_RETURN_IF_ERROR(parallel.run(lines.size(), [&](unsigned, std::uint64_t i) -> Status {
    const std::string name = join_path(directory, lines[i].name);
    // A link may lead out of the directory: what it points at is none of the output's files.
    if (present.count(lines[i].name) == 0 || !resolved_path(name).starts_with(inside)) return {};
    THAW_ASSIGN_OR_RETURN(const MappedFile file,
                          MappedFile::open(file_system, name, MappedFile::Empty::allowed));
    THAW_ASSIGN_OR_RETURN(const std::string hex, digest_of(file));
    sizes[i] = file.size();
    outcomes[i] = hex == lines[i].hex ? Outcome::agrees : Outcome::differs;
    return {};
  }));
  ChecksumReport report;
  using Kind = ChecksumFinding::Kind;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    present.erase(lines[i].name);
    report.bytes += sizes[i];
    if (outcomes[i] == Outcome::agrees) {
      ++report.files;
    } else {
      report.findings.push_back(
          {outcomes[i] == Outcome::differs ? Kind::differs : Kind::missing, lines[i].name});
    }
  }
  for (const std::string& name : present) report.findings.push_back({Kind::unlisted, name});
  std::stable_sort(
      report.findings.begin(), report.findings.end(),
      [](const ChecksumFinding& a, const ChecksumFinding& b) { return a.file < b.file; });
  return report;
}

}  // namespace thaw
