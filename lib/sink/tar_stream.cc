#include "sink/tar_stream.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/bytes.h"
#include "sink/tar_header.h"

namespace thaw {

namespace {

constexpr std::uint64_t kBlock = 512;
constexpr std::uint64_t kRecord = 20 * kBlock;  // archives end at a multiple of it
constexpr std::uint64_t kEndMarker = 2 * kBlock;

}  // namespace

TarLayout lay_out_tar(const PlannedFiles& plan, const std::string& root, std::uint64_t mtime) {
  TarLayout layout;
  std::set<std::string> made;
  for (const PlannedFile& file : plan.files) {
    std::string before;
    const std::string path = root + "/" + file.name;
    for (std::size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      const std::string folder = path.substr(0, slash + 1);
      if (!made.insert(folder).second) continue;
      before += tar_header({.name = folder, .size = 0, .mtime = mtime, .directory = true});
    }
    before += tar_header({.name = path, .size = file.size, .mtime = mtime, .directory = false});
    layout.size += before.size() + round_up(file.size, kBlock);
    layout.headers.push_back(std::move(before));
  }
  layout.size = round_up(layout.size + kEndMarker, kRecord);
  return layout;
}

Status TarStream::put(std::string_view text) {
  put_ += text.size();
  return to_.put(std::as_bytes(std::span(text.data(), text.size())));
}

Status TarStream::put_zeros(std::uint64_t count) {
  static constexpr std::array<char, kRecord> kZeros{};
  while (count != 0) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(count, kZeros.size()));
    THAW_RETURN_IF_ERROR(put({kZeros.data(), part}));
    count -= part;
  }
  return {};
}

Status TarStream::begin_next() {
  if (begun_ != 0) {
    const PlannedFile& last = plan_.files[begun_ - 1];
    if (offset_ != last.size) {
      return fail(ErrorCode::bug, {.file = last.name, .tensor = {}}, "was not written whole");
    }
    THAW_RETURN_IF_ERROR(put_zeros(round_up(offset_, kBlock) - offset_));
  }
  offset_ = 0;
  if (begun_ == plan_.files.size()) return {};
  return put(layout_.headers[begun_++]);
}

Status TarStream::write(std::uint32_t file, std::uint64_t offset,
                        std::span<const std::byte> bytes) {
  while (begun_ <= file) THAW_RETURN_IF_ERROR(begin_next());
  if (begun_ != std::uint64_t{file} + 1 || offset_ != offset) {
    return fail(ErrorCode::bug, {.file = plan_.files[file].name, .tensor = {}},
                "came out of order");
  }
  offset_ += bytes.size();
  put_ += bytes.size();
  return to_.put(bytes);
}

Status TarStream::finish() {
  while (begun_ < plan_.files.size()) THAW_RETURN_IF_ERROR(begin_next());
  THAW_RETURN_IF_ERROR(begin_next());
  return put_zeros(layout_.size - put_);
}

}  // namespace thaw
