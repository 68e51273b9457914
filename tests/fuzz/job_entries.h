// What the fuzzer of job files and states runs, and what a test runs over its corpus.
#pragma once

#include <cstdint>
#include <string_view>

#include "fuzz/require.h"
#include "job/job_file.h"
#include "job/job_state.h"

namespace thaw::fuzz {

inline void run_job_file(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const Result<JobState> state = parse_job_state("d/j.state", text); !state.ok()) {
    check_error(state.error());
  } else {
    // What is read is what would be written.
    const Result<JobState> again = parse_job_state("d/j.state", job_state_text(state.value()));
    require(again.ok() && job_state_text(again.value()) == job_state_text(state.value()));
  }
  const Result<Job> parsed = parse_job_file("d/j.json", text);
  if (!parsed.ok()) return check_error(parsed.error());
  const Job& job = parsed.value();
  require(!job.name.empty() && job.name.size() <= 100 && job.name.front() != '.');
  require(job.name.find('/') == std::string::npos && is_safe_line(job.name));
  require(!job.options.model.empty());
  require(!job.options.out.empty() || job.options.in_place);
  require(job.options.memory != 0 && job.options.max_shard_size != 0);
  for (const auto* command : {&job.on_success, &job.on_failure}) {
    for (const std::string& word : *command) require(word.find('\0') == std::string::npos);
    require(command->empty() || !command->front().empty());
  }
}

}  // namespace thaw::fuzz
