#include "sink/part_files.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "io/directory.h"
#include "io/process.h"

namespace thaw {

namespace {

constexpr std::string_view kPrefix = "thaw-state.part-";
constexpr std::string_view kState = ".json";
constexpr std::string_view kNewState = ".json.new";
constexpr std::string_view kLock = ".lock";
constexpr std::chrono::seconds kPatience(5);
constexpr std::chrono::milliseconds kPause(50);

std::string stem(Part part) {
  return std::string(kPrefix) + std::to_string(part.index) + "-of-" + std::to_string(part.count);
}

// A part's index or count, without leading zeros: one part has one name.
std::optional<unsigned> number(std::string_view word) {
  unsigned value = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, problem] = std::from_chars(word.data(), end, value);
  if (problem != std::errc() || stop != end || word.front() == '0' || value > kMostParts) {
    return std::nullopt;
  }
  return value;
}

// The part in "thaw-state.part-2-of-8" and one of the endings.
std::optional<Part> part_in(std::string_view name, std::string_view ending) {
  if (!name.starts_with(kPrefix) || !name.ends_with(ending)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  if (name.size() <= ending.size()) return std::nullopt;
  name.remove_suffix(ending.size());
  constexpr std::string_view kOf = "-of-";
  const std::size_t of = name.find(kOf);
  if (of == std::string_view::npos || of == 0 || of + kOf.size() == name.size()) {
    return std::nullopt;
  }
  const std::optional<unsigned> index = number(name.substr(0, of));
  const std::optional<unsigned> count = number(name.substr(of + kOf.size()));
  if (!index || !count || *index > *count) return std::nullopt;
  return Part{.index = *index, .count = *count};
}

// Another machine may replace the file between our listing, opening and reading of it.
Result<RunState> load_moving_state(FileSystem& file_system, const std::string& path) {
  constexpr int kTries = 3;
  for (int i = 1;; ++i) {
    Result<RunState> state = load_run_state(file_system, path);
    if (state.ok() || i == kTries) return state;
    pause_for(kPause);
  }
}

Status refuse(const std::string& path, const std::string& what, std::string_view hint) {
  return fail(ErrorCode::usage, {.file = path, .tensor = {}}, what, hint);
}

std::string counted_parts(unsigned count) {
  return std::to_string(count) + (count == 1 ? " part" : " parts");
}

}  // namespace

std::string part_state_name(Part part) { return stem(part) + std::string(kState); }
std::string part_lock_name(Part part) { return stem(part) + std::string(kLock); }

bool is_part_name(std::string_view name) {
  return part_in(name, kState) || part_in(name, kNewState) || part_in(name, kLock);
}

std::string parts_lock_path(const std::string& out) { return out + ".partial-lock"; }

Result<PartStates> read_part_states(FileSystem& file_system, const std::string& directory,
                                    unsigned count) {
  PartStates states;
  THAW_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, list_directory(directory));
  bool strangers = false;
  for (const DirectoryEntry& entry : entries) {
    if (const std::optional<Part> part = part_in(entry.name, kState)) {
      states.counts.insert(part->count);
    } else if (entry.name != kStateFile && entry.name != kNewStateFile &&
               !is_part_name(entry.name)) {
      strangers = true;
    }
  }
  if (count == 0 && states.counts.size() == 1) count = *states.counts.begin();
  const auto load = [&](const std::string& name, unsigned index) -> std::optional<RunState> {
    Result<RunState> state = load_moving_state(file_system, directory + "/" + name);
    if (state.ok()) return std::move(state).value();
    states.damaged.emplace(index, std::move(state).take_status().take_error());
    return std::nullopt;
  };
  for (const DirectoryEntry& entry : entries) {
    if (entry.name == kStateFile) {
      states.whole = load(entry.name, 0);
      states.marked = true;
    }
    const std::optional<Part> part = part_in(entry.name, kState);
    if (!part) continue;
    states.marked = true;
    if (part->count != count) continue;
    if (auto state = load(entry.name, part->index)) {
      states.of_part.emplace(part->index, std::move(*state));
    }
  }
  states.marked = states.marked || !strangers;
  return states;
}

Status check_part_states(const PartStates& states, const std::string& directory,
                         const PlannedFiles& plan, unsigned count, unsigned mine) {
  constexpr std::string_view kRestart = "Start over with --restart, or remove it.";
  if (!states.marked) {
    return refuse(directory, "exists and was not made by thaw",
                  "Move it away, or choose another OUT.");
  }
  for (const auto& [index, damage] : states.damaged) {
    if (index == mine && mine != 0) continue;
    Error error = damage;
    if (error.code == ErrorCode::input) error.code = ErrorCode::usage;
    error.hint = kRestart;
    return Status(std::move(error));
  }
  const std::optional<RunState>& whole = states.whole;
  if (whole && whole->parts == 0) {
    return refuse(directory, "holds the work of a run without --part",
                  "Go on with it without --part, or start over with --restart.");
  }
  std::set<unsigned> counts = states.counts;
  if (whole) counts.insert(whole->parts);
  for (const unsigned other : counts) {
    if (other == count) continue;
    return fail(
        ErrorCode::usage, {.file = directory, .tensor = {}},
        "holds a conversion in " + counted_parts(other) + ", got one in " + counted_parts(count),
        "Go on with that number of parts, or start over with --restart.");
  }
  const auto check = [&](const RunState& state) -> Status {
    if (state.fingerprint == plan.fingerprint) return check_inputs_of(state, plan, directory);
    return refuse(directory,
                  "holds a conversion of other input or with other options: got fingerprint " +
                      printable(state.fingerprint) + ", expected " + plan.fingerprint,
                  "Repeat the parts as they were, or start over with --restart.");
  };
  if (whole) THAW_RETURN_IF_ERROR(check(*whole));
  for (const auto& [index, state] : states.of_part) {
    static_cast<void>(index);
    THAW_RETURN_IF_ERROR(check(state));
  }
  return {};
}

std::vector<unsigned> missing_parts(const PartStates& states, unsigned count) {
  std::vector<unsigned> missing;
  if (states.whole) return missing;
  for (unsigned i = 1; i <= count; ++i) {
    const auto at = states.of_part.find(i);
    if (at == states.of_part.end() || !at->second.complete) missing.push_back(i);
  }
  return missing;
}

std::string part_list(const std::vector<unsigned>& parts) {
  constexpr std::size_t kMost = 20;
  std::string text;
  for (std::size_t i = 0; i < parts.size() && i < kMost; ++i) {
    const bool last = i + 1 == parts.size();
    if (i != 0) text += last ? " and " : ", ";
    text += std::to_string(parts[i]);
  }
  if (parts.size() > kMost) text += " and " + std::to_string(parts.size() - kMost) + " more";
  return text;
}

bool Patience::wait() {
  if (stop_ != nullptr && stop_->requested()) return false;
  if (std::chrono::steady_clock::now() - begin_ > kPatience) return false;
  pause_for(kPause);
  return true;
}

Result<Lock> take_parts_lock(FileSystem& file_system, const std::string& out, Sharing sharing,
                             const StopFlag* stop) {
  const std::string path = parts_lock_path(out);
  for (Patience patience(stop);;) {
    Result<Lock> lock = Lock::take_file(file_system, path, sharing);
    if (lock.ok()) return lock;
    Error error = std::move(lock).take_status().take_error();
    if (error.code != ErrorCode::locked) return Status(std::move(error));
    if (patience.wait()) continue;
    if (stop != nullptr && stop->requested()) {
      return fail(*stop->reason(), {}, "stopped by a signal");
    }
    return fail(ErrorCode::locked, {.file = out + ".partial", .tensor = {}},
                sharing == Sharing::exclusive ? "other parts are at work here"
                                              : "another run is publishing or clearing this",
                "Wait for it to end, or choose another OUT.");
  }
}

}  // namespace thaw
