// A small output that is published over an old directory, for publish_test.cc and intruder_test.cc.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "sink/directory_sink.h"
#include "support/faulty_file_system.h"
#include "support/temporary_directory.h"
#include "support/tree.h"

namespace thaw::testing {

constexpr std::size_t kSize = 6000;
using Tree = std::map<std::string, std::string>;
inline const Tree kOld = {{"config.json", "old"}, {"code", "/"}, {"code/old.py", "older"}};
inline const Tree kNew = {{"config.json", std::string(kSize, 'a')},
                          {"code", "/"},
                          {"code/a.py", std::string(kSize, 'b')}};

inline Plan small_plan() {
  Plan plan;
  plan.fingerprint = "0123456789abcdef";
  for (const char* name : {"config.json", "code/a.py"}) {
    PlannedFile file;
    file.name = name;
    file.size = kSize;
    plan.bytes += kSize;
    plan.files.push_back(std::move(file));
  }
  return plan;
}

// As convert() does it; `meanwhile` happens when all is written.
inline Status run(
    FileSystem& file_system, const DirectorySettings& settings,
    const std::function<void()>& meanwhile = [] {}) {
  static const Plan plan = small_plan();
  THAW_ASSIGN_OR_RETURN(const auto sink, DirectorySink::open(file_system, plan, settings));
  alignas(4096) static std::byte buffer[8192];
  const auto advance = [](std::uint64_t) { return Status(); };
  for (const std::uint32_t file : sink->found()) {
    THAW_RETURN_IF_ERROR(sink->check(file, buffer, advance));
  }
  for (std::uint32_t i = 0; i < plan.files.size(); ++i) {
    if (sink->has(i)) continue;
    const std::string bytes(kSize, static_cast<char>('a' + static_cast<int>(i)));
    THAW_RETURN_IF_ERROR(sink->write(i, 0, std::as_bytes(std::span(bytes))));
  }
  meanwhile();
  return sink->finish();
}

struct OldOutput {
  explicit OldOutput(bool old = true) {
    if (!old) return;
    directory.write("work/out/config.json", "old");
    directory.write("work/out/code/old.py", "older");
  }
  TemporaryDirectory directory{TemporaryDirectory::Place::memory};
  std::string work = directory.write("work/beside", "mine").substr(0, directory.path().size() + 5);
  std::string out = work + "/out";
  DirectorySettings settings{.out = out, .replace = true};
};

struct Quick : FaultyFileSystem {
  Quick() { skip_disk = true; }
};

}  // namespace thaw::testing
