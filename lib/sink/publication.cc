#include "sink/publication.h"

#include <array>
#include <utility>

#include "base/text.h"
#include "io/random.h"
#include "sink/carry.h"
#include "sink/ownership.h"
#include "sink/part_files.h"

namespace thaw {

namespace {

// What has the name OUT.partial.
enum class Partial : std::uint8_t {
  nothing,  // or an empty directory
  marked,   // the new directory, with its state in it
  fresh,    // the new directory
  old,      // what stood at OUT
  other,
};

}  // namespace

struct Publisher::Scene {
  bool aside = false;  // OUT.partial-state.json is there
  Partial partial = Partial::nothing;
  bool taken = false;     // something stands at OUT, and it is no empty directory
  bool replaced = false;  // OUT.partial-old-TOKEN is there
};

enum class Publisher::Step : std::uint8_t {
  done,         // nothing is under way
  write_aside,  // the state, with the token of this publication, to OUT.partial-state.json
  unmark,       // OUT.partial loses its state
  mark,         // and gets it again
  appear,       // OUT.partial -> OUT, where nothing stands
  exchange,     // OUT.partial <-> OUT; where the file system cannot, OUT -> OUT.partial-old-TOKEN
  set_aside,    // OUT.partial -> OUT.partial-old-TOKEN
  put_back,     // OUT.partial-old-TOKEN -> OUT
  put_away,     // OUT.partial-old-TOKEN -> OUT.backup, or it is removed
  end,          // OUT.partial-state.json goes
  refuse,
};

struct Publisher::Row {
  std::optional<bool> aside;
  std::optional<Partial> partial;
  std::optional<bool> taken;
  std::optional<bool> replaced;
  Step publish;
  Step settle;
};

// The first row that fits. At every moment the new directory is marked, or its state is aside, so
// that one of the rows tells what has happened, whatever the names are.
Publisher::Step Publisher::next(const Scene& scene, Want want) {
  constexpr std::nullopt_t kAny = std::nullopt;
  static constexpr std::array<Row, 10> kTable = {{
      // aside, OUT.partial, OUT taken, old one: to publish, to settle
      {false, kAny, kAny, kAny, Step::write_aside, Step::done},
      {true, Partial::marked, kAny, kAny, Step::unmark, Step::end},
      {true, Partial::fresh, true, false, Step::exchange, Step::mark},
      {true, Partial::fresh, false, false, Step::appear, Step::mark},
      {true, Partial::fresh, false, true, Step::appear, Step::put_back},
      {true, Partial::old, true, false, Step::set_aside, Step::set_aside},
      {true, Partial::nothing, true, true, Step::put_away, Step::put_away},
      {true, Partial::nothing, false, true, Step::put_back, Step::put_back},
      {true, Partial::nothing, kAny, false, Step::end, Step::end},
      {kAny, kAny, kAny, kAny, Step::refuse, Step::refuse},
  }};
  const auto fits = [](const auto& wanted, const auto& found) {
    return !wanted || *wanted == found;
  };
  for (const Row& row : kTable) {
    if (fits(row.aside, scene.aside) && fits(row.partial, scene.partial) &&
        fits(row.taken, scene.taken) && fits(row.replaced, scene.replaced)) {
      return want == Want::publish ? row.publish : row.settle;
    }
  }
  return Step::refuse;
}

Result<Publisher::Scene> Publisher::look(Want want) const {
  Scene scene;
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> aside, parent_.look(name(kAside)));
  scene.aside = aside.has_value();
  THAW_ASSIGN_OR_RETURN(const Likeness out, Likeness::at(parent_, out_));
  scene.taken = !out.vacant();
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> replaced, parent_.look(this->replaced()));
  scene.replaced = replaced.has_value();
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> partial, parent_.look(name(kPartial)));
  if (!partial || !scene.aside) return scene;
  scene.partial = Partial::other;
  if (partial->kind != FileKind::directory) return scene;
  THAW_ASSIGN_OR_RETURN(const Folder folder, parent_.enter(name(kPartial)));
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> inside, folder.look(kStateFile));
  if (want == Want::publish) {
    THAW_ASSIGN_OR_RETURN(const Entry work, request_->work.self());
    if (!partial->same_as(work)) {
      scene.partial = Partial::old;
    } else {
      scene.partial = inside ? Partial::marked : Partial::fresh;
    }
    return scene;
  }
  if (inside) {
    const Result<RunState> state = load_run_state(folder, kStateFile);
    if (state.ok() && state.value().token == publication_.token) scene.partial = Partial::marked;
    return scene;
  }
  THAW_ASSIGN_OR_RETURN(const Likeness likeness, Likeness::of(folder, Likeness::Own::does_not));
  if (likeness.vacant()) scene.partial = Partial::nothing;
  const Known known{.likeness = likeness.text(), .inode = likeness.inode()};
  const bool alike = publication_.old && publication_.old->likeness == publication_.fresh.likeness;
  const auto is = [&](const Known& one) {
    return alike ? known == one : known.likeness == one.likeness;
  };
  if (is(publication_.fresh)) {
    scene.partial = Partial::fresh;
  } else if (publication_.old && is(*publication_.old)) {
    scene.partial = Partial::old;
  }
  return scene;
}

Status Publisher::run(Want want) {
  for (;;) {
    THAW_ASSIGN_OR_RETURN(const Scene scene, look(want));
    const Step step = next(scene, want);
    if (step == Step::done) return {};
    THAW_RETURN_IF_ERROR(take(step));
    if (step == Step::end && want == Want::publish) return {};
  }
}

Status Publisher::take(Step step) {
  switch (step) {
    case Step::done:
      return {};
    case Step::write_aside:
      return write_aside();
    case Step::unmark:
      return unmark();
    case Step::mark:
      return mark();
    case Step::appear:
      return appear();
    case Step::exchange:
      return exchange();
    case Step::set_aside:
      return set_aside(kPartial);
    case Step::put_back:
      return put_back();
    case Step::put_away:
      return put_away();
    case Step::end:
      return end();
    case Step::refuse:
      break;
  }
  return refuse();
}

Status Publisher::settle() {
  for (;;) {
    THAW_ASSIGN_OR_RETURN(const bool there, lock_aside());
    if (!there) return {};
    THAW_ASSIGN_OR_RETURN(const std::optional<Entry> entry, parent_.look(name(kAside)));
    if (entry && entry->size == 0) {
      // Made by our own lock, where the run that published ended in this moment.
      THAW_RETURN_IF_ERROR(parent_.remove(name(kAside)));
      continue;
    }
    Result<RunState> state = load_run_state(parent_, name(kAside));
    if (!state.ok() || !state.value().publication) {
      return fail(ErrorCode::usage, {.file = parent_.path_of(name(kAside)), .tensor = {}},
                  "exists and is not what thaw writes there",
                  "Look at OUT and OUT.partial, then remove this file.");
    }
    state_ = std::move(state).value();
    publication_ = *std::exchange(state_.publication, std::nullopt);
    Status settled = run(Want::settle);
    aside_lock_.reset();
    return settled;
  }
}

// False when nothing is there.
Result<bool> Publisher::lock_aside() {
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> entry, parent_.look(name(kAside)));
  if (!entry) return false;
  Result<Lock> lock = take_own_lock(parent_, name(kAside), Sharing::exclusive);
  if (lock.ok()) {
    aside_lock_ = std::move(lock).value();
    return true;
  }
  Error error = std::move(lock).take_status().take_error();
  if (error.code != ErrorCode::locked) return Status(std::move(error));
  const Result<RunState> state = load_run_state(parent_, name(kAside));
  return fail(ErrorCode::locked, {.file = parent_.path_of(out_), .tensor = {}},
              "another run is publishing this" + (state.ok() ? holder_text(state.value()) : ""),
              error.hint);
}

Status Publisher::publish(const Request& request) {
  request_ = &request;
  state_ = request.state;
  publication_ = Publication();
  publication_.token = random_token();
  publication_.keep = request.keep;
  publication_.purpose = request.purpose;
  THAW_RETURN_IF_ERROR(check_unchanged());
  THAW_ASSIGN_OR_RETURN(const Likeness fresh, Likeness::of(request.work, Likeness::Own::does_not));
  publication_.fresh = {.likeness = fresh.text(), .inode = fresh.inode()};
  if (!request.found.vacant()) {
    publication_.old = {.likeness = request.found.text(), .inode = request.found.inode()};
  }
  return run(Want::publish);
}

// The state is locked before it has its name: until this run ends, nobody settles anything here.
Status Publisher::write_aside() {
  const Folder& work = request_->work;
  state_.token = publication_.token;
  THAW_RETURN_IF_ERROR(save_run_state(work, kStateFile, state_));
  RunState aside = state_;
  aside.publication = publication_;
  THAW_RETURN_IF_ERROR(save_run_state(work, kAsideInside, aside));
  THAW_ASSIGN_OR_RETURN(aside_lock_, Lock::take_file(work, kAsideInside));
  THAW_RETURN_IF_ERROR(work.move(kAsideInside, parent_, name(kAside)));
  return parent_.sync();
}

Status Publisher::unmark() {
  const Folder& work = request_->work;
  THAW_ASSIGN_OR_RETURN(const std::vector<Entry> entries, work.list());
  for (const Entry& entry : entries) {
    // The state of the whole goes last: it alone is the mark.
    if (is_own_name(entry.name) && entry.name != kStateFile) {
      THAW_RETURN_IF_ERROR(work.remove(entry.name));
    }
  }
  THAW_RETURN_IF_ERROR(work.remove(kStateFile));
  return work.sync();
}

Status Publisher::mark() {
  THAW_ASSIGN_OR_RETURN(const Folder work, parent_.enter(name(kPartial)));
  THAW_RETURN_IF_ERROR(make_private(work));
  return save_run_state(work, kStateFile, state_);
}

Status Publisher::check_unchanged() const {
  THAW_ASSIGN_OR_RETURN(const Likeness now, Likeness::at(parent_, out_));
  const Likeness& found = request_->found;
  if (now == found && (now.vacant() || request_->replace)) return {};
  const std::string path = parent_.path_of(out_);
  const std::string hint = "Look at it. " + path +
                           ".partial holds the new output, whole: the same command continues it, "
                           "and judges anew what stands here.";
  if (now == found || found.vacant()) {
    return fail(ErrorCode::io, {.file = path, .tensor = {}},
                "appeared while this run worked, so it is not replaced", hint);
  }
  const std::string name = found.difference(now);
  return fail(ErrorCode::io, {.file = path, .tensor = {}},
              "changed while this run worked (" + printable(name) + "), so it is not replaced",
              hint);
}

// Somebody who may rename here may have put another directory at OUT.partial. False if so.
Result<bool> Publisher::is_fresh_at_out() const {
  THAW_ASSIGN_OR_RETURN(const Entry work, request_->work.self());
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> out, parent_.look(out_));
  return out && out->same_as(work);
}

Status Publisher::refuse_stranger() const {
  return fail(ErrorCode::io, {.file = parent_.path_of(name(kPartial)), .tensor = {}},
              "was replaced by another directory while this run published it",
              "Choose an OUT where nobody else may rename, and run again.");
}

Status Publisher::appear() {
  THAW_RETURN_IF_ERROR(carry_over(request_->work, parent_, publication_.old ? replaced() : out_));
  THAW_RETURN_IF_ERROR(parent_.rename(name(kPartial), out_));
  THAW_ASSIGN_OR_RETURN(published_, is_fresh_at_out());
  if (published_) return parent_.sync();
  static_cast<void>(parent_.rename(out_, name(kPartial)));
  return refuse_stranger();
}

Status Publisher::exchange() {
  THAW_RETURN_IF_ERROR(check_unchanged());
  if (!can_exchange_) return set_aside("");
  THAW_RETURN_IF_ERROR(carry_over(request_->work, parent_, out_));
  THAW_ASSIGN_OR_RETURN(can_exchange_, parent_.exchange(name(kPartial), out_));
  if (!can_exchange_) return set_aside("");
  THAW_ASSIGN_OR_RETURN(published_, is_fresh_at_out());
  if (published_) return parent_.sync();
  static_cast<void>(parent_.exchange(name(kPartial), out_));
  return refuse_stranger();
}

// Nothing that stands under such a name is replaced: a directory takes that of an empty one only.
Status Publisher::set_aside(const char* from) {
  THAW_RETURN_IF_ERROR(parent_.rename(name(from), replaced()));
  return parent_.sync();
}

Status Publisher::put_back() {
  THAW_RETURN_IF_ERROR(parent_.rename(replaced(), out_));
  return parent_.sync();
}

// What stood at OUT. Only what is still as it was judged is removed, after it got a name that says
// so: a crash in the middle leaves what is alike no more.
Status Publisher::put_away() {
  if (publication_.keep) {
    THAW_RETURN_IF_ERROR(parent_.rename(replaced(), name(kBackup)));
    return parent_.sync();
  }
  THAW_ASSIGN_OR_RETURN(const Likeness now, Likeness::at(parent_, replaced()));
  if (publication_.old && now.text() == publication_.old->likeness) {
    THAW_RETURN_IF_ERROR(parent_.rename(replaced(), going()));
    return parent_.sync();
  }
  THAW_RETURN_IF_ERROR(end());
  return fail(ErrorCode::io, {.file = parent_.path_of(replaced()), .tensor = {}},
              "holds what stood at OUT and was changed while it was replaced: it is kept",
              "Look at it, then move it or remove it.");
}

Status Publisher::end() {
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> entry, parent_.look(going()));
  bool removed = true;
  if (entry) {
    THAW_ASSIGN_OR_RETURN(removed, remove_known(parent_, going(), publication_.old->inode));
  }
  THAW_RETURN_IF_ERROR(parent_.remove(name(kAside)));
  aside_lock_.reset();
  THAW_RETURN_IF_ERROR(parent_.sync());
  if (removed) return {};
  // Said once, by the run that finds it: the state is gone, and the next run goes on.
  return fail(ErrorCode::io, {.file = parent_.path_of(going()), .tensor = {}},
              "is not the directory that was replaced, so it is kept",
              "Look at it, then move it or remove it.");
}

Status Publisher::refuse() const {
  const std::string aside = parent_.path_of(name(kAside));
  return fail(ErrorCode::usage, {.file = parent_.path_of(name(kPartial)), .tensor = {}},
              "is neither what an earlier run wrote nor what it replaced",
              "Look at it and at OUT, then move it away and remove " + aside + ".");
}

Status Publisher::probe(const Folder& work) {
  {
    THAW_ASSIGN_OR_RETURN(const Folder first, work.make(kProbe));
    THAW_ASSIGN_OR_RETURN(const Folder inner, first.make("full"));
    THAW_ASSIGN_OR_RETURN(const Folder second, work.make(kOtherProbe));
    THAW_ASSIGN_OR_RETURN(can_exchange_, work.exchange(kProbe, kOtherProbe));
  }
  THAW_ASSIGN_OR_RETURN(const bool moves,
                        parent_.can_move(out_, work, can_exchange_ ? kOtherProbe : kProbe));
  THAW_RETURN_IF_ERROR(work.remove(kProbe));
  THAW_RETURN_IF_ERROR(work.remove(kOtherProbe));
  if (moves) return {};
  return fail(
      ErrorCode::usage, {.file = parent_.path_of(out_), .tensor = {}},
      "cannot be moved by this file system, so it cannot be replaced: it is part of a lower "
      "layer of an overlay",
      "Write to another OUT, or put a copy of the directory in its place first.");
}

Result<Leavings> look_at_leavings(FileSystem& file_system, const std::string& out) {
  Leavings leavings;
  if (file_kind(parent_of(out)) != FileKind::directory) return leavings;
  THAW_ASSIGN_OR_RETURN(const Folder parent, Folder::open(file_system, parent_of(out)));
  const std::string name = out.substr(out.rfind('/') + 1);
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> aside, parent.look(name + kAside));
  if (!aside || !check_own(parent, *aside).ok()) return leavings;
  const Result<RunState> state = load_run_state(parent, name + kAside);
  if (!state.ok() || !state.value().publication || !state.value().publication->keep) {
    return leavings;
  }
  const Publication& publication = *state.value().publication;
  THAW_ASSIGN_OR_RETURN(const Likeness now, Likeness::at(parent, name));
  leavings.replaced = now.text() == publication.fresh.likeness && publication.old.has_value();
  leavings.purpose = publication.purpose;
  return leavings;
}

}  // namespace thaw
