// specs/verify.md clause 5.
#include "verify/checksums.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "support/temporary_directory.h"

namespace thaw {
namespace {

using testing::TemporaryDirectory;

const std::string kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const std::string kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

Result<ChecksumReport> check(const TemporaryDirectory& directory) {
  StopFlag stop;
  Parallel parallel(2, stop, {});
  return check_checksums(real_file_system(), directory / "out", parallel);
}

TEST_CASE("lines as sha256sum writes them: text, binary, escaped") {
  const auto lines =
      parse_checksums("SUMS", kAbc + "  a b\n" + kEmpty + " *dir/c\r\n\\" + kAbc +
                                  "  new\\nline\\\\\n\n# a remark\n" + kAbc + "  ./d");
  REQUIRE(lines.ok());
  REQUIRE(lines.value().size() == 4);
  CHECK(lines.value()[0].name == "a b");
  CHECK(lines.value()[1].name == "dir/c");
  CHECK(lines.value()[1].hex == kEmpty);
  CHECK(lines.value()[2].name == "new\nline\\");
  CHECK(lines.value()[3].name == "d");
}

TEST_CASE("malformed lines and names that lead elsewhere are refused, all at once") {
  for (const char* tail :
       {"  /etc/passwd", "  ../x", "  a/../b", "  a//b", "  ", "  a/", " a", "x a", "", "  .."}) {
    CAPTURE(std::string(tail));
    const auto lines = parse_checksums("SUMS", kAbc + tail + "\n");
    REQUIRE_FALSE(lines.ok());
    CHECK(lines.error().code == ErrorCode::input);
  }
  CHECK_FALSE(parse_checksums("SUMS", "\\" + kAbc + "  bad\\escape").ok());
  CHECK_FALSE(parse_checksums("SUMS", std::string(64, 'g') + "  a").ok());
  const auto two = parse_checksums("SUMS", kAbc + "  a\n" + kAbc + "  a\nnonsense\n");
  REQUIRE_FALSE(two.ok());
  CHECK(two.error().messages.size() == 2);
}

TEST_CASE("files that agree, differ, are missing, not listed, or lead out of the directory") {
  const TemporaryDirectory directory;
  directory.write("out/right", "abc");
  directory.write("out/dir/empty", "");
  directory.write("out/changed", "abd");
  directory.write("out/extra", "x");
  directory.write("outside", "abc");
  std::filesystem::create_symlink(directory / "outside", directory / "out/link");
  directory.write("out/SHA256SUMS", kAbc + "  right\n" + kEmpty + "  dir/empty\n" + kAbc +
                                        "  changed\n" + kAbc + "  gone\n" + kAbc + "  link\n");
  const auto report = check(directory);
  REQUIRE_MESSAGE(report.ok(), (report.ok() ? "" : report.error().text()));
  CHECK(report.value().files == 2);
  using Kind = ChecksumFinding::Kind;
  REQUIRE(report.value().findings.size() == 4);
  CHECK(report.value().findings[0].file == "changed");
  CHECK(report.value().findings[0].kind == Kind::differs);
  CHECK(report.value().findings[1].file == "extra");
  CHECK(report.value().findings[1].kind == Kind::unlisted);
  CHECK(report.value().findings[2].file == "gone");
  CHECK(report.value().findings[2].kind == Kind::missing);
  CHECK(report.value().findings[3].file == "link");
  CHECK(report.value().findings[3].kind == Kind::missing);
}

TEST_CASE("a file larger than a step is read whole") {
  const TemporaryDirectory directory;
  directory.write("out/million", std::string(1'000'000, 'a'));
  std::string large(9u << 20, '\0');
  directory.write("out/zeros", large);
  // FIPS 180-4's million, and 9 MiB of zeros by sha256sum.
  directory.write("out/SHA256SUMS",
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0  million\n"
                  "d2ee4703cd9698945ca7b9fe1689ea3095597eac1a0afd8dba00cac7894fdc43  zeros\n");
  const auto report = check(directory);
  REQUIRE(report.ok());
  CHECK(report.value().holds());
  CHECK(report.value().bytes == 1'000'000 + large.size());
}

}  // namespace
}  // namespace thaw
