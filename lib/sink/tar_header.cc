// The bytes are those that libarchive 3 writes as "pax restricted": archives are equal to those of
// older versions of thaw, which asked libarchive for them.
#include "sink/tar_header.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>

#include "base/bytes.h"
#include "base/text.h"

namespace thaw {

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameSize = 100;
constexpr std::size_t kPrefixSize = 155;
constexpr std::uint64_t kFileMode = 0644;
constexpr std::uint64_t kDirectoryMode = 0755;
// Above these a pax record says the number: 11 octal digits, and what POSIX's 32-bit times held.
constexpr std::uint64_t kLargestSize = (std::uint64_t{1} << 33) - 1;
constexpr std::uint64_t kLargestTime = 0x7fff'ffff;

// A field of a ustar header: where it begins, its digits, and the size that they may grow to.
struct Field {
  std::size_t offset;
  std::size_t digits;
  std::size_t size;
};
constexpr Field kMode{100, 6, 6};
constexpr Field kUser{108, 6, 6};
constexpr Field kGroup{116, 6, 6};
constexpr Field kSize{124, 11, 12};
constexpr Field kTime{136, 11, 11};
constexpr Field kMajor{329, 6, 6};
constexpr Field kMinor{337, 6, 6};
constexpr std::size_t kChecksum = 148;
constexpr std::size_t kType = 156;
constexpr std::size_t kMagic = 257;
constexpr std::size_t kPrefix = 345;

// Octal digits; what they cannot hold is binary, big-endian, marked by the highest bit, as GNU tar
// and all readers know it. A reader that obeys the pax record before it does not look.
void put_number(std::string& block, const Field& field, std::uint64_t value) {
  const auto needed = static_cast<std::size_t>((std::bit_width(value) + 2) / 3);
  const std::size_t digits = std::max(field.digits, std::min(needed, field.size));
  const bool binary = needed > digits;
  for (std::size_t i = digits; i-- > 0; value >>= binary ? 8 : 3) {
    block[field.offset + i] =
        static_cast<char>(binary ? value & 0xff : '0' + static_cast<int>(value & 7));
  }
  if (binary) block[field.offset] = static_cast<char>(0x80);
  if (digits == field.digits && field.offset + digits != kChecksum - 1) {
    block[field.offset + digits] = ' ';
  } else if (field.offset == kTime.offset) {
    block[field.offset + digits] = ' ';
  }
}

// Where a name is divided into prefix and name; 0: it fits undivided; npos: it cannot be.
std::size_t division(std::string_view name) {
  if (name.size() <= kNameSize) return 0;
  const std::size_t slash = name.find('/', std::max<std::size_t>(name.size() - kNameSize - 1, 1));
  if (slash == std::string_view::npos || slash > kPrefixSize || slash + 1 == name.size()) {
    return std::string_view::npos;
  }
  return slash;
}

// The end of the last whole folder of `folders`, which end with slashes, that begins at or after
// `from` and whose slash is at `last` or before; else `from`.
std::size_t end_of_folders(std::string_view folders, std::size_t from, std::size_t last) {
  const std::size_t slash = folders.rfind('/', last);
  return slash == std::string_view::npos || slash < from ? from : slash + 1;
}

// A name that a ustar header can hold, for a reader that does not know pax: as many of the first
// folders as fit, `inserted` as another one, and the beginning of the last name.
std::string shortened(std::string_view path, std::string_view inserted) {
  if (inserted.empty() && path.size() < kNameSize) return std::string(path);
  const bool folder = path.ends_with('/');
  if (folder) path.remove_suffix(1);
  const std::string_view folders = path.substr(0, path.rfind('/') + 1);
  std::size_t room = kNameSize - 2 - (folder ? 1 : 0);
  if (!inserted.empty()) room -= inserted.size() + 2;
  const std::string_view last = path.substr(folders.size(), room);
  room -= last.size();
  const std::size_t prefix = end_of_folders(folders, 0, kPrefixSize - 1);
  std::string name(folders.substr(0, end_of_folders(folders, prefix, prefix + room)));
  if (!inserted.empty()) name.append(inserted).append("/");
  name += last;
  if (folder) name += '/';
  return name;
}

struct Block {
  std::string_view name;
  std::uint64_t mode, size, mtime;
  char type;
};

std::string ustar_block(const Block& header) {
  std::string block(kBlock, '\0');
  const std::size_t slash = division(header.name);
  if (slash != 0 && slash != std::string_view::npos) {
    header.name.copy(block.data() + kPrefix, slash);
    header.name.substr(slash + 1).copy(block.data(), kNameSize);
  } else {
    header.name.copy(block.data(), kNameSize);
  }
  put_number(block, kMode, header.mode);
  put_number(block, kUser, 0);
  put_number(block, kGroup, 0);
  put_number(block, kSize, header.size);
  put_number(block, kTime, header.mtime);
  block[kType] = header.type;
  std::string_view(
      "ustar\0"
      "00",
      8)
      .copy(block.data() + kMagic, 8);
  put_number(block, kMajor, 0);
  put_number(block, kMinor, 0);
  // The checksum counts its own field as spaces.
  std::uint64_t sum = std::uint64_t{8} * ' ';
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put_number(block, {kChecksum, 6, 6}, sum);
  block[kChecksum + 6] = '\0';
  block[kChecksum + 7] = ' ';
  return block;
}

// "20 mtime=2147483647\n": the length counts its own digits.
std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;  // space, equals sign, end of line
  std::size_t size = rest + 1;
  while (rest + std::to_string(size).size() != size) ++size;
  return std::to_string(size).append(" ").append(key).append("=").append(value).append("\n");
}

std::string pax_records(const TarMember& member) {
  const bool ascii = std::all_of(member.name.begin(), member.name.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  std::string records;
  if (!is_utf8(member.name)) records += pax_record("hdrcharset", "BINARY");
  if (!ascii || division(member.name) == std::string_view::npos) {
    records += pax_record("path", member.name);
  }
  if (member.mtime >= kLargestTime) records += pax_record("mtime", std::to_string(member.mtime));
  if (member.size > kLargestSize) records += pax_record("size", std::to_string(member.size));
  return records;
}

}  // namespace

std::string tar_header(const TarMember& member) {
  const std::uint64_t mode = member.directory ? kDirectoryMode : kFileMode;
  const char type = member.directory ? '5' : '0';
  std::string records = pax_records(member);
  const bool renamed = records.find("path=") != std::string::npos;
  std::string header;
  if (!records.empty()) {
    std::string_view name = member.name;
    if (name.ends_with('/')) name.remove_suffix(1);
    header = ustar_block({.name = shortened(name, "PaxHeader"),
                          .mode = mode,
                          .size = records.size(),
                          .mtime = std::min(member.mtime, kLargestTime),
                          .type = 'x'});
    records.resize(round_up(records.size(), kBlock), '\0');
    header += records;
  }
  const std::string name = renamed ? shortened(member.name, {}) : member.name;
  return header + ustar_block({.name = name,
                               .mode = mode,
                               .size = member.directory ? 0 : member.size,
                               .mtime = member.mtime,
                               .type = type});
}

}  // namespace thaw
