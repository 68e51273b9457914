#include "report_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace thaw::app {

namespace {

std::string last_error() { return std::generic_category().message(errno); }

bool is_inside(const std::string& file, const std::string& directory) {
  std::error_code ignored;
  const std::filesystem::path inner = std::filesystem::weakly_canonical(file, ignored);
  const std::filesystem::path outer = std::filesystem::weakly_canonical(directory, ignored);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

// A directory that is missing or closed to us is a wrong option.
Status not_writable(Error error) {
  if (error.code == ErrorCode::io) error.code = ErrorCode::usage;
  error.messages.front().insert(0, "the report cannot be written: ");
  return Status(std::move(error));
}

}  // namespace

Result<ReportFile> ReportFile::open(const std::string& path, const std::string& out) {
  ReportFile report;
  report.path_ = path;
  if (path == "-") {
    report.fd_ = ::dup(STDOUT_FILENO);
  } else {
    struct stat status {};
    const bool there = ::stat(path.c_str(), &status) == 0;
    if (there && !S_ISREG(status.st_mode)) {
      report.fd_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    } else if (!out.empty() && is_inside(path, out)) {
      return fail(ErrorCode::usage, {path, {}}, "the report lies inside OUT");
    } else {
      Result<AtomicFile> file = AtomicFile::create(real_file_system(), path);
      if (!file.ok()) return not_writable(std::move(file).take_status().take_error());
      report.file_ = std::move(file).value();
      return report;
    }
  }
  if (report.fd_ < 0) {
    return fail(ErrorCode::usage, {path, {}}, "the report cannot be written: " + last_error());
  }
  return report;
}

ReportFile::ReportFile(ReportFile&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::move(other.file_)),
      fd_(std::exchange(other.fd_, -1)) {}

ReportFile& ReportFile::operator=(ReportFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  std::swap(fd_, other.fd_);
  return *this;
}

ReportFile::~ReportFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status ReportFile::write(std::string_view text) {
  if (file_) {
    THAW_RETURN_IF_ERROR(file_->append(text));
    return file_->publish();
  }
  if (fd_ < 0) return {};
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(ErrorCode::io, {path_, {}}, last_error());
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace thaw::app
