// specs/verify.md clause 2.
#include "sink/verify_sink.h"

#include <doctest/doctest.h>

#include <string>

#include "support/faulty_file_system.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

using testing::TemporaryDirectory;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

Plan plan_of(const std::string& name, std::uint64_t size) {
  Plan plan;
  PlannedFile file;
  file.name = name;
  file.size = size;
  plan.files.push_back(file);
  return plan;
}

TEST_CASE("differences are counted by part, with the first of each, in any order of pieces") {
  const TemporaryDirectory directory;
  std::string want(10'000, 'a');
  std::string got = want;
  got[3] = 'b';
  got[999] = 'b';
  got[1000] = 'b';
  got[9999] = 'b';
  directory.write("out/f", got);
  const Plan plan = plan_of("f", want.size());
  const auto sink =
      VerifySink::open(real_file_system(), plan, directory / "out", {{0, 1000, 5000}}).value();
  const auto write = [&](std::uint64_t from, std::uint64_t to) {
    CHECK(sink->write(0, from, bytes_of(want).subspan(from, to - from)).ok());
  };
  write(4000, 10'000);
  write(0, 990);
  write(990, 4000);
  CHECK(sink->finish().ok());
  const VerifySink::File& file = sink->files()[0];
  CHECK(file.state == VerifySink::FileState::present);
  REQUIRE(file.differences.size() == 3);
  CHECK(file.differences.at(0).bytes == 2);
  CHECK(file.differences.at(0).first == 3);
  CHECK(file.differences.at(1).bytes == 1);
  CHECK(file.differences.at(1).first == 1000);
  CHECK(file.differences.at(2).bytes == 1);
  CHECK(file.differences.at(2).first == 9999);
}

TEST_CASE("a missing file, an empty one and one of another size are told, and what is there read") {
  const TemporaryDirectory directory;
  const std::string want = "0123456789";
  for (const std::string& got : {std::string("01234"), std::string("0123x56789more")}) {
    CAPTURE(got);
    directory.write("out/f", got);
    const Plan plan = plan_of("f", want.size());
    const auto sink = VerifySink::open(real_file_system(), plan, directory / "out", {{0}}).value();
    CHECK(sink->write(0, 0, bytes_of(want)).ok());
    CHECK(sink->files()[0].size == got.size());
    CHECK(sink->files()[0].differences.size() == (got.size() > 5 ? 1 : 0));
  }
  directory.write("out/f", "");
  const Plan plan = plan_of("f", want.size());
  const auto empty = VerifySink::open(real_file_system(), plan, directory / "out", {{0}}).value();
  CHECK(empty->write(0, 0, bytes_of(want)).ok());
  CHECK(empty->files()[0].state == VerifySink::FileState::present);
  CHECK(empty->files()[0].size == 0);
  const auto missing =
      VerifySink::open(real_file_system(), plan, directory / "nowhere", {{0}}).value();
  CHECK(missing->write(0, 0, bytes_of(want)).ok());
  CHECK(missing->files()[0].state == VerifySink::FileState::missing);
  CHECK(missing->files()[0].why.find("nowhere/f") != std::string::npos);
}

TEST_CASE("large files are compared across the steps in which they are dropped") {
  const TemporaryDirectory directory;
  std::string want(13u << 20, '\0');
  for (std::size_t i = 0; i < want.size(); ++i) want[i] = static_cast<char>(i * 7 >> 3);
  std::string got = want;
  got[(4u << 20) - 1] ^= 1;
  got[(12u << 20) + 5] ^= 1;
  directory.write("out/f", got);
  const Plan plan = plan_of("f", want.size());
  const auto sink =
      VerifySink::open(real_file_system(), plan, directory / "out", {{0, 4u << 20}}).value();
  for (std::size_t at = 0; at < want.size(); at += 3u << 20) {
    const std::size_t size = std::min<std::size_t>(3u << 20, want.size() - at);
    CHECK(sink->write(0, at, bytes_of(want).subspan(at, size)).ok());
  }
  CHECK(sink->files()[0].differences.at(0).first == (4u << 20) - 1);
  CHECK(sink->files()[0].differences.at(1).first == (12u << 20) + 5);
  CHECK(sink->files()[0].differences.at(1).bytes == 1);
}

}  // namespace
}  // namespace thaw
