// What stands at a place, as far as a change of it can be seen without reading it: names, kinds,
// sizes and times of modification, at every depth. Two that are alike are taken for the same.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "io/folder.h"

namespace thaw {

class Likeness {
 public:
  // Nothing there, or an empty directory, which a rename replaces and which nobody misses.
  [[nodiscard]] bool vacant() const { return entries_.empty(); }
  // A name at the top that differs in the other; empty: they are alike.
  [[nodiscard]] std::string difference(const Likeness& other) const;
  [[nodiscard]] std::string text() const;  // of two that are alike the same
  // Of the directory; it does not count above. Where two directories are alike it tells them apart.
  [[nodiscard]] std::uint64_t inode() const { return inode_; }
  friend bool operator==(const Likeness& a, const Likeness& b) { return a.entries_ == b.entries_; }

  enum class Own : bool { counts, does_not };  // names of thaw's own files in OUT.partial
  static Result<Likeness> of(const Folder& folder, Own own = Own::counts);
  // Of what has a name, whatever it is; a link is not followed.
  static Result<Likeness> at(const Folder& parent, const std::string& name);
  // The same of a resolved path; vacant where its folder is missing.
  static Result<Likeness> at(FileSystem& file_system, const std::string& path);

 private:
  std::uint64_t inode_ = 0;
  std::vector<std::pair<std::string, std::uint64_t>> entries_;  // of the top, by name
};

}  // namespace thaw
