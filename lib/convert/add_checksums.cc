#include "convert/add_checksums.h"

#include <algorithm>
#include <span>

#include "execute/each_file.h"
#include "io/sha256.h"
#include "verify/checksums.h"

namespace thaw {

std::string checksums_text(std::vector<std::pair<std::string, std::string>> sums) {
  std::sort(sums.begin(), sums.end());
  std::string text;
  // No name of ours holds a line break or a backslash, which sha256sum would escape.
  for (const auto& [name, sum] : sums) text += sum + "  " + name + "\n";
  return text;
}

Status add_checksums(const PlannedFiles& plan, const MemoryPlan& memory, DirectorySink& sink,
                     Observer& observer, StopFlag& stop) {
  std::vector<std::uint32_t> files;
  std::vector<std::pair<std::string, std::string>> sums;
  for (std::uint32_t i = 0; i < plan.files.size(); ++i) {
    if (plan.files[i].size != 0) files.push_back(i);
    sums.emplace_back(plan.files[i].name, Sha256().finish());  // of no bytes
  }
  // The largest first: whoever takes the last file should not be alone for long.
  std::stable_sort(files.begin(), files.end(), [&](std::uint32_t a, std::uint32_t b) {
    return plan.files[a].size > plan.files[b].size;
  });
  const FileWork hash = [&](std::uint32_t file, std::span<std::byte> buffer,
                            const std::function<Status(std::uint64_t)>& advance) {
    Sha256 sum;
    Status read = sink.read(file, buffer, [&](std::uint64_t, std::span<const std::byte> bytes) {
      sum.add(bytes);
      return advance(bytes.size());
    });
    sums[file].second = sum.finish();  // each element belongs to one thread
    return read;
  };
  THAW_RETURN_IF_ERROR(
      for_each_file(plan, memory, files, "computing checksums", hash, observer, stop));
  for (const auto& [name, sum] : sums) {
    if (sum.empty()) {
      return fail(ErrorCode::io, {.file = name, .tensor = {}},
                  "SHA-256 is not available in this system's libcrypto");
    }
  }
  return sink.add(kChecksumsName, checksums_text(std::move(sums)));
}

}  // namespace thaw
