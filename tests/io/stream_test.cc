// Streams into descriptors and files, with the calls of the system failing as they do in life.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <thread>

#include "io/descriptor_stream.h"
#include "io/file_stream.h"
#include "io/lock.h"
#include "support/faulty_file_system.h"
#include "support/temporary_directory.h"

namespace thaw {
namespace {

using testing::content_of;
using testing::FaultyFileSystem;
using testing::TemporaryDirectory;

// Fails a write now and then, and does others in part.
class Weather final : public FaultyFileSystem {
 public:
  ssize_t write(int fd, const void* from, std::size_t size) override {
    ++writes;
    if (fail_at != 0 && writes == fail_at) {
      errno = error;
      return -1;
    }
    if (interrupts && writes % 3 == 0) {
      errno = EINTR;
      return -1;
    }
    if (interrupts && writes % 5 == 0) {
      errno = EAGAIN;
      return -1;
    }
    if (most != 0 && size > most) size = most;
    return FaultyFileSystem::write(fd, from, size);
  }
  int wait_writable(int fd, int milliseconds) override {
    ++waits;
    return FaultyFileSystem::wait_writable(fd, milliseconds);
  }
  int writes = 0;
  int waits = 0;
  int fail_at = 0;
  int error = 0;
  bool interrupts = false;
  std::size_t most = 0;
};

// A pipe and a thread that reads it to the end, or stops after so many bytes and closes it.
class Reader {
 public:
  explicit Reader(std::size_t most = ~std::size_t{0}) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    write_end = ends[1];
    thread_ = std::thread([this, from = ends[0], most] {
      char part[4096];
      ssize_t count = 0;
      while (text.size() < most && (count = ::read(from, part, sizeof part)) > 0) {
        text.append(part, static_cast<std::size_t>(count));
      }
      ::close(from);
    });
  }
  ~Reader() { join(); }
  void join() {
    if (write_end >= 0) ::close(write_end);
    write_end = -1;
    if (thread_.joinable()) thread_.join();
  }
  int write_end = -1;
  std::string text;

 private:
  std::thread thread_;
};

std::string numbers(std::size_t size) {
  std::string text;
  for (int i = 0; text.size() < size; ++i) text += std::to_string(i) + ' ';
  text.resize(size);
  return text;
}

Status put_all(ByteStream& stream, const std::string& text, std::size_t piece) {
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const auto part = std::string_view(text).substr(at, piece);
    THAW_RETURN_IF_ERROR(stream.put(std::as_bytes(std::span(part.data(), part.size()))));
  }
  return stream.finish();
}

TEST_CASE("a pipe gets every byte in order, whatever its writes do") {
  const std::string text = numbers(3'000'000);
  for (const std::size_t piece : {std::size_t{512}, std::size_t{70'000}, std::size_t{2'000'000}}) {
    for (const bool interrupts : {false, true}) {
      Weather weather;
      weather.interrupts = interrupts;
      weather.most = interrupts ? 30'011 : 0;
      Reader reader;
      auto stream = open_descriptor_stream(weather, {.descriptor = reader.write_end, .name = "p"});
      REQUIRE(stream.ok());
      REQUIRE(put_all(*stream.value(), text, piece).ok());
      CHECK(stream.value()->size() == text.size());
      stream.value().reset();
      reader.join();
      CHECK(reader.text == text);
    }
  }
}

TEST_CASE("our own flag is set on no descriptor that others share") {
  Reader reader;
  auto stream =
      open_descriptor_stream(real_file_system(), {.descriptor = reader.write_end, .name = "p"});
  REQUIRE(stream.ok());
  CHECK((::fcntl(reader.write_end, F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("a descriptor that came non-blocking is waited for") {
  const std::string text = numbers(2'000'000);
  Weather weather;
  Reader reader;
  REQUIRE(::fcntl(reader.write_end, F_SETFL, O_NONBLOCK) == 0);
  weather.direct_open_error = 0;
  auto stream = open_descriptor_stream(weather, {.descriptor = reader.write_end, .name = "p"});
  REQUIRE(stream.ok());
  REQUIRE(put_all(*stream.value(), text, text.size()).ok());
  stream.value().reset();
  reader.join();
  CHECK(reader.text == text);
}

TEST_CASE("a reader that goes away is an io error of the write") {
  std::signal(SIGPIPE, SIG_IGN);
  for (const std::size_t most : {std::size_t{1}, std::size_t{100'000}}) {
    Reader reader(most);
    auto stream =
        open_descriptor_stream(real_file_system(), {.descriptor = reader.write_end, .name = "p"});
    REQUIRE(stream.ok());
    const Status status = put_all(*stream.value(), numbers(8'000'000), 100'000);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().code == ErrorCode::io);
    CHECK(status.error().text() == "p: cannot be written: Broken pipe");
  }
}

TEST_CASE("a write that fails ends the stream with its reason, whichever it is") {
  const std::string text = numbers(1'000'000);
  for (const auto& [error, code] :
       {std::pair{EIO, ErrorCode::io}, std::pair{ENOSPC, ErrorCode::no_space}}) {
    for (int n = 1;; ++n) {
      Weather weather;
      weather.fail_at = n;
      weather.error = error;
      Reader reader;
      auto stream = open_descriptor_stream(weather, {.descriptor = reader.write_end, .name = "p"});
      REQUIRE(stream.ok());
      const Status status = put_all(*stream.value(), text, 300'000);
      if (status.ok()) {
        CHECK(n > 3);
        break;
      }
      CHECK(status.error().code == code);
    }
  }
}

TEST_CASE("a reader that does not read is waited for only until a stop is asked for") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  StopFlag stop;
  auto stream = open_descriptor_stream(real_file_system(),
                                       {.descriptor = ends[1], .name = "p", .stop = &stop});
  REQUIRE(stream.ok());
  std::thread user([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    stop.request(ErrorCode::interrupted);
  });
  const Status status = put_all(*stream.value(), numbers(4'000'000), 1'000'000);
  user.join();
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::interrupted);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a closed or read-only descriptor is refused before the first byte") {
  const int closed = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::close(closed);
  CHECK_FALSE(open_descriptor_stream(real_file_system(), {.descriptor = closed, .name = "p"}).ok());
  const int read_only = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const auto refused =
      open_descriptor_stream(real_file_system(), {.descriptor = read_only, .name = "p"});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::io);
  ::close(read_only);
}

TEST_CASE("a file that the shell opened is written from where it stands") {
  const TemporaryDirectory directory;
  const std::string text = numbers(40'000'000);  // more than the window
  for (const int append : {0, O_APPEND}) {
    const std::string path = directory.write("file", "before ");
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | append);
    REQUIRE(fd >= 0);
    if (append == 0) REQUIRE(::lseek(fd, 0, SEEK_END) == 7);
    auto stream = open_descriptor_stream(real_file_system(),
                                         {.descriptor = fd, .name = "file", .window = 8 << 20});
    REQUIRE(stream.ok());
    REQUIRE(put_all(*stream.value(), text, 3'000'000).ok());
    ::close(fd);
    CHECK(content_of(path) == "before " + text);
  }
}

TEST_CASE("a file stream writes all sizes, with and without O_DIRECT and a known size") {
  const TemporaryDirectory directory;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4096},
                                 std::size_t{4 << 20}, std::size_t{9'000'001}}) {
    const std::string text = numbers(size);
    for (const bool known : {false, true}) {
      for (const bool direct : {false, true}) {
        FaultyFileSystem file_system;
        file_system.most_write = direct ? 0 : 100'003;
        const std::string path = directory / "out";
        auto stream = FileStream::create(file_system, path,
                                         known ? std::optional<std::uint64_t>(size) : std::nullopt,
                                         {.direct = direct});
        REQUIRE(stream.ok());
        REQUIRE(put_all(*stream.value(), text, 70'001).ok());
        CHECK(content_of(path) == text);
      }
    }
  }
}

TEST_CASE("the lock on a file keeps a second run out and follows the name") {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.partial";
  {
    auto first = Lock::take_file(real_file_system(), path);
    REQUIRE(first.ok());
    const auto second = Lock::take_file(real_file_system(), path);
    REQUIRE_FALSE(second.ok());
    CHECK(second.error().code == ErrorCode::locked);
  }
  CHECK(Lock::take_file(real_file_system(), path).ok());
  std::filesystem::create_symlink("/dev/null", directory / "link");
  std::filesystem::create_directory(directory / "folder");
  for (const char* name : {"link", "folder"}) {
    const auto refused = Lock::take_file(real_file_system(), directory / name);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::usage);
  }
}

// The first run ends, and renames its file, between our opening of it and our lock.
class Racing final : public FaultyFileSystem {
 public:
  explicit Racing(std::string path) : path_(std::move(path)) {}
  int lock(int fd) override {
    if (++locks_ == 1) std::filesystem::rename(path_, path_ + ".done");
    return FaultyFileSystem::lock(fd);
  }

 private:
  std::string path_;
  int locks_ = 0;
};

TEST_CASE("a file that was renamed before the lock was had is not ours") {
  const TemporaryDirectory directory;
  const std::string path = directory.write("a.partial", "finished");
  Racing racing(path);
  const auto lock = Lock::take_file(racing, path);
  REQUIRE(lock.ok());
  CHECK(lock.value().read_start(path, 100).value().empty());  // a new one
  CHECK(content_of(path + ".done") == "finished");
}

}  // namespace
}  // namespace thaw
