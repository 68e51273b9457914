#include "sink/likeness.h"

#include <algorithm>
#include <optional>

#include "base/hash.h"
#include "sink/names.h"

namespace thaw {

namespace {

Status add(Hash& hash, const Folder& parent, const Entry& entry) {
  hash.add(entry.name);
  hash.add(static_cast<std::uint64_t>(entry.kind));
  if (entry.kind != FileKind::directory) {
    hash.add(entry.size);
    hash.add(static_cast<std::uint64_t>(entry.modified_ns));
    return {};
  }
  THAW_ASSIGN_OR_RETURN(const Folder folder, parent.enter(entry.name));
  THAW_ASSIGN_OR_RETURN(const std::vector<Entry> entries, folder.list());
  hash.add(std::uint64_t{entries.size()});
  for (const Entry& below : entries) THAW_RETURN_IF_ERROR(add(hash, folder, below));
  return {};
}

}  // namespace

Result<Likeness> Likeness::of(const Folder& folder, Own own) {
  Likeness likeness;
  THAW_ASSIGN_OR_RETURN(const Entry self, folder.self());
  likeness.inode_ = self.inode;
  THAW_ASSIGN_OR_RETURN(const std::vector<Entry> entries, folder.list());
  for (const Entry& entry : entries) {
    if (own == Own::does_not && is_own_name(entry.name)) continue;
    Hash hash;
    THAW_RETURN_IF_ERROR(add(hash, folder, entry));
    likeness.entries_.emplace_back(entry.name, hash.value());
  }
  return likeness;
}

Result<Likeness> Likeness::at(const Folder& parent, const std::string& name) {
  THAW_ASSIGN_OR_RETURN(const std::optional<Entry> entry, parent.look(name));
  if (!entry) return Likeness();
  if (entry->kind == FileKind::directory) {
    THAW_ASSIGN_OR_RETURN(const Folder folder, parent.enter(name));
    return of(folder);
  }
  Likeness likeness;
  likeness.inode_ = entry->inode;
  Entry nameless = *entry;  // it may have got another name
  nameless.name = "it";
  Hash hash;
  THAW_RETURN_IF_ERROR(add(hash, parent, nameless));
  likeness.entries_.emplace_back(nameless.name, hash.value());
  return likeness;
}

Result<Likeness> Likeness::at(FileSystem& file_system, const std::string& path) {
  const std::string above = parent_of(path);
  if (file_kind(above) != FileKind::directory) return Likeness();
  THAW_ASSIGN_OR_RETURN(const Folder parent, Folder::open(file_system, above));
  return at(parent, path.substr(path.rfind('/') + 1));
}

std::string Likeness::difference(const Likeness& other) const {
  for (std::size_t i = 0; i < std::max(entries_.size(), other.entries_.size()); ++i) {
    if (i == entries_.size()) return other.entries_[i].first;
    if (i == other.entries_.size()) return entries_[i].first;
    if (entries_[i] == other.entries_[i]) continue;
    return std::min(entries_[i].first, other.entries_[i].first);
  }
  return {};
}

std::string Likeness::text() const {
  Hash hash;
  for (const auto& [name, value] : entries_) hash.add(value);
  hash.add(std::uint64_t{entries_.size()});
  return hash.hex();
}

}  // namespace thaw
