// specs/archives.md clause 3: the headers of archives, byte by byte where readers depend on it.
#include "sink/tar_header.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <clocale>
#include <cstdint>
#include <random>
#include <string>

#include "base/hash.h"
#include "sink/tar_stream.h"

namespace thaw {
namespace {

// A field of the last block of a header, up to its end.
std::string field(const std::string& header, std::size_t offset, std::size_t size) {
  const std::string text = header.substr(header.size() - 512 + offset, size);
  return text.substr(0, text.find('\0'));
}

std::string header_of(const std::string& name, std::uint64_t size = 0, std::uint64_t mtime = 0) {
  std::string header =
      tar_header({.name = name, .size = size, .mtime = mtime, .directory = name.back() == '/'});
  CHECK(header.size() % 512 == 0);
  return header;
}

TEST_CASE("an ordinary member has one ustar block with fixed owner, mode and time") {
  const std::string header = header_of("model/config.json", 1000, 86400);
  REQUIRE(header.size() == 512);
  CHECK(field(header, 0, 100) == "model/config.json");
  CHECK(field(header, 100, 7) == "000644 ");
  CHECK(field(header, 108, 7) == "000000 ");
  CHECK(field(header, 116, 7) == "000000 ");
  CHECK(field(header, 124, 11) == "00000001750");
  CHECK(field(header, 136, 11) == "00000250600");
  CHECK(field(header, 156, 1) == "0");
  CHECK(header.substr(257, 8) == std::string("ustar\0"
                                             "00",
                                             8));
  CHECK(field(header, 265, 64).empty());  // no names of user and group
  const std::string folder = header_of("model/");
  REQUIRE(folder.size() == 512);
  CHECK(field(folder, 100, 7) == "000755 ");
  CHECK(field(folder, 156, 1) == "5");
}

TEST_CASE("a member over 8 GiB has its size in a pax header, one below has not") {
  const std::uint64_t limit = std::uint64_t{8} << 30;
  CHECK(header_of("m/model.safetensors", limit - 1).size() == 512);
  for (const std::uint64_t size : {limit, std::uint64_t{141} << 30, std::uint64_t{9} << 40}) {
    const std::string header = header_of("m/model.safetensors", size);
    REQUIRE(header.size() == 1536);
    CHECK(header[156] == 'x');
    CHECK(header.find(" size=" + std::to_string(size) + "\n") != std::string::npos);
    CHECK(field(header, 0, 100) == "m/model.safetensors");
  }
}

TEST_CASE("long names and names beyond ASCII are whole, in every locale") {
  const std::string long_name = "root/" + std::string(200, 'n') + "/" + std::string(120, 'f');
  const std::string rows[] = {"root/caf\xc3\xa9.json", "root/e\xcc\x81.json", "\xe6\xa8\xa1/a",
                              "root/\xf0\x9f\xa7\x8a.txt", long_name};
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const std::string& name : rows) {
    CAPTURE(name);
    std::setlocale(LC_ALL, "C");
    const std::string header = header_of(name);
    CHECK(header[156] == 'x');
    CHECK(header.find(" path=" + name + "\n") != std::string::npos);
    CHECK(header.find("hdrcharset") == std::string::npos);
    for (const char* locale : {"C.UTF-8", "de_DE.ISO-8859-1"}) {
      std::setlocale(LC_ALL, locale);
      CHECK(header_of(name) == header);
    }
  }
  std::setlocale(LC_ALL, before.c_str());
}

TEST_CASE("a name that is not UTF-8 is kept as it is, and marked") {
  const std::string header = header_of("root/caf\xe9.json");
  CHECK(header.find("hdrcharset=BINARY\n") != std::string::npos);
  CHECK(header.find(" path=root/caf\xe9.json\n") != std::string::npos);
}

// Members of every kind in an order that never changes: long and short names, folders, bytes that
// are not UTF-8, and numbers around the limits of ustar.
TarMember member_of_kind(std::mt19937_64& random) {
  static const std::string kPieces[] = {"model", "x.safetensors", "\xc3\xa9", "\xf0\x9f\xa7\x8a",
                                        "\xe9",  "\xed\xa0\x80",  "\xc0\x80"};
  const auto below = [&](std::uint64_t limit) { return random() % limit; };
  TarMember member;
  const std::uint64_t depth = 1 + below(5);
  const bool ascii = below(4) != 0;
  for (std::uint64_t i = 0; i < depth; ++i) {
    if (i != 0) member.name += '/';
    const std::uint64_t kind = below(3);
    if (kind == 2) {
      member.name += kPieces[below(ascii ? 2 : 7)];
    } else {
      const std::uint64_t length = 1 + below(kind == 0 ? 170 : 40);
      member.name += std::string(length, static_cast<char>('a' + below(26)));
    }
  }
  member.directory = below(4) == 0;
  if (member.directory) member.name += '/';
  const std::uint64_t size_limits[] = {0, 1u << 20, std::uint64_t{1} << 33, std::uint64_t{1} << 36};
  const std::uint64_t time_limits[] = {2, 1u << 30, std::uint64_t{1} << 31, std::uint64_t{1} << 33};
  const std::uint64_t size = size_limits[below(4)] + below(4);
  member.size = member.directory ? 0 : size - std::min<std::uint64_t>(size, 2);
  member.mtime = time_limits[below(4)] + below(4) - 2;
  return member;
}

// Until version 0.1 libarchive 3.6 made the headers; this hash is of what it made.
TEST_CASE("two thousand headers have the bytes that libarchive gave them") {
  std::mt19937_64 random(1);
  Hash hash;
  for (int i = 0; i < 2000; ++i) hash.add(tar_header(member_of_kind(random)));
  CHECK(hash.hex() == "4b5439d50bec8d8e");
}

// Collects what a tar stream writes.
class Collected final : public ByteStream {
 public:
  [[nodiscard]] Status put(std::span<const std::byte> bytes) override {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }
  [[nodiscard]] Status finish() override { return {}; }
  [[nodiscard]] std::uint64_t size() const override { return text.size(); }
  std::string text;
};

PlannedFile file_of(const std::string& name, std::uint64_t size) {
  PlannedFile file;
  file.name = name;
  file.size = size;
  return file;
}

TEST_CASE("the layout counts every byte, empty files and folders included") {
  Plan plan;
  plan.files = {file_of("a.json", 0), file_of("code/deep/b.py", 513), file_of("code/c.py", 1),
                file_of("z", 0)};
  const TarLayout layout = lay_out_tar(plan, "top", 0);
  Collected out;
  TarStream tar(plan, layout, out);
  const std::string content(513, 'b');
  const auto bytes = std::as_bytes(std::span(content.data(), content.size()));
  REQUIRE(tar.write(1, 0, bytes.subspan(0, 500)).ok());
  REQUIRE(tar.write(1, 500, bytes.subspan(500)).ok());
  REQUIRE(tar.write(2, 0, bytes.subspan(0, 1)).ok());
  REQUIRE(tar.finish().ok());
  CHECK(out.text.size() == layout.size);
  // top/, a.json, code/, code/deep/, b.py with 2 blocks, c.py with 1, z, the end.
  CHECK(out.text.size() == 10240);
  CHECK(out.text.compare(512 * 5, 512, content, 0, 512) == 0);
  CHECK(out.text.find_last_not_of('\0') < std::size_t{512} * 10);
}

TEST_CASE("a member of 9 GiB is refused nowhere before its content") {
  Plan plan;
  plan.files = {file_of("model.safetensors", std::uint64_t{9} << 30)};
  const TarLayout layout = lay_out_tar(plan, "top", 0);
  CHECK(layout.size > std::uint64_t{9} << 30);
  Collected out;
  TarStream tar(plan, layout, out);
  const std::string content(4096, 'w');
  REQUIRE(tar.write(0, 0, std::as_bytes(std::span(content.data(), content.size()))).ok());
  CHECK(out.text.size() == 512 + 1536 + 4096);
  CHECK(out.text.find(" size=9663676416\n") != std::string::npos);
  const Status unfinished = tar.finish();
  REQUIRE_FALSE(unfinished.ok());
  CHECK(unfinished.error().code == ErrorCode::bug);
}

TEST_CASE("bytes out of order are our mistake, and are not written") {
  Plan plan;
  plan.files = {file_of("a", 10), file_of("b", 10)};
  const TarLayout layout = lay_out_tar(plan, "top", 0);
  const std::string ten(10, 'x');
  const auto bytes = std::as_bytes(std::span(ten.data(), ten.size()));
  for (const auto& [file, offset] : {std::pair{1u, 0u}, std::pair{0u, 5u}}) {
    Collected out;
    TarStream tar(plan, layout, out);
    const Status status = tar.write(file, offset, bytes);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().code == ErrorCode::bug);
    CHECK(out.text.find(ten) == std::string::npos);
  }
}

}  // namespace
}  // namespace thaw
