#include "io/file_stream.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace thaw {

namespace {

constexpr std::align_val_t kAlignment{kDirectAlignment};

struct FreeAligned {
  void operator()(std::byte* bytes) const { ::operator delete(bytes, kAlignment); }
};

class BufferedFile final : public FileStream {
 public:
  explicit BufferedFile(OutputFile file)
      : file_(std::move(file)),
        buffer_(static_cast<std::byte*>(::operator new(kBuffer, kAlignment))) {}

  [[nodiscard]] Status put(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const std::size_t part = std::min<std::size_t>(bytes.size(), kBuffer - held_);
      std::memcpy(buffer_.get() + held_, bytes.data(), part);
      held_ += part;
      bytes = bytes.subspan(part);
      if (held_ == kBuffer) THAW_RETURN_IF_ERROR(write_out(kBuffer));
    }
    return {};
  }
  [[nodiscard]] Status finish() override {
    const std::size_t rest = held_;
    const std::size_t whole_pages = rest / kDirectAlignment * kDirectAlignment;
    if (whole_pages != 0) THAW_RETURN_IF_ERROR(write_out(whole_pages));
    if (whole_pages != rest) {
      const std::span tail(buffer_.get() + whole_pages, rest - whole_pages);
      THAW_RETURN_IF_ERROR(file_.write(written_, tail));
      written_ += tail.size();
    }
    held_ = 0;
    return file_.finish();
  }
  [[nodiscard]] std::uint64_t size() const override { return written_ + held_; }
  [[nodiscard]] bool used_direct() const override { return file_.used_direct(); }

 private:
  Status write_out(std::size_t count) {
    THAW_RETURN_IF_ERROR(file_.write(written_, std::span(buffer_.get(), count)));
    written_ += count;
    held_ = 0;
    return {};
  }

  OutputFile file_;
  std::unique_ptr<std::byte, FreeAligned> buffer_;
  std::size_t held_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace

Result<std::unique_ptr<FileStream>> FileStream::create(FileSystem& file_system,
                                                       const std::string& path,
                                                       std::optional<std::uint64_t> size,
                                                       OutputSettings settings) {
  settings.grows = !size;
  THAW_ASSIGN_OR_RETURN(OutputFile file,
                        OutputFile::create(file_system, path, size.value_or(0), settings));
  return std::unique_ptr<FileStream>(std::make_unique<BufferedFile>(std::move(file)));
}

}  // namespace thaw
