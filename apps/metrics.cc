#include "metrics.h"

#include <array>
#include <ctime>
#include <functional>
#include <iomanip>
#include <locale>
#include <sstream>

namespace thaw::app {

namespace {

struct Metric {
  const char* name;
  const char* help;
  std::function<std::string(const JobState&)> value;  // empty: nothing to say yet
};

// Seconds since 1970 of "2026-11-21T03:00:00Z".
std::string timestamp(const std::string& text) {
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  std::tm parts{};
  in >> std::get_time(&parts, "%Y-%m-%dT%H:%M:%SZ");
  return in.fail() ? std::string() : std::to_string(::timegm(&parts));
}

std::string seconds(std::uint64_t milliseconds) {
  std::string fraction = std::to_string(milliseconds % 1000);
  fraction.insert(0, 3 - fraction.size(), '0');
  return std::to_string(milliseconds / 1000).append(".").append(fraction);
}

const std::array<Metric, 8>& metrics() {
  static const std::array<Metric, 8> all = {{
      {"thaw_job_exit_code", "Exit code of the job's last run.",
       [](const JobState& job) { return std::to_string(job.exit_code); }},
      {"thaw_job_last_run_timestamp_seconds", "When the job's last run ended.",
       [](const JobState& job) { return timestamp(job.ended); }},
      {"thaw_job_last_success_timestamp_seconds", "When the output was last found or made whole.",
       [](const JobState& job) { return timestamp(job.last_success); }},
      {"thaw_job_attempts", "Conversions that the last run tried.",
       [](const JobState& job) { return std::to_string(job.attempts); }},
      {"thaw_job_seconds", "How long the last conversion took.",
       [](const JobState& job) { return seconds(job.milliseconds); }},
      {"thaw_job_read_bytes", "Bytes that the last conversion read.",
       [](const JobState& job) { return std::to_string(job.bytes_read); }},
      {"thaw_job_written_bytes", "Bytes that the last conversion wrote.",
       [](const JobState& job) { return std::to_string(job.bytes_written); }},
      {"thaw_job_tensors", "Tensors of the output.",
       [](const JobState& job) { return std::to_string(job.tensors); }},
  }};
  return all;
}

}  // namespace

std::string metrics_text(std::span<const JobState> jobs) {
  std::string text;
  for (const Metric& metric : metrics()) {
    text.append("# HELP ").append(metric.name).append(" ").append(metric.help).append("\n");
    text.append("# TYPE ").append(metric.name).append(" gauge\n");
    for (const JobState& job : jobs) {
      const std::string value = job.ended.empty() ? std::string() : metric.value(job);
      if (value.empty()) continue;
      // A job's name holds nothing that would need escaping.
      text.append(metric.name).append("{job=\"").append(job.name).append("\"} ");
      text.append(value).append("\n");
    }
  }
  return text;
}

}  // namespace thaw::app
