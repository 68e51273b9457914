#include "checkpoint/header.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/text.h"
#include "checkpoint/coverage.h"
#include "checkpoint/download_hint.h"
#include "checkpoint/entry.h"
#include "checkpoint/other_format.h"
#include "json/walk.h"

namespace thaw {

namespace {

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::uint64_t kPassedStep = 4u << 20;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What the file is, if it is seen to be something else, else that `what` is wrong with it.
Status fail_format(const Place& place, std::string_view file, const std::string& what,
                   std::string_view hint = {}) {
  const OtherFormat other = recognise_other_format(file.substr(0, 512));
  if (other.what.empty()) return fail(ErrorCode::input, place, what, hint);
  return fail(ErrorCode::input, place, "is " + other.what + ", not a safetensors file", other.hint);
}

// Clause 7.
void read_metadata(std::string_view path, const json::Value& value,
                   std::map<std::string, std::string>& metadata, ErrorList& errors) {
  const Place place{.file = path, .tensor = kMetadataKey};
  if (value.kind() != json::Kind::object) {
    errors.add(fail(ErrorCode::input, place, "the metadata", value.text(), "an object of strings"));
    return;
  }
  value.each_member([&](std::string_view key, const json::Value& member) {
    const std::optional<std::string_view> text = member.as_string();
    if (!text) {
      errors.add(fail(ErrorCode::input, place, in_quotes(key), member.text(), "a string"));
    } else {
      metadata.emplace(key, *text);
    }
  });
}

// Clause 6: a name stands once. The tensors are sorted by name.
void check_names_differ(std::string_view path, std::span<const Tensor> tensors, ErrorList& errors) {
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    if (tensors[i - 1].name != tensors[i].name) continue;
    errors.add(fail(ErrorCode::input, {.file = path, .tensor = tensors[i].name},
                    "stands twice in the header"));
  }
}

// Clause 5.3: tensors end beyond the data. Where all of them together cover a longer file without a
// gap, this file is the beginning of it; else each such tensor is wrong by itself.
void check_beyond(std::string_view path, std::span<const Tensor> tensors, std::uint64_t data_begin,
                  std::uint64_t size, ErrorList& errors) {
  const Tensor* first = nullptr;
  std::uint64_t end = size;
  std::size_t count = 0;
  for (const Tensor& tensor : tensors) {
    if (tensor.end <= size) continue;
    ++count;
    end = std::max(end, tensor.end);
    if (first == nullptr || tensor.begin < first->begin) first = &tensor;
  }
  ErrorList gaps;
  if (errors.empty()) check_coverage(path, tensors, data_begin, end, gaps);
  if (errors.empty() && gaps.empty()) {
    errors.add(fail(ErrorCode::input, {.file = path, .tensor = {}},
                    "is cut off: it has " + std::to_string(size) + " bytes and should have " +
                        std::to_string(end) + "; " + std::to_string(count) + " of its " +
                        std::to_string(tensors.size()) + " tensors lie beyond its end, the first " +
                        "is " + printable(first->name),
                    download_hint(path)));
    return;
  }
  for (const Tensor& tensor : tensors) {
    if (tensor.end <= size) continue;
    std::string offsets = "[";
    offsets += std::to_string(tensor.begin - data_begin) + ", ";
    offsets += std::to_string(tensor.end - data_begin) + "]";
    errors.add(fail(ErrorCode::input, {.file = path, .tensor = tensor.name}, "data_offsets",
                    offsets,
                    "an end of at most " + std::to_string(size - data_begin) +
                        ", the bytes of data in the file"));
  }
}

}  // namespace

// Clause 1.
Result<std::uint64_t> header_length(std::string_view path, std::span<const std::byte> file) {
  const Place place{.file = path, .tensor = {}};
  if (is_lfs_pointer(text_of(file).substr(0, 64))) {
    return fail(ErrorCode::input, place, "is a pointer of Git LFS, not the file itself",
                "Fetch the files with: git lfs pull");
  }
  if (file.size() < kHeaderBegin) {
    return fail(ErrorCode::input, place, "not a safetensors file: size",
                std::to_string(file.size()) + " bytes", "at least 8");
  }
  const auto length = load_little_endian<std::uint64_t>(file.data());
  if (length > kLongestHeader) {
    return fail_format(place, text_of(file),
                       "not a safetensors file: header length: got " + std::to_string(length) +
                           ", expected at most " + std::to_string(kLongestHeader));
  }
  if (length > file.size() - kHeaderBegin) {
    return fail_format(place, text_of(file),
                       "header length: got " + std::to_string(length) + ", expected at most " +
                           std::to_string(file.size() - kHeaderBegin) + ", the rest of the file",
                       download_hint(path));
  }
  return length;
}

Status read_header(std::string_view path, std::span<const std::byte> file, std::uint32_t shard,
                   TensorTable& table, const std::function<void(std::uint64_t)>& passed) {
  THAW_ASSIGN_OR_RETURN(const std::uint64_t length, header_length(path, file));
  const std::string_view text = text_of(file).substr(kHeaderBegin, length);
  if (text.empty() || text.front() != '{') {
    const std::string got = text.empty() ? "nothing" : in_quotes(text.substr(0, 1));
    return fail_format({.file = path, .tensor = {}}, text_of(file),
                       "the header begins with: got " + got + ", expected {");
  }
  const std::uint64_t data_begin = kHeaderBegin + length;
  const std::size_t first = table.tensors.size();
  ErrorList errors;
  EntryReader entries(path, data_begin, file.size() - data_begin, shard, table);
  bool metadata_seen = false;
  std::uint64_t told = 0;
  json::ObjectWalk walk(path, text, kHeaderBegin);
  while (walk.next()) {
    if (passed && walk.offset() >= told + kPassedStep) {
      told = walk.offset();
      passed(told);
    }
    const std::optional<json::Value> value = walk.value();
    if (!value) break;
    if (walk.key() != kMetadataKey) {
      entries.read(walk.key(), *value, errors);
    } else if (metadata_seen) {
      errors.add(fail(ErrorCode::input, {.file = path, .tensor = kMetadataKey},
                      "stands twice in the header"));
    } else {
      metadata_seen = true;
      read_metadata(path, *value, table.metadata, errors);
    }
  }
  errors.add(walk.status());
  const auto begin = table.tensors.begin() + static_cast<std::ptrdiff_t>(first);
  std::sort(begin, table.tensors.end(),
            [](const Tensor& a, const Tensor& b) { return a.name < b.name; });
  const std::span<const Tensor> own = std::span<const Tensor>(table.tensors).subspan(first);
  check_names_differ(path, own, errors);
  if (entries.beyond() != 0) {
    check_beyond(path, own, data_begin, file.size(), errors);
    return errors.take();
  }
  // From here on every tensor is well formed on its own and lies inside the data. Of tensors that
  // are not, the gaps would be reported once more.
  if (errors.empty()) check_coverage(path, own, data_begin, file.size(), errors);
  return errors.take();
}

}  // namespace thaw
