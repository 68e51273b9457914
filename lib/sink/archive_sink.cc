#include "sink/archive_sink.h"

#include <optional>
#include <utility>

#include "io/descriptor_stream.h"
#include "io/file_stream.h"
#include "sink/partial_file.h"
#include "sink/tar_stream.h"
#include "sink/zstd_stream.h"

namespace thaw {

namespace {

bool begins_as_tar(std::string_view start) { return start.substr(0, 512).find("ustar") == 257; }
bool begins_as_zstd(std::string_view start) { return start.substr(0, 4) == "\x28\xb5\x2f\xfd"; }
bool begins_as_safetensors(std::string_view start) { return start.substr(8, 2) == "{\""; }

bool (*beginning_of(StreamFormat format))(std::string_view) {
  if (format == StreamFormat::tar) return begins_as_tar;
  return format == StreamFormat::tar_zst ? begins_as_zstd : begins_as_safetensors;
}

class Archive final : public Sink {
 public:
  Archive(FileSystem& file_system, const PlannedFiles& plan, const ArchiveSettings& settings)
      : file_system_(file_system), plan_(plan), settings_(settings) {}

  Status open();

  [[nodiscard]] bool ordered() const override { return true; }
  [[nodiscard]] bool rereads() const override { return true; }
  [[nodiscard]] Status write(std::uint32_t file, std::uint64_t offset,
                             std::span<const std::byte> bytes) override {
    if (tar_) return tar_->write(file, offset, bytes);
    return content().put(bytes);
  }
  [[nodiscard]] Status finish() override;
  void abandon(Keep /*keep*/) override {
    tar_.reset();
    compressor_.reset();  // before the stream that it writes to
    end_.reset();
    file_ = nullptr;
    partial_.reset();
  }
  [[nodiscard]] bool locked() const override { return !partial_ || partial_->locked(); }
  [[nodiscard]] bool used_direct() const override { return direct_; }
  [[nodiscard]] std::uint64_t stream_bytes() const override { return bytes_; }

 private:
  ByteStream& content() { return compressor_ != nullptr ? *compressor_ : *end_; }
  Status open_end(std::optional<std::uint64_t> size);

  FileSystem& file_system_;
  const PlannedFiles& plan_;
  const ArchiveSettings settings_;
  TarLayout layout_;
  std::optional<PartialFile> partial_;  // outlives the stream into it
  std::unique_ptr<ByteStream> end_;
  FileStream* file_ = nullptr;  // end_, where it is a file of ours
  std::unique_ptr<ByteStream> compressor_;
  std::optional<TarStream> tar_;
  std::uint64_t bytes_ = 0;
  bool direct_ = false;
};

Status Archive::open() {
  std::uint64_t size = plan_.bytes;
  if (settings_.format != StreamFormat::safetensors) {
    THAW_ASSIGN_OR_RETURN(layout_, lay_out_tar(plan_, settings_.root, settings_.mtime));
    size = layout_.size;
  }
  const bool compressed = settings_.format == StreamFormat::tar_zst;
  THAW_RETURN_IF_ERROR(open_end(compressed ? std::nullopt : std::optional(size)));
  if (compressed) {
    THAW_ASSIGN_OR_RETURN(compressor_, open_zstd_stream(*end_, {.level = settings_.level,
                                                                .workers = settings_.compressors,
                                                                .size = layout_.size}));
  }
  if (settings_.format != StreamFormat::safetensors) tar_.emplace(plan_, layout_, content());
  return {};
}

Status Archive::open_end(std::optional<std::uint64_t> size) {
  if (settings_.out.empty()) {
    THAW_ASSIGN_OR_RETURN(end_,
                          open_descriptor_stream(file_system_, {.descriptor = settings_.descriptor,
                                                                .name = settings_.descriptor_name,
                                                                .window = settings_.file.window,
                                                                .stop = settings_.stop}));
    return {};
  }
  THAW_ASSIGN_OR_RETURN(PartialFile partial,
                        PartialFile::open(file_system_, {.out = settings_.out,
                                                         .replace = settings_.replace,
                                                         .is_ours = beginning_of(settings_.format),
                                                         .size = size}));
  partial_.emplace(std::move(partial));
  THAW_ASSIGN_OR_RETURN(std::unique_ptr<FileStream> file,
                        FileStream::create(file_system_, partial_->path(), size, settings_.file));
  file_ = file.get();
  end_ = std::move(file);
  return {};
}

Status Archive::finish() {
  if (tar_) THAW_RETURN_IF_ERROR(tar_->finish());
  THAW_RETURN_IF_ERROR(content().finish());
  bytes_ = end_->size();
  if (!partial_) return {};
  direct_ = file_->used_direct();
  return partial_->publish();
}

}  // namespace

Result<std::unique_ptr<Sink>> open_archive_sink(FileSystem& file_system, const PlannedFiles& plan,
                                                const ArchiveSettings& settings) {
  auto sink = std::make_unique<Archive>(file_system, plan, settings);
  THAW_RETURN_IF_ERROR(sink->open());
  return std::unique_ptr<Sink>(std::move(sink));
}

}  // namespace thaw
