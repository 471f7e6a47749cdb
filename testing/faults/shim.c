/*
 * Faults of a disk, for tests on Linux: preloaded into a process, it stands between SQLite (or anything else) and the
 * system calls that make files durable. Only files under MILLPOND_FAULT_ROOT are touched. It is steered through a
 * control file that both sides map or write (see shim.ts for the meaning of the cells).
 *
 * A power cut is prepared, not performed: whatever a sync made durable is copied into the folder MILLPOND_FAULT_IMAGE.
 * After the process was killed, that folder is what a machine would find after the cut. Files are read through the
 * descriptor that is being synced, because opening them once more would drop SQLite's locks when it is closed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SYNC_MASK, SYNC_AT, SYNC_SEEN, SYNC_FOREVER, WRITE_MASK, WRITE_AT, WRITE_SEEN, WRITE_ERRNO, CELLS };
enum { WAL = 1, DATABASE = 2, MARK = 4, OTHER = 8 };
enum { MAX_FILES = 64, MAX_RANGES = 4096 };

struct range { off_t start, end; };
struct file { char name[256]; int count; struct range ranges[MAX_RANGES]; };

static volatile int32_t *cells;
static char root[PATH_MAX], image[PATH_MAX];
static size_t root_length;
static struct file *files;
static int file_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
  const char *control = getenv("MILLPOND_FAULT_CONTROL"), *given = getenv("MILLPOND_FAULT_ROOT");
  if (!control || !given) return;
  int fd = open(control, O_RDWR);
  if (fd < 0) return;
  cells = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (cells == MAP_FAILED) { cells = NULL; return; }
  snprintf(root, sizeof root, "%s/", given);
  root_length = strlen(root);
  const char *images = getenv("MILLPOND_FAULT_IMAGE");
  if (images) {
    snprintf(image, sizeof image, "%s", images);
    files = calloc(MAX_FILES, sizeof *files);
  }
}

/* What kind of file a descriptor is, and its path below the root with '/' as '%'; 0 for files of no concern. */
static int kind_of(int fd, char *name, size_t size) {
  if (!cells) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  if (strncmp(path, root, root_length) != 0) return 0;
  const char *base = strrchr(path, '/') + 1;
  if (strstr(base, "-shm")) return 0;
  snprintf(name, size, "%s", path + root_length);
  for (char *at = name; *at; at++) if (*at == '/') *at = '%';
  if (strcmp(base, "log.db-wal") == 0) return WAL;
  if (strcmp(base, "log.db") == 0) return DATABASE;
  if (strcmp(base, "log.mark") == 0) return MARK;
  return OTHER;
}

static struct file *file_of(const char *name) {
  for (int i = 0; i < file_count; i++) if (strcmp(files[i].name, name) == 0) return &files[i];
  if (file_count == MAX_FILES) abort();
  struct file *file = &files[file_count++];
  snprintf(file->name, sizeof file->name, "%s", name);
  return file;
}

static void note_write(const char *name, off_t start, off_t end) {
  if (!files || end <= start) return;
  pthread_mutex_lock(&lock);
  struct file *file = file_of(name);
  struct range *last = file->count ? &file->ranges[file->count - 1] : NULL;
  if (last && start <= last->end && end >= last->start) {
    if (start < last->start) last->start = start;
    if (end > last->end) last->end = end;
  } else if (file->count < MAX_RANGES) {
    file->ranges[file->count++] = (struct range){start, end};
  } else {
    if (start < last->start) last->start = start;
    if (end > last->end) last->end = end;
  }
  pthread_mutex_unlock(&lock);
}

static void keep_image(int fd, const char *name) {
  if (!files) return;
  pthread_mutex_lock(&lock);
  struct file *file = file_of(name);
  char path[PATH_MAX + 300];
  snprintf(path, sizeof path, "%s/%s", image, name);
  int out = open(path, O_RDWR | O_CREAT, 0644);
  static char buffer[1 << 16];
  for (int i = 0; out >= 0 && i < file->count; i++) {
    for (off_t at = file->ranges[i].start; at < file->ranges[i].end;) {
      size_t want = file->ranges[i].end - at;
      if (want > sizeof buffer) want = sizeof buffer;
      ssize_t got = pread(fd, buffer, want, at);
      if (got <= 0) break;
      if (syscall(SYS_pwrite64, out, buffer, got, at) != got) abort();
      at += got;
    }
  }
  struct stat now;
  if (out >= 0 && fstat(fd, &now) == 0) (void)!syscall(SYS_ftruncate, out, now.st_size);
  if (out >= 0) close(out);
  file->count = 0;
  pthread_mutex_unlock(&lock);
}

static int sync_fails(int kind) {
  if (!(cells[SYNC_MASK] & kind)) return 0;
  int32_t seen = __sync_add_and_fetch(&cells[SYNC_SEEN], 1);
  if (cells[SYNC_AT] == 0) return 0;
  return seen == cells[SYNC_AT] || (cells[SYNC_FOREVER] && seen > cells[SYNC_AT]);
}

static int do_sync(int fd, long number) {
  char name[256];
  int kind = kind_of(fd, name, sizeof name);
  if (kind && sync_fails(kind)) { errno = EIO; return -1; }
  int result = (int)syscall(number, fd);
  if (kind && result == 0) keep_image(fd, name);
  return result;
}

int fsync(int fd) { return do_sync(fd, SYS_fsync); }
int fdatasync(int fd) { return do_sync(fd, SYS_fdatasync); }

/* From the n-th matching write on, until the cell is cleared. */
static int write_fails(int kind) {
  if (!(cells[WRITE_MASK] & kind)) return 0;
  int32_t seen = __sync_add_and_fetch(&cells[WRITE_SEEN], 1);
  if (cells[WRITE_AT] == 0 || seen < cells[WRITE_AT]) return 0;
  errno = cells[WRITE_ERRNO] ? cells[WRITE_ERRNO] : ENOSPC;
  return 1;
}

static ssize_t do_pwrite(int fd, const void *bytes, size_t count, off_t at) {
  char name[256];
  int kind = kind_of(fd, name, sizeof name);
  if (kind && write_fails(kind)) return -1;
  ssize_t written = syscall(SYS_pwrite64, fd, bytes, count, at);
  if (kind && written > 0) note_write(name, at, at + written);
  return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return do_pwrite(fd, bytes, count, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) { return do_pwrite(fd, bytes, count, at); }

ssize_t write(int fd, const void *bytes, size_t count) {
  char name[256];
  int kind = kind_of(fd, name, sizeof name);
  if (kind && write_fails(kind)) return -1;
  off_t at = kind ? lseek(fd, 0, SEEK_CUR) : 0;
  ssize_t written = syscall(SYS_write, fd, bytes, count);
  if (kind && written > 0) note_write(name, at, at + written);
  return written;
}

int unlink(const char *path) {
  int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  if (result == 0 && files && strncmp(path, root, root_length) == 0) {
    char name[256], copy[PATH_MAX + 300];
    snprintf(name, sizeof name, "%s", path + root_length);
    for (char *at = name; *at; at++) if (*at == '/') *at = '%';
    snprintf(copy, sizeof copy, "%s/%s", image, name);
    syscall(SYS_unlinkat, AT_FDCWD, copy, 0);
    pthread_mutex_lock(&lock);
    file_of(name)->count = 0;
    pthread_mutex_unlock(&lock);
  }
  return result;
}
