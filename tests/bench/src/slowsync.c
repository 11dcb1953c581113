/* Loaded in front of the C library: every fsync, fdatasync and synchronous msync takes FSYNC_US
   microseconds more, and is counted in the eight bytes of the file FSYNC_COUNT. On a tmpfs this is a
   disk whose syncs always cost the same. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static long microseconds;
static _Atomic unsigned long own, *count = &own;
static int (*next_fsync)(int), (*next_fdatasync)(int), (*next_msync)(void *, size_t, int);

__attribute__((constructor)) static void start(void) {
  const char *cost = getenv("FSYNC_US"), *path = getenv("FSYNC_COUNT");
  microseconds = cost ? atol(cost) : 0;
  next_fsync = dlsym(RTLD_NEXT, "fsync");
  next_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  next_msync = dlsym(RTLD_NEXT, "msync");
  int file = path ? open(path, O_RDWR) : -1;
  if (file < 0) return;
  void *shared = mmap(0, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (shared != MAP_FAILED) count = shared;
  close(file);
}

static void pay(void) {
  atomic_fetch_add(count, 1);
  struct timespec pause = {microseconds / 1000000, microseconds % 1000000 * 1000};
  if (microseconds > 0) clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, 0);
}

int fsync(int file) {
  pay();
  return next_fsync(file);
}

int fdatasync(int file) {
  pay();
  return next_fdatasync(file);
}

int msync(void *start, size_t length, int flags) {
  if (flags & MS_SYNC) pay();
  return next_msync(start, length, flags);
}
