// Reading back what was written, and the two checksums.
#include "io/read_back.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "io/crc32.h"
#include "io/sha256.h"
#include "support/faulty_file_system.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

using testing::Call;
using testing::FaultyFileSystem;
using testing::TemporaryDirectory;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string counted_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 4096);
  return bytes;
}

TEST_CASE("the CRC of the standard's test word, and of pieces in any order") {
  CHECK(crc32_of(bytes_of("123456789")) == 0xcbf43926u);
  CHECK(crc32_of({}) == 0);
  const std::string all = counted_bytes(100'001);
  for (const std::size_t step : {std::size_t{1'000}, std::size_t{4'096}, std::size_t{99'999}}) {
    Crc32 crc32(all.size());
    const std::size_t pieces = (all.size() + step - 1) / step;
    for (std::size_t i = 0; i < pieces; ++i) {
      const std::size_t at = (i * 7 + 3) % pieces * step;
      const auto piece = bytes_of(all).subspan(at, std::min(step, all.size() - at));
      crc32.add(at, piece.size(), crc32_of(piece));
    }
    CAPTURE(step);
    CHECK(crc32.value() == crc32_of(bytes_of(all)));
  }
}

TEST_CASE("SHA-256 of FIPS 180's test word, in pieces") {
  Sha256 sum;
  sum.add(bytes_of("a"));
  sum.add(bytes_of("bc"));
  CHECK(sum.finish() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Sha256().finish() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("a file comes back whole, past the page cache or through it") {
  const TemporaryDirectory directory;
  alignas(4096) static std::byte buffer[8192];
  for (const std::size_t size : {std::size_t{1}, std::size_t{8192}, std::size_t{20'000}}) {
    const std::string path = directory.write("file", counted_bytes(size));
    for (const bool direct : {false, true}) {
      FaultyFileSystem file_system;
      file_system.direct_open_error = direct ? 0 : EINVAL;
      file_system.fault = {.call = Call::pread, .at = 1, .error = direct ? EINVAL : EINTR};
      std::string read;
      const Status status =
          read_back(file_system, path, size, buffer,
                    [&](std::uint64_t offset, std::span<const std::byte> bytes) {
                      CHECK(offset == read.size());
                      read.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                      return Status();
                    });
      CHECK(status.ok());
      CHECK(read == counted_bytes(size));
    }
  }
}

TEST_CASE("a file of another size, a link and a directory are not read") {
  const TemporaryDirectory directory;
  alignas(4096) static std::byte buffer[4096];
  const std::string path = directory.write("file", "1234");
  std::filesystem::create_symlink(path, directory / "link");
  std::filesystem::create_directory(directory / "folder");
  const auto consume = [](std::uint64_t, std::span<const std::byte>) { return Status(); };
  CHECK(read_back(real_file_system(), path, 4, buffer, consume).ok());
  CHECK_FALSE(read_back(real_file_system(), path, 5, buffer, consume).ok());
  CHECK_FALSE(read_back(real_file_system(), directory / "link", 4, buffer, consume).ok());
  CHECK_FALSE(read_back(real_file_system(), directory / "folder", 4, buffer, consume).ok());
  CHECK_FALSE(read_back(real_file_system(), directory / "none", 4, buffer, consume).ok());
}

}  // namespace
}  // namespace thaw
