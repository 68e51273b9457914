// A library for LD_PRELOAD: a system that refuses some calls, for the tests of the command line.
// THAW_REFUSE holds them as "call=number", separated by commas:
//   flock=E         every flock() fails with errno E
//   mmap_shared=E   so do shared mappings of files
//   mmap=E          and all mappings of files of more than 64 KiB that are not executable
//   statvfs=E       and statvfs(); 0: it says that there are no blocks in all
//   threads=N       pthread_create() fails with EAGAIN after N threads
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace {

// The number of a call, or -1.
int asked(const char* call) {
  const char* text = std::getenv("THAW_REFUSE");
  const std::size_t length = std::strlen(call);
  while (text != nullptr && *text != '\0') {
    if (std::strncmp(text, call, length) == 0 && text[length] == '=') {
      return std::atoi(text + length + 1);
    }
    text = std::strchr(text, ',');
    if (text != nullptr) ++text;
  }
  return -1;
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

std::atomic<int> threads{0};

constexpr std::size_t kSmall = 64u << 10;

}  // namespace

extern "C" {

int flock(int fd, int operation) {
  const int error = asked("flock");
  if (error < 0) return next<int(int, int)>("flock")(fd, operation);
  errno = error;
  return -1;
}

void* mmap64(void* address, std::size_t size, int protection, int flags, int fd, off64_t offset) {
  const bool shared = (flags & MAP_TYPE) == MAP_SHARED && asked("mmap_shared") > 0;
  const bool any = size > kSmall && (protection & PROT_EXEC) == 0 && asked("mmap") > 0;
  if (fd < 0 || !(shared || any)) {
    return next<void*(void*, std::size_t, int, int, int, off64_t)>("mmap64")(
        address, size, protection, flags, fd, offset);
  }
  errno = shared ? asked("mmap_shared") : asked("mmap");
  return MAP_FAILED;
}

void* mmap(void* address, std::size_t size, int protection, int flags, int fd, off_t offset) {
  return mmap64(address, size, protection, flags, fd, offset);
}

int statvfs64(const char* path, struct statvfs64* to) {
  const int error = asked("statvfs");
  if (error > 0) {
    errno = error;
    return -1;
  }
  const int result = next<int(const char*, struct statvfs64*)>("statvfs64")(path, to);
  if (error == 0) to->f_blocks = to->f_bfree = to->f_bavail = 0;
  return result;
}

int statvfs(const char* path, struct statvfs* to) {
  const int error = asked("statvfs");
  if (error > 0) {
    errno = error;
    return -1;
  }
  const int result = next<int(const char*, struct statvfs*)>("statvfs")(path, to);
  if (error == 0) to->f_blocks = to->f_bfree = to->f_bavail = 0;
  return result;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                   void* argument) {
  const int most = asked("threads");
  if (most >= 0 && threads.fetch_add(1) >= most) return EAGAIN;
  return next<int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>("pthread_create")(
      thread, attributes, body, argument);
}

}  // extern "C"
