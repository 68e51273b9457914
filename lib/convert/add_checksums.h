// SHA256SUMS: what sha256sum prints of every file of an output. specs/output.md clause 10.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/stop.h"
#include "execute/observer.h"
#include "plan/memory.h"
#include "plan/plan.h"
#include "sink/directory_sink.h"

namespace thaw {

// The text for names and their sums in hexadecimal, sorted by name.
[[nodiscard]] std::string checksums_text(std::vector<std::pair<std::string, std::string>> sums);

// Reads every file of the plan back and adds SHA256SUMS to the sink, between execute() and
// finish().
[[nodiscard]] Status add_checksums(const PlannedFiles& plan, const MemoryPlan& memory,
                                   DirectorySink& sink, Observer& observer, StopFlag& stop);

}  // namespace thaw
