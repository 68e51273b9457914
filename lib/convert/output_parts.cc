#include "convert/output_parts.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "json/walk.h"

namespace thaw {

namespace {

constexpr std::uint64_t kLengthBytes = 8;

// The first value of data_offsets, and the second.
std::optional<std::pair<std::uint64_t, std::uint64_t>> offsets_of(const json::Value& entry) {
  std::vector<std::uint64_t> offsets;
  entry.each_member([&](std::string_view key, json::Value value) {
    if (key != "data_offsets") return;
    value.each_item([&](json::Value item) { offsets.push_back(item.as_unsigned().value_or(0)); });
  });
  if (offsets.size() != 2) return std::nullopt;
  return std::pair(offsets[0], offsets[1]);
}

Result<std::vector<OutputPart>> parts_of_shard(const PlannedFile& file, std::string_view text) {
  const auto length = text.size() < kLengthBytes ? std::uint64_t{0}
                                                 : load_little_endian<std::uint64_t>(text.data());
  if (length > text.size() - std::min<std::uint64_t>(kLengthBytes, text.size())) {
    return fail(ErrorCode::input, {.file = file.name, .tensor = {}}, "its header has changed");
  }
  const std::uint64_t data = kLengthBytes + length;
  std::vector<OutputPart> parts = {{0, data, {}}};
  json::ObjectWalk walk(file.name, text.substr(kLengthBytes, length), kLengthBytes);
  while (walk.next()) {
    if (walk.key() == "__metadata__") continue;
    const std::optional<json::Value> entry = walk.value();
    if (!entry) break;
    const auto offsets = offsets_of(*entry);
    if (!offsets || offsets->first >= offsets->second) continue;
    parts.push_back({data + offsets->first, data + offsets->second, std::string(walk.key())});
  }
  THAW_RETURN_IF_ERROR(walk.status());
  std::sort(parts.begin() + 1, parts.end(),
            [](const OutputPart& a, const OutputPart& b) { return a.begin < b.begin; });
  return parts;
}

}  // namespace

Result<std::vector<std::vector<OutputPart>>> output_parts(const Plan& plan) {
  std::vector<std::vector<OutputPart>> all;
  for (const PlannedFile& file : plan.files) {
    if (file.tensors == 0 || file.segments.empty()) {
      all.push_back({{0, file.size, {}}});
      continue;
    }
    const Segment& first = file.segments.front();
    std::string_view text;
    if (first.kind == SegmentKind::literal) {
      text = plan.literals[first.source];
    } else {  // a shard that is copied whole
      const std::span<const std::byte> bytes = plan.inputs[first.source]->bytes();
      text = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    THAW_ASSIGN_OR_RETURN(std::vector<OutputPart> parts, parts_of_shard(file, text));
    all.push_back(std::move(parts));
  }
  return all;
}

}  // namespace thaw
