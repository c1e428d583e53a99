/* A disk to order: loaded into a process with LD_PRELOAD, it counts every call on the files below one folder, makes the
   one that is asked for fail, fall short, kill the process or cut the power, and records what reaches the disk.

   `io_watch` says which folder and where to record, `io_arm` what is to happen; both are called through ctypes. A line of
   the record is "NAME\tPATH\tOFFSET\tSIZE\n" and SIZE bytes behind it, written when the call has been made. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING, FAIL, SHORT, KILL, CUT };
enum { MADE, FAILED, SHORTENED };
#define FILES 4096
#define EXT4_SHUTDOWN 0x8004587d
#define NO_LOG_FLUSH 2

static char folder[PATH_MAX], open_files[FILES][NAME_MAX + 1], was_written[FILES];
static char only_call[16], only_path[NAME_MAX + 1];
static size_t folder_size;
static int record_fd = -1, recording, fault, number, lasting, disk_fd = -1;
static atomic_long calls, at, hits;

void io_watch(const char *path, int fd, int record)
{
    folder_size = strlen(strcpy(folder, path));
    record_fd = fd;
    recording = record;
}

/* Only calls of this name on this file count; all, where these are empty. */
void io_arm(int what, long call, int from_then_on, int error, const char *name, const char *path)
{
    snprintf(only_call, sizeof only_call, "%s", name);
    snprintf(only_path, sizeof only_path, "%s", path);
    if (what == CUT)
        disk_fd = (int)syscall(SYS_openat, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    fault = NOTHING;
    calls = hits = 0;
    lasting = from_then_on;
    number = error;
    at = call;
    fault = what;
}

long io_calls(void) { return calls; }
long io_hits(void) { return hits; }

static void record(const char *name, const char *path, long offset, const struct iovec *data, int parts, size_t size)
{
    char head[NAME_MAX + 64];
    struct iovec all[1100];
    if (!recording || record_fd < 0)
        return;
    all[0].iov_base = head;
    all[0].iov_len = (size_t)snprintf(head, sizeof head, "%s\t%s\t%ld\t%zu\n", name, path, offset, size);
    int used = 1;
    for (size_t left = size; used <= parts && used < 1100 && left; used++) {
        all[used] = data[used - 1];
        if (all[used].iov_len > left)
            all[used].iov_len = left;
        left -= all[used].iov_len;
    }
    if (syscall(SYS_writev, record_fd, all, used) < 0)
        abort();
}

/* What is to become of this call; `path` is NULL for files that are not watched. */
static int fate(const char *name, const char *path, int is_write)
{
    if (!path)
        return MADE;
    if ((*only_call && strcmp(only_call, name)) || (*only_path && strcmp(only_path, path)))
        return MADE;
    long call = ++calls;
    record("call", name, call, &(struct iovec){(void *)path, strlen(path)}, 1, strlen(path));
    if (fault == NOTHING || call < at || (call > at && !lasting) || (fault == SHORT && !is_write))
        return MADE;
    ++hits;
    if (fault == CUT) /* what is told from here on may be of a disk that has forgotten it already */
        if (syscall(SYS_write, record_fd, "cut\t\t0\t0\n", 9) == 9)
            ioctl(disk_fd, EXT4_SHUTDOWN, &(unsigned){NO_LOG_FLUSH});
    if (fault == CUT || fault == KILL)
        syscall(SYS_kill, getpid(), SIGKILL);
    errno = number;
    return fault == SHORT ? SHORTENED : FAILED;
}

/* A path's part below the folder, or NULL. */
static const char *below(const char *path)
{
    if (!folder_size || strncmp(path, folder, folder_size) || (path[folder_size] && path[folder_size] != '/'))
        return NULL;
    return path[folder_size] ? path + folder_size + 1 : ".";
}

static const char *name_of(int fd) { return fd >= 0 && fd < FILES && open_files[fd][0] ? open_files[fd] : NULL; }

static int open_file(int from, const char *path, int flags, int mode)
{
    const char *name = below(path);
    int is_new = name && (flags & O_CREAT) && syscall(SYS_faccessat, from, path, F_OK) < 0;
    if (fate("open", name, 0))
        return -1;
    int fd = (int)syscall(SYS_openat, from, path, flags, mode);
    if (fd >= 0 && fd < FILES)
        snprintf(open_files[fd], sizeof open_files[fd], "%s", name ? name : ""), was_written[fd] = 0;
    if (fd >= 0 && is_new)
        record("create", name, 0, NULL, 0, 0);
    if (fd >= 0 && name && (flags & O_TRUNC))
        record("truncate", name, 0, NULL, 0, 0);
    return fd;
}

#define MODE(last) ({ va_list list; va_start(list, last); int mode = va_arg(list, int); va_end(list); mode; })
int open(const char *path, int flags, ...) { return open_file(AT_FDCWD, path, flags, MODE(flags)); }
int open64(const char *path, int flags, ...) { return open_file(AT_FDCWD, path, flags, MODE(flags)); }
int openat(int from, const char *path, int flags, ...) { return open_file(from, path, flags, MODE(flags)); }
int openat64(int from, const char *path, int flags, ...) { return open_file(from, path, flags, MODE(flags)); }

int close(int fd)
{
    const char *name = name_of(fd);
    int failed = fate("close", name && was_written[fd] ? name : NULL, 0), error = errno; /* else no disk is asked */
    if (name)
        open_files[fd][0] = 0;
    int closed = (int)syscall(SYS_close, fd);
    errno = failed ? error : errno;
    return failed ? -1 : closed;
}

static ssize_t put(int fd, const struct iovec *data, int parts, long offset)
{
    const char *name = name_of(fd);
    struct iovec half[1100];
    size_t size = 0;
    for (int part = 0; part < parts; part++)
        size += data[part].iov_len;
    int what = fate("write", name, 1);
    if (what == FAILED)
        return -1;
    if (what == SHORTENED && parts < 1100) {
        size_t left = size / 2;
        int used = 0;
        for (; used < parts && left; used++) {
            half[used] = data[used];
            if (half[used].iov_len > left)
                half[used].iov_len = left;
            left -= half[used].iov_len;
        }
        data = half, parts = used;
    }
    struct stat status;
    long where = offset;
    if (name && offset < 0)
        where = syscall(SYS_fstat, fd, &status) ? 0 : status.st_size; /* all that has no offset is appended */
    ssize_t written = offset < 0 ? syscall(SYS_writev, fd, data, parts) : syscall(SYS_pwritev, fd, data, parts, offset, 0L);
    if (name && strcmp(name, "lock"))
        was_written[fd] = 1;
    if (name && written > 0)
        record("write", name, where, data, parts, (size_t)written);
    return written;
}

ssize_t write(int fd, const void *data, size_t size) { return put(fd, &(struct iovec){(void *)data, size}, 1, -1); }
ssize_t writev(int fd, const struct iovec *data, int parts) { return put(fd, data, parts, -1); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return put(fd, &(struct iovec){(void *)data, size}, 1, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) { return put(fd, &(struct iovec){(void *)data, size}, 1, at); }
ssize_t pwritev(int fd, const struct iovec *data, int parts, off_t at) { return put(fd, data, parts, at); }
ssize_t pwritev64(int fd, const struct iovec *data, int parts, off_t at) { return put(fd, data, parts, at); }

static ssize_t get(int fd, const struct iovec *data, int parts, long offset, int flags)
{
    if (fate("read", name_of(fd), 0))
        return -1;
    if (offset < 0)
        return syscall(SYS_readv, fd, data, parts);
    return syscall(SYS_preadv2, fd, data, parts, offset, 0L, flags);
}

ssize_t read(int fd, void *data, size_t size) { return get(fd, &(struct iovec){data, size}, 1, -1, 0); }
ssize_t pread(int fd, void *data, size_t size, off_t at) { return get(fd, &(struct iovec){data, size}, 1, at, 0); }
ssize_t pread64(int fd, void *data, size_t size, off_t at) { return get(fd, &(struct iovec){data, size}, 1, at, 0); }
ssize_t preadv2(int fd, const struct iovec *data, int parts, off_t at, int flags) { return get(fd, data, parts, at, flags); }
ssize_t preadv64v2(int fd, const struct iovec *data, int parts, off_t at, int flags) { return get(fd, data, parts, at, flags); }

static int sync_file(const char *call, long system_call, int fd)
{
    const char *name = name_of(fd);
    if (fate(call, name, 0))
        return -1;
    int failed = (int)syscall(system_call, fd);
    if (!failed && name)
        record("sync", name, 0, NULL, 0, 0);
    return failed;
}

int fsync(int fd) { return sync_file("fsync", SYS_fsync, fd); }
int fdatasync(int fd) { return sync_file("fdatasync", SYS_fdatasync, fd); }
int syncfs(int fd) { return sync_file("syncfs", SYS_syncfs, fd); }

int ftruncate(int fd, off_t size)
{
    const char *name = name_of(fd);
    if (fate("ftruncate", name, 0))
        return -1;
    int failed = (int)syscall(SYS_ftruncate, fd, size);
    if (!failed && name)
        record("truncate", name, size, NULL, 0, 0);
    return failed;
}
int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

/* A call on a name; `to` is where it goes, for the record. */
static int by_name(const char *call, const char *path, const char *to, long system_call, long second, long third)
{
    const char *name = below(path);
    if (fate(call, name, 0))
        return -1;
    int failed = (int)syscall(system_call, AT_FDCWD, path, second, third, 0L);
    if (!failed && name)
        record(call, name, 0, &(struct iovec){(void *)to, strlen(to)}, 1, strlen(to));
    return failed;
}

int unlink(const char *path) { return by_name("unlink", path, "", SYS_unlinkat, 0, 0); }
int mkdir(const char *path, mode_t mode) { return by_name("mkdir", path, "", SYS_mkdirat, (long)mode, 0); }
int rename(const char *from, const char *to)
{
    const char *old = below(from), *name = below(to);
    int failed = by_name("rename", from, name ? name : "", SYS_renameat2, AT_FDCWD, (long)to);
    for (int fd = 0; !failed && old && name && fd < FILES; fd++)
        if (!strcmp(open_files[fd], old))
            snprintf(open_files[fd], sizeof open_files[fd], "%s", name);
    return failed;
}
int stat(const char *path, struct stat *found) { return by_name("stat", path, "", SYS_newfstatat, (long)found, 0); }
int stat64(const char *path, struct stat64 *found) { return by_name("stat", path, "", SYS_newfstatat, (long)found, 0); }
