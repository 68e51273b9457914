// OUT.partial becomes OUT: which states a stop at any moment can leave on the disk, and what is
// the next step out of each, for the run that publishes and for one that finds them later. The
// table stands in publication.cc and in specs/output.md clause 6.7.
#pragma once

#include <optional>
#include <string>

#include "base/status.h"
#include "io/folder.h"
#include "io/lock.h"
#include "sink/likeness.h"
#include "sink/run_state.h"

namespace thaw {

// Beside OUT: the folder, and the name of OUT in it. One thread.
class Publisher {
 public:
  // `parent` must outlive it.
  Publisher(const Folder& parent, std::string out) : parent_(parent), out_(std::move(out)) {}

  [[nodiscard]] std::string name(const char* ending) const { return out_ + ending; }

  // Ends what an earlier run had begun: either it has happened, or OUT is as it was and OUT.partial
  // has its state again. Errors: ErrorCode::locked while that run lives; usage where something is
  // there that neither of the two had made; io where what stood at OUT could not be removed.
  [[nodiscard]] Status settle();

  // Whether what stands at OUT can be replaced here, before any work: finds out, by the empty
  // directories kProbe in `work`, if the file system exchanges. Errors: usage where nothing can be
  // moved (a lower layer of overlayfs).
  [[nodiscard]] Status probe(const Folder& work);

  struct Request {
    const Folder& work;    // OUT.partial; all in it is whole and durable
    RunState state;        // the one in it
    bool replace = false;  // what stands at OUT, if it is `found`
    Likeness found;        // what stood there when it was judged
    bool keep = false;     // as OUT.backup
    std::string purpose;   // of the run, for one that comes later
  };
  // Errors, beside those of the calls: io where OUT is no longer as it was judged, and where what
  // came out of it had been changed at the last moment: that is kept beside, and named.
  [[nodiscard]] Status publish(const Request& request);
  // True once OUT is the new directory, even if publish() failed after that.
  [[nodiscard]] bool published() const { return published_; }

 private:
  enum class Want : std::uint8_t { publish, settle };
  struct Scene;
  struct Row;
  enum class Step : std::uint8_t;
  [[nodiscard]] static Step next(const Scene& scene, Want want);

  Status run(Want want);
  Result<Scene> look(Want want) const;
  Status take(Step step);
  Result<bool> lock_aside();

  Status write_aside();
  Status unmark();
  Status mark();
  Status appear();
  Status exchange();
  Status set_aside(const char* from);
  Status put_back();
  Status put_away();
  Status end();
  Status refuse() const;
  Result<bool> is_fresh_at_out() const;
  Status refuse_stranger() const;
  Status check_unchanged() const;
  [[nodiscard]] std::string replaced() const { return out_ + kReplaced + publication_.token; }
  [[nodiscard]] std::string going() const { return out_ + kGoing + publication_.token; }

  const Folder& parent_;
  const std::string out_;
  const Request* request_ = nullptr;
  std::optional<Lock> aside_lock_;
  RunState state_;
  Publication publication_;
  bool can_exchange_ = true;
  bool published_ = false;
};

// What an earlier run has left beside OUT that was killed while it published, for who only looks.
struct Leavings {
  bool replaced = false;  // OUT is the new one, and what stood there is, or is to be, OUT.backup
  std::string purpose;    // of that run
};
[[nodiscard]] Result<Leavings> look_at_leavings(FileSystem& file_system, const std::string& out);

}  // namespace thaw
