/* A slow card: every fsync, fdatasync and syncfs takes SLOWSYNC_MS longer, one after the other, as on a card that does
   one thing at a time. Loaded into a process with LD_PRELOAD; the real sync still happens. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t card = PTHREAD_MUTEX_INITIALIZER;
static struct timespec delay;

__attribute__((constructor)) static void read_delay(void)
{
    const char *text = getenv("SLOWSYNC_MS");
    double milliseconds = text ? atof(text) : 0;
    delay.tv_sec = (time_t)(milliseconds / 1000);
    delay.tv_nsec = (long)((milliseconds - 1000.0 * (double)delay.tv_sec) * 1e6);
}

static int slow(long call, int fd)
{
    pthread_mutex_lock(&card);
    int result = (int)syscall(call, fd);
    int error = errno;
    struct timespec left = delay;
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
    pthread_mutex_unlock(&card);
    errno = error;
    return result;
}

int fsync(int fd) { return slow(SYS_fsync, fd); }
int fdatasync(int fd) { return slow(SYS_fdatasync, fd); }
int syncfs(int fd) { return slow(SYS_syncfs, fd); }
