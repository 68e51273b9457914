// The last results of jobs as a Prometheus text file. specs/jobs.md clause 8.
#pragma once

#include <span>
#include <string>

#include "job/job_state.h"

namespace thaw::app {

[[nodiscard]] std::string metrics_text(std::span<const JobState> jobs);

}  // namespace thaw::app
