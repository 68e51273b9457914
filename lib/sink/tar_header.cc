// libarchive writes the header into memory and is then refused more, so that closing it does not
// fill the member with zeros: the content goes to the stream directly, without another copy.
//
// Its names pass through the locale. A name that is set as UTF-8 cannot be written in the locale
// "C" (its issue 931), and one that is set as bytes is read in whatever locale there is: so this
// thread has a UTF-8 locale for the moment. A name that is not UTF-8 is then written as the bytes
// it is, and the pax header says so (hdrcharset=BINARY, POSIX.1-2017).
#include "sink/tar_header.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/text.h"

namespace thaw {

namespace {

constexpr unsigned kFileMode = 0644;
constexpr unsigned kDirectoryMode = 0755;

// C.UTF-8 for this thread, from here to the end of the scope.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ == nullptr) locale_ = ::newlocale(LC_CTYPE_MASK, "en_US.UTF-8", nullptr);
    if (locale_ != nullptr) before_ = ::uselocale(locale_);
  }
  ~Utf8Locale() {
    if (locale_ == nullptr) return;
    ::uselocale(before_);
    ::freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;
  [[nodiscard]] bool found() const { return locale_ != nullptr; }

 private:
  locale_t locale_;
  locale_t before_ = nullptr;
};

struct Collected {
  std::string bytes;
  bool closed = false;
};

la_ssize_t append(archive* /*writer*/, void* to, const void* bytes, std::size_t size) {
  auto& collected = *static_cast<Collected*>(to);
  if (collected.closed) return -1;
  collected.bytes.append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

struct FreeArchive {
  void operator()(archive* writer) const { ::archive_write_free(writer); }
};
struct FreeEntry {
  void operator()(archive_entry* entry) const { ::archive_entry_free(entry); }
};

Status refused(const TarMember& member, archive* writer) {
  const char* const reason = writer == nullptr ? nullptr : ::archive_error_string(writer);
  return fail(ErrorCode::io, {.file = member.name, .tensor = {}},
              "cannot be described in a tar archive: " +
                  printable(reason == nullptr ? "no memory" : reason));
}

}  // namespace

Result<std::string> tar_header(const TarMember& member) {
  const Utf8Locale locale;
  const bool ascii = std::all_of(member.name.begin(), member.name.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (!ascii && !locale.found()) {
    return fail(ErrorCode::io, {.file = member.name, .tensor = {}},
                "the name is not ASCII, and this system has no locale C.UTF-8",
                "Install that locale, or convert to a directory.");
  }
  Collected header;
  const std::unique_ptr<archive, FreeArchive> writer(::archive_write_new());
  const std::unique_ptr<archive_entry, FreeEntry> entry(::archive_entry_new());
  if (writer == nullptr || entry == nullptr) return refused(member, writer.get());
  if (::archive_write_set_format_pax_restricted(writer.get()) != ARCHIVE_OK ||
      ::archive_write_set_bytes_per_block(writer.get(), 0) != ARCHIVE_OK ||
      ::archive_write_open(writer.get(), &header, nullptr, append, nullptr) != ARCHIVE_OK) {
    return refused(member, writer.get());
  }
  ::archive_entry_copy_pathname(entry.get(), member.name.c_str());
  ::archive_entry_set_filetype(entry.get(), member.directory ? AE_IFDIR : AE_IFREG);
  ::archive_entry_set_perm(entry.get(), member.directory ? kDirectoryMode : kFileMode);
  ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(member.size));
  ::archive_entry_set_mtime(entry.get(), static_cast<time_t>(member.mtime), 0);
  ::archive_entry_set_uid(entry.get(), 0);
  ::archive_entry_set_gid(entry.get(), 0);
  const int result = ::archive_write_header(writer.get(), entry.get());
  header.closed = true;
  // A warning is what a name that is not UTF-8 gets.
  if (result != ARCHIVE_OK && (result != ARCHIVE_WARN || ascii)) {
    return refused(member, writer.get());
  }
  return std::move(header.bytes);
}

}  // namespace thaw
