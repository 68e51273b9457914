#include "job/job_state.h"

#include <array>
#include <ctime>
#include <optional>
#include <string_view>
#include <utility>

#include "io/atomic_file.h"
#include "io/directory.h"
#include "json/node.h"
#include "json/write.h"

namespace thaw {

namespace {

constexpr std::int64_t kVersion = 1;
constexpr std::size_t kMostBytes = 1u << 20;

// Both ways through one list of members, so that what is written is what is read.
template <typename Visitor, typename State>
void visit_members(State& state, Visitor& visit) {
  visit("name", state.name);
  visit("output", state.output);
  visit("fingerprint", state.fingerprint);
  visit("planned", state.planned);
  visit("archive_bytes", state.archive_bytes);
  visit("hook_pending", state.hook_pending);
  visit("running", state.running);
  visit("exit_code", state.exit_code);
  visit("error", state.error);
  visit("began", state.began);
  visit("ended", state.ended);
  visit("last_success", state.last_success);
  visit("attempts", state.attempts);
  visit("milliseconds", state.milliseconds);
  visit("bytes_read", state.bytes_read);
  visit("bytes_written", state.bytes_written);
  visit("tensors", state.tensors);
}

class Writer {
 public:
  void operator()(std::string_view key, const std::string& value) {
    begin(key);
    json::append_string(text_, value);
  }
  void operator()(std::string_view key, bool value) {
    begin(key);
    text_ += value ? "true" : "false";
  }
  template <typename Number>
  void operator()(std::string_view key, Number value) {
    begin(key);
    text_ += std::to_string(value);
  }
  std::string take() && { return std::move(text_) + "\n}\n"; }

 private:
  void begin(std::string_view key) {
    text_ += ",\n  ";
    json::append_string(text_, key);
    text_ += ": ";
  }
  std::string text_ = "{\n  \"version\": " + std::to_string(kVersion);
};

class Reader {
 public:
  explicit Reader(const json::Node& root) : root_(root) {}
  void operator()(std::string_view key, std::string& to) {
    const json::Node* node = root_.find(key);
    const auto value = node != nullptr ? node->as_string() : std::nullopt;
    if (value) to = *value;
    whole_ = whole_ && value.has_value();
  }
  void operator()(std::string_view key, bool& to) {
    const json::Node* node = root_.find(key);
    const auto value = node != nullptr ? node->as_boolean() : std::nullopt;
    if (value) to = *value;
    whole_ = whole_ && value.has_value();
  }
  template <typename Number>
  void operator()(std::string_view key, Number& to) {
    const json::Node* node = root_.find(key);
    const auto value = node != nullptr ? node->as_integer() : std::nullopt;
    if (value && std::in_range<Number>(*value)) {
      to = static_cast<Number>(*value);
    } else {
      whole_ = false;
    }
  }
  [[nodiscard]] bool whole() const { return whole_; }

 private:
  const json::Node& root_;
  bool whole_ = true;
};

}  // namespace

Result<JobState> parse_job_state(const std::string& path, std::string_view text) {
  THAW_ASSIGN_OR_RETURN(const json::Node root, json::parse(path, text, {.lines = true}));
  const json::Node* version = root.find("version");
  if (version == nullptr || version->as_integer() != kVersion) {
    return fail(ErrorCode::input, {path, {}}, "is no job state of this version of thaw");
  }
  JobState state;
  Reader reader(root);
  visit_members(state, reader);
  if (reader.whole()) return state;
  return fail(ErrorCode::input, {path, {}}, "is a damaged job state: a member is missing or wrong");
}

std::string job_state_text(const JobState& state) {
  Writer writer;
  visit_members(state, writer);
  return std::move(writer).take();
}

Result<JobState> load_job_state(FileSystem& file_system, const std::string& path) {
  if (!exists(path)) return JobState();
  THAW_ASSIGN_OR_RETURN(const std::string text, read_file(file_system, path, kMostBytes));
  return parse_job_state(path, text);
}

Status save_job_state(FileSystem& file_system, const std::string& path, const JobState& state) {
  return save_file(file_system, path, job_state_text(state));
}

Result<Lock> lock_job_state(FileSystem& file_system, const std::string& path) {
  Result<Lock> lock = Lock::take_file(file_system, path + ".lock");
  if (lock.ok() || lock.error().code != ErrorCode::locked) return lock;
  return fail(ErrorCode::locked, {path, {}}, "another run has this job",
              "Wait for it to end; it says how it ended.");
}

void remove_job_lock(FileSystem& file_system, const std::string& path) {
  file_system.unlink((path + ".lock").c_str());
}

std::string time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace thaw
