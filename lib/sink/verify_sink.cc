#include "sink/verify_sink.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/text.h"

namespace thaw {

namespace {

// What is compared at a time, and the grain at which the kernel gives whole large pages back.
constexpr std::uint64_t kStep = 4u << 20;

}  // namespace

Result<std::unique_ptr<VerifySink>> VerifySink::open(FileSystem& file_system,
                                                     const PlannedFiles& plan,
                                                     const std::string& directory, Parts parts) {
  std::unique_ptr<VerifySink> sink(new VerifySink(std::move(parts)));
  ErrorList unreadable;
  sink->results_.resize(plan.files.size());
  sink->left_.resize(plan.files.size());
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    File& result = sink->results_[i];
    Result<MappedFile> opened = MappedFile::open(file_system, directory + "/" + plan.files[i].name,
                                                 MappedFile::Empty::allowed);
    if (opened.ok()) {
      result.state = FileState::present;
      result.size = opened.value().size();
      sink->mapped_.emplace_back(std::move(opened).value());
      continue;
    }
    result.why = opened.error().messages.front();
    sink->mapped_.emplace_back();
    if (opened.error().code != ErrorCode::input) unreadable.add(std::move(opened).take_status());
  }
  THAW_RETURN_IF_ERROR(unreadable.take());
  return sink;
}

Status VerifySink::write(std::uint32_t file, std::uint64_t offset,
                         std::span<const std::byte> bytes) {
  if (!mapped_[file]) return {};
  const MappedFile& mapped = *mapped_[file];
  const std::uint64_t begin = std::min(offset, mapped.size());
  const std::uint64_t end = std::min(offset + bytes.size(), mapped.size());
  for (std::uint64_t at = begin; at < end;) {
    const std::uint64_t size = std::min(round_down(at, kStep) + kStep, end) - at;
    THAW_RETURN_IF_ERROR(mapped.populate(at, size));
    const std::span<const std::byte> want = bytes.subspan(at - offset, size);
    const std::span<const std::byte> got = mapped.bytes().subspan(at, size);
    const bool equal = std::memcmp(want.data(), got.data(), size) == 0;
    if (mapped.damaged()) return mapped.check_unchanged();
    if (!equal) note(file, at, want, got);
    at += size;
  }
  if (begin < end) forget(file, begin, end);
  return {};
}

// Drops every step of which all bytes were compared, whoever did it: a step that two pieces share
// would come back if the first of them dropped it, and stay if the last did not.
void VerifySink::forget(std::uint32_t file, std::uint64_t begin, std::uint64_t end) {
  const MappedFile& mapped = *mapped_[file];
  const std::lock_guard lock(mutex_);
  std::vector<std::uint32_t>& left = left_[file];
  if (left.empty()) {
    left.resize(divide_up(mapped.size(), kStep), kStep);
    left.back() = static_cast<std::uint32_t>(mapped.size() - (left.size() - 1) * kStep);
  }
  for (std::uint64_t step = begin / kStep; step * kStep < end; ++step) {
    const std::uint64_t from = std::max(begin, step * kStep);
    const std::uint64_t to = std::min(end, (step + 1) * kStep);
    left[step] -= static_cast<std::uint32_t>(to - from);
    if (left[step] == 0) mapped.drop(step * kStep, kStep);
  }
}

void VerifySink::note(std::uint32_t file, std::uint64_t offset, std::span<const std::byte> want,
                      std::span<const std::byte> got) {
  const std::vector<std::uint64_t>& begins = parts_[file];
  auto next = std::upper_bound(begins.begin(), begins.end(), offset);
  for (std::uint64_t at = 0; at < want.size(); ++next) {
    const std::uint64_t end =
        next == begins.end() ? want.size() : std::min<std::uint64_t>(*next - offset, want.size());
    PartDifference found;
    for (; at < end; ++at) {
      if (want[at] != got[at] && found.bytes++ == 0) found.first = offset + at;
    }
    if (found.bytes == 0) continue;
    const auto part = static_cast<std::uint32_t>(next - begins.begin()) - 1;
    const std::lock_guard lock(mutex_);
    PartDifference& all = results_[file].differences[part];
    all.first = all.bytes == 0 ? found.first : std::min(all.first, found.first);
    all.bytes += found.bytes;
  }
}

Status VerifySink::finish() {
  ErrorList errors;
  for (const std::optional<MappedFile>& file : mapped_) {
    if (file) errors.add(file->check_unchanged());
  }
  return errors.take();
}

}  // namespace thaw
