// PartialDirectory: what an earlier run has left in OUT.partial, and what this run does with it.
// What is found there is hostile until checked: names are only compared with the plan's, links are
// never followed, and everything that is not a finished file of this plan is removed.

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "sink/ownership.h"
#include "sink/partial_directory.h"

namespace thaw {

namespace {

constexpr const char* kRestartHint = "Start over with --restart, or remove it.";
constexpr const char* kPartsHint =
    "Run the parts that are missing or --finish, or start over with --restart.";
constexpr const char* kFirstPartsHint = "Run the parts first: --part 1/N to --part N/N.";

Status refusal(const std::string& path, std::string_view what, std::string_view hint) {
  return fail(ErrorCode::usage, {.file = path, .tensor = {}}, what, hint);
}

// A state that cannot be read is no fault of the input.
Status damaged(Error error) {
  if (error.code == ErrorCode::input) error.code = ErrorCode::usage;
  error.hint = kRestartHint;
  return Status(std::move(error));
}

}  // namespace

enum class PartialDirectory::Holds : std::uint8_t {
  nothing,   // or what a crash before the first state has left
  stranger,  // something without a state of ours
  mine,      // the work of a run that makes all, of this plan
  another,   // such work of another plan, or a damaged state
  parts,     // the work of parts: of this plan and, for a part or the last step, as many
  no_parts,  // for a part or the last step: what is not that, or is not finished
};

enum class PartialDirectory::Step : std::uint8_t { go_on, clear, refuse };

struct PartialDirectory::Scene {
  Holds holds = Holds::nothing;
  Status why;                     // it is refused, where it is
  std::optional<RunState> state;  // mine
  PartStates states;              // parts
};

PartialDirectory::Step PartialDirectory::next(const Scene& scene) const {
  constexpr Step kGoOn = Step::go_on;
  constexpr Step kClear = Step::clear;
  constexpr Step kRefuse = Step::refuse;
  // By Holds; what a run wants that makes all, the same of a job (drop_foreign), the same with
  // --restart, a part, one with --restart, the last step.
  static constexpr std::array<std::array<Step, 6>, 6> kTable = {{
      {kGoOn, kGoOn, kGoOn, kGoOn, kGoOn, kRefuse},            // nothing
      {kRefuse, kRefuse, kRefuse, kRefuse, kRefuse, kRefuse},  // stranger
      {kGoOn, kGoOn, kClear, kRefuse, kClear, kRefuse},        // mine
      {kRefuse, kClear, kClear, kRefuse, kClear, kRefuse},     // another
      {kRefuse, kRefuse, kClear, kGoOn, kGoOn, kGoOn},         // parts
      {kRefuse, kRefuse, kClear, kRefuse, kClear, kRefuse},    // no_parts
  }};
  std::size_t column = 0;
  switch (role_) {
    case Role::whole:
      column = settings_.restart ? 2 : settings_.drop_foreign ? 1 : 0;
      break;
    case Role::part:
      column = settings_.restart ? 4 : 3;
      break;
    case Role::last:
      column = 5;
      break;
  }
  return kTable[static_cast<std::size_t>(scene.holds)][column];
}

// False when what stood here had to go first, while nobody else was at work.
Result<bool> PartialDirectory::take_over() {
  THAW_ASSIGN_OR_RETURN(Scene scene, look());
  Step step = next(scene);
  if (step == Step::refuse) return std::move(scene.why);
  if (step == Step::clear && role_ == Role::part) {
    THAW_RETURN_IF_ERROR(lock(Sharing::exclusive));
    // Another part that was told to start over may have been here in between.
    THAW_ASSIGN_OR_RETURN(const Scene again, look());
    if (next(again) == Step::clear) THAW_RETURN_IF_ERROR(clear());
    return false;
  }
  if (step == Step::clear) {
    THAW_RETURN_IF_ERROR(clear());
    scene = Scene();
  }
  THAW_RETURN_IF_ERROR(go_on(scene));
  return true;
}

Result<PartialDirectory::Scene> PartialDirectory::look() {
  Scene scene;
  found_.assign(found_.size(), std::nullopt);
  THAW_ASSIGN_OR_RETURN(const std::vector<Entry> entries, work_->list());
  bool strangers = false;
  bool of_parts = false;
  bool marked = false;
  for (const Entry& entry : entries) {
    strangers = strangers || !is_own_name(entry.name);
    of_parts = of_parts || is_part_name(entry.name);
    marked = marked || entry.name == kStateFile || is_part_name(entry.name);
    if (!is_own_name(entry.name)) continue;
    scene.why = check_own(*work_, entry);
    if (scene.why.ok()) continue;
    scene.holds = Holds::stranger;
    return scene;
  }
  if (strangers && !marked) {
    scene.holds = Holds::stranger;
    scene.why =
        refusal(path(), "exists and was not made by thaw", "Move it away, or choose another OUT.");
    return scene;
  }
  if (role_ == Role::whole) {
    if (marked) THAW_RETURN_IF_ERROR(look_as_whole(of_parts, scene));
  } else {
    THAW_RETURN_IF_ERROR(look_for_parts(scene));
  }
  return scene;
}

Status PartialDirectory::look_as_whole(bool of_parts, Scene& scene) {
  scene.holds = Holds::parts;
  scene.why = refusal(path(), "holds a conversion in parts", kPartsHint);
  if (of_parts) return {};
  Result<RunState> state = load_run_state(*work_, kStateFile);
  if (state.ok() && state.value().parts != 0) return {};
  scene.holds = Holds::another;
  if (!state.ok()) {
    scene.why = damaged(std::move(state).take_status().take_error());
    return {};
  }
  if (state.value().fingerprint != plan_.fingerprint) {
    scene.why =
        refusal(path(),
                "holds a conversion of other input or with other options: got "
                "fingerprint " +
                    printable(state.value().fingerprint) + ", expected " + plan_.fingerprint,
                "Repeat that run as it was, or start over with --restart.");
    return {};
  }
  scene.why = check_inputs_of(state.value(), settings_.inputs, path());
  if (!scene.why.ok()) return {};
  scene.why = match_files(kStateFile, state.value());
  if (!scene.why.ok()) return {};
  scene.holds = Holds::mine;
  scene.why = refusal(path(), "holds the work of a run without --part", kRestartHint);
  scene.state = std::move(state).value();
  return {};
}

Status PartialDirectory::look_for_parts(Scene& scene) {
  unsigned count = part() ? part()->count : 0;
  THAW_ASSIGN_OR_RETURN(scene.states, read_part_states(*work_, count));
  const PartStates& states = scene.states;
  if (!part() && !states.counts.empty()) count = *states.counts.begin();
  if (!part() && states.whole && states.whole->parts != 0) count = states.whole->parts;
  scene.holds = Holds::no_parts;
  scene.why = check_part_states(states, path(), {plan_.fingerprint, settings_.inputs}, count,
                                part() && settings_.restart ? part()->index : 0);
  if (!scene.why.ok()) return {};
  scene.holds = count == 0 ? Holds::nothing : Holds::parts;
  if (part()) return {};
  if (count == 0) {
    scene.why = refusal(path(), "holds no parts", kFirstPartsHint);
    return {};
  }
  const std::vector<unsigned> missing = missing_parts(states, count);
  if (missing.empty()) return {};
  scene.holds = Holds::no_parts;
  const bool one = missing.size() == 1;
  scene.why = refusal(path(),
                      std::string(one ? "part " : "parts ") + part_list(missing) + " of " +
                          std::to_string(count) + (one ? " is not finished" : " are not finished"),
                      "Run --part I/" + std::to_string(count) + " for each of them.");
  return {};
}

Status PartialDirectory::go_on(const Scene& scene) {
  state_ = RunState();
  if (role_ == Role::part) return go_on_as_part(scene);
  if (role_ == Role::last) THAW_RETURN_IF_ERROR(gather_parts(scene.states));
  return keep_finished();
}

// What was found and the directory has; all else that may be removed is.
Status PartialDirectory::keep_finished() {
  THAW_RETURN_IF_ERROR(clean(*work_, ""));
  THAW_RETURN_IF_ERROR(check_space());
  return save_first_state();
}

Status PartialDirectory::go_on_as_part(const Scene& scene) {
  const Part own_part = *part();
  const std::string number = std::to_string(own_part.index);
  Result<Lock> lock = take_own_lock(*work_, part_lock_name(own_part));
  if (!lock.ok()) {
    Error error = std::move(lock).take_status().take_error();
    if (error.code != ErrorCode::locked) return Status(std::move(error));
    return fail(ErrorCode::locked, {.file = path(), .tensor = {}},
                "another run is writing part " + number + " of " + std::to_string(own_part.count),
                error.hint);
  }
  part_lock_ = std::move(lock).value();
  const PartStates& states = scene.states;
  const auto own = states.of_part.find(own_part.index);
  RunState known;
  if (!settings_.restart && states.whole) {
    // The last step has begun, which needs every part.
    for (const FinishedFile& file : states.whole->files) {
      const auto is_it = [&](const PlannedFile& planned) { return planned.name == file.name; };
      const bool mine = std::any_of(plan_.files.begin(), plan_.files.end(), is_it);
      if (mine) known.files.push_back(file);
    }
    known.complete = true;
  } else if (!settings_.restart && own != states.of_part.end()) {
    known = own->second;
  }
  THAW_RETURN_IF_ERROR(match_files(state_name_, known));
  THAW_RETURN_IF_ERROR(clean(*work_, ""));
  const bool all =
      std::all_of(found_.begin(), found_.end(), [](const auto& file) { return file.has_value(); });
  state_.parts = own_part.count;
  state_.complete = known.complete && all;
  THAW_RETURN_IF_ERROR(check_space());
  THAW_RETURN_IF_ERROR(save_first_state());
  // Two that begin at once see nothing of each other before; now at least one of them does.
  Scene again;
  THAW_RETURN_IF_ERROR(look_for_parts(again));
  if (again.why.ok()) return {};
  if (own == states.of_part.end()) static_cast<void>(work_->remove(state_name_));
  return std::move(again.why);
}

Status PartialDirectory::gather_parts(const PartStates& states) {
  const unsigned count = states.whole ? states.whole->parts : *states.counts.begin();
  state_.parts = count;
  state_.complete = true;
  if (states.whole) return match_files(kStateFile, *states.whole);
  const std::vector<unsigned> part_of = split_files(plan_, count);
  for (const auto& [index, state] : states.of_part) {
    const std::string name = part_state_name({.index = index, .count = count});
    const std::vector<std::optional<std::uint32_t>> before = found_;
    THAW_RETURN_IF_ERROR(match_files(name, state));
    for (std::size_t i = 0; i < found_.size(); ++i) {
      if (found_[i] == before[i] || part_of[i] == index) continue;
      return refusal(
          path() + "/" + name,
          "lists a file of part " + std::to_string(part_of[i]) + ": " + plan_.files[i].name,
          "Run that part again with --restart.");
    }
  }
  return {};
}

// Names that are not the plan's and sizes that it does not give them are lies.
Status PartialDirectory::match_files(const std::string& state_name, const RunState& state) {
  std::map<std::string_view, std::size_t> files;
  for (std::size_t i = 0; i < plan_.files.size(); ++i) files.emplace(plan_.files[i].name, i);
  for (const FinishedFile& finished : state.files) {
    const auto at = files.find(finished.name);
    if (at == files.end() || plan_.files[at->second].size != finished.size) {
      found_.assign(found_.size(), std::nullopt);
      return refusal(path() + "/" + state_name,
                     "lists a file that is not of this conversion: " + printable(finished.name),
                     kRestartHint);
    }
    found_[at->second] = finished.crc32;
  }
  return {};
}

// Removes what is no finished file of the right size; then what is found is there.
Status PartialDirectory::clean(const Folder& folder, const std::string& prefix) {
  THAW_ASSIGN_OR_RETURN(const std::vector<Entry> entries, folder.list());
  std::map<std::string_view, std::size_t> finished;
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (found_[i]) finished.emplace(plan_.files[i].name, i);
  }
  for (const Entry& entry : entries) {
    const std::string name = prefix + entry.name;
    bool keep = false;
    if (entry.kind == FileKind::directory) {
      keep = std::any_of(plan_.files.begin(), plan_.files.end(), [&](const PlannedFile& file) {
        return file.name.starts_with(name + "/");
      });
      if (keep) {
        THAW_ASSIGN_OR_RETURN(const Folder below, folder.enter(entry.name));
        THAW_RETURN_IF_ERROR(clean(below, name + "/"));
      }
    } else if (const auto at = finished.find(name); at != finished.end()) {
      // One with a second name, or of another user, could be written to by whoever has that.
      keep = entry.kind == FileKind::regular && entry.links == 1 &&
             entry.size == plan_.files[at->second].size && check_own(folder, entry).ok();
    }
    if (!keep && may_remove(name)) THAW_RETURN_IF_ERROR(folder.remove(entry.name));
  }
  if (!prefix.empty()) return {};
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (!found_[i]) continue;
    std::string last = plan_.files[i].name;
    const Result<Folder> way = folder.way_to(last);
    bool kept = false;
    if (way.ok()) {
      THAW_ASSIGN_OR_RETURN(const std::optional<Entry> entry, way.value().look(last));
      kept = entry.has_value();
    }
    if (!kept) found_[i].reset();
  }
  return {};
}

// Whether what is no finished file may be removed; `name` as in the plan.
bool PartialDirectory::may_remove(const std::string& name) const {
  if (role_ == Role::whole) return name != kStateFile;
  if (role_ == Role::last) return name != kStateFile && !is_part_name(name);
  return std::any_of(plan_.files.begin(), plan_.files.end(), [&](const PlannedFile& file) {
    return file.name == name || file.name + kUnfinished == name ||
           file.name.starts_with(name + "/");
  });
}

// The marks go last, so that a crash in here leaves a directory that is still ours.
Status PartialDirectory::clear() {
  THAW_ASSIGN_OR_RETURN(const std::vector<Entry> entries, work_->list());
  for (const bool marks : {false, true}) {
    for (const Entry& entry : entries) {
      if (marks != (entry.name == kStateFile || is_part_name(entry.name))) continue;
      THAW_RETURN_IF_ERROR(work_->remove(entry.name));
    }
  }
  found_.assign(found_.size(), std::nullopt);
  return {};
}

}  // namespace thaw
