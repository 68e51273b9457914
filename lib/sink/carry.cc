#include "sink/carry.h"

#include <optional>

#include "sink/names.h"

namespace thaw {

namespace {

constexpr mode_t kPlain = 0777;
constexpr mode_t kSearch = 0111;

// `old` is where `work` comes to stand, or what its folder replaces if nothing stands there.
Status carry_below(const Folder& work, const Folder* old, const Entry& folder) {
  mode_t most = 0;
  if (old != nullptr) {
    THAW_ASSIGN_OR_RETURN(const std::vector<Entry> entries, old->list());
    for (const Entry& entry : entries) {
      if (entry.kind == FileKind::regular) most |= entry.mode & kPlain;
    }
  }
  // An empty folder says with its own mode who may read what is in it.
  if (most == 0) most = folder.mode & ~kSearch;
  THAW_ASSIGN_OR_RETURN(const std::vector<Entry> entries, work.list());
  for (const Entry& entry : entries) {
    std::optional<Entry> same;
    if (old != nullptr) {
      THAW_ASSIGN_OR_RETURN(same, old->look(entry.name));
    }
    if (same && same->kind != entry.kind) same.reset();
    if (entry.kind == FileKind::regular) {
      const Access access = same ? Access{same->mode & kPlain, same->owner, same->group}
                                 : Access{entry.mode & most, folder.owner, folder.group};
      THAW_RETURN_IF_ERROR(work.set_access(entry.name, access));
    } else if (entry.kind == FileKind::directory) {
      THAW_ASSIGN_OR_RETURN(const Folder below, work.enter(entry.name));
      std::optional<Folder> old_below;
      if (same) {
        THAW_ASSIGN_OR_RETURN(old_below, old->enter(entry.name));
      }
      const Entry& model = same ? *same : folder;
      THAW_RETURN_IF_ERROR(carry_below(below, old_below ? &*old_below : nullptr, model));
      THAW_RETURN_IF_ERROR(set_access(work.file_system(), below.descriptor(), below.path(),
                                      {model.mode, model.owner, model.group}));
    }
  }
  return {};
}

// What the umask, or the parent's default access list, makes of a new directory here.
Result<Entry> new_directory(const Folder& work) {
  THAW_RETURN_IF_ERROR(work.remove(kProbe));
  std::optional<Entry> entry;
  {
    THAW_ASSIGN_OR_RETURN(const Folder probe, work.make(kProbe));
    THAW_ASSIGN_OR_RETURN(entry, probe.self());
  }
  THAW_RETURN_IF_ERROR(work.remove(kProbe));
  return *entry;
}

}  // namespace

Status carry_over(const Folder& work, const Folder& parent, const std::string& old) {
  THAW_ASSIGN_OR_RETURN(std::optional<Entry> model, parent.look(old));
  if (model && model->kind == FileKind::directory) {
    THAW_ASSIGN_OR_RETURN(const Folder before, parent.enter(old));
    THAW_RETURN_IF_ERROR(carry_below(work, &before, *model));
  } else {
    THAW_ASSIGN_OR_RETURN(model, new_directory(work));
  }
  return set_access(work.file_system(), work.descriptor(), work.path(),
                    {model->mode, model->owner, model->group});
}

}  // namespace thaw
