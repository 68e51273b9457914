#include "checkpoint_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <span>
#include <system_error>
#include <utility>

namespace thaw::tools {

namespace {

// A file that is written from start to end, and leaves the page cache as it goes: what reads the
// checkpoint next shall find it on the disk.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path)
      : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
    if (fd_ < 0) fail();
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() { ::close(fd_); }

  void append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0) fail();
      bytes = bytes.subspan(static_cast<std::size_t>(written));
      size_ += written;
    }
    if (size_ - flushed_ >= kWindow) flush();
  }
  // Leaves a hole: bytes that read as zeros.
  void skip(std::uint64_t bytes) {
    size_ += static_cast<off_t>(bytes);
    if (::lseek(fd_, size_, SEEK_SET) < 0) fail();
  }
  void finish() {
    if (::ftruncate(fd_, size_) != 0) fail();  // the end may be a hole
    flush();
    if (::fsync(fd_) != 0) fail();
    ::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  }

 private:
  static constexpr off_t kWindow = off_t{16} << 20;

  // Starts writing the newest window, waits for the one before it and drops that.
  void flush() {
    ::sync_file_range(fd_, flushed_, size_ - flushed_, SYNC_FILE_RANGE_WRITE);
    if (flushed_ > dropped_) {
      constexpr unsigned kWait =
          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
      ::sync_file_range(fd_, dropped_, flushed_ - dropped_, kWait);
      ::posix_fadvise(fd_, dropped_, flushed_ - dropped_, POSIX_FADV_DONTNEED);
    }
    dropped_ = flushed_;
    flushed_ = size_;
  }
  [[noreturn]] void fail() const { throw std::system_error(errno, std::generic_category(), path_); }

  std::string path_;
  int fd_;
  off_t size_ = 0;
  off_t flushed_ = 0;
  off_t dropped_ = 0;
};

std::string header_of(const ShardPlan& tensors) {
  std::string header = R"({"__metadata__":{"format":"pt"})";
  std::uint64_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    header += ",\"" + tensor.name + "\":{\"dtype\":\"" + tensor.dtype + "\",\"shape\":[";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      if (i > 0) header += ',';
      header += std::to_string(tensor.shape[i]);
    }
    header += "],\"data_offsets\":[" + std::to_string(offset) + ',';
    offset += tensor.size();
    header += std::to_string(offset) + "]}";
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return header;
}

std::string shard_name(std::size_t index, std::size_t count) {
  if (count == 1) return "model.safetensors";
  std::array<char, 64> name{};
  std::snprintf(name.data(), name.size(), "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name.data();
}

}  // namespace

void CheckpointWriter::write_shards(std::vector<ShardPlan> shards) {
  std::vector<std::pair<std::string, std::string>> files;  // of every tensor
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    // As the safetensors library orders a file: wide types first, then by name.
    std::sort(shards[i].begin(), shards[i].end(), [](const TensorSpec& a, const TensorSpec& b) {
      const std::uint64_t a_size = a.element_bytes();
      const std::uint64_t b_size = b.element_bytes();
      return a_size != b_size ? a_size > b_size : a.name < b.name;
    });
    const std::string name = shard_name(i, shards.size());
    for (const TensorSpec& tensor : shards[i]) {
      files.emplace_back(tensor.name, name);
      total += tensor.size();
    }
    write_shard(name, shards[i]);
  }
  if (shards.size() == 1) return;
  std::sort(files.begin(), files.end());
  std::string index = "{\n  \"metadata\": {\n    \"total_size\": " + std::to_string(total) +
                      "\n  },\n  \"weight_map\": {";
  const char* separator = "\n";
  for (const auto& [tensor, file] : files) {
    index += separator;
    index += "    \"" + tensor + "\": \"" + file + "\"";
    separator = ",\n";
  }
  write_text("model.safetensors.index.json", index + "\n  }\n}\n");
}

void CheckpointWriter::write_text(const std::string& name, const std::string& text) const {
  OutputFile file(directory_ + "/" + name);
  file.append(std::as_bytes(std::span(text)));
  file.finish();
}

void CheckpointWriter::write_shard(const std::string& name, const ShardPlan& tensors) const {
  OutputFile file(directory_ + "/" + name);
  const std::string header = header_of(tensors);
  const std::uint64_t length = header.size();
  file.append(std::as_bytes(std::span(&length, 1)));
  file.append(std::as_bytes(std::span(header)));
  constexpr std::size_t kBuffer = std::size_t{1} << 20;
  std::vector<std::byte> buffer(kBuffer);
  for (const TensorSpec& tensor : tensors) {
    if (is_hole(tensor)) {
      file.skip(tensor.size());
      continue;
    }
    for (std::uint64_t at = 0; at < tensor.size(); at += kBuffer) {
      const std::uint64_t size = std::min<std::uint64_t>(kBuffer, tensor.size() - at);
      const std::span<std::byte> part = std::span(buffer).first(size);
      filler_.fill(tensor, at, part);
      file.append(part);
    }
  }
  file.finish();
}

}  // namespace thaw::tools
