/* Records what a process does to the files below one directory, in the order in which it happens,
 * so that a replayer can build the disk as it may look after a power cut at any point.
 *
 * Loaded with LD_PRELOAD by the crash tests of the key store; never part of a product.
 *
 *   RECORD_ROOT  directory to watch
 *   RECORD_LOG   file to write the log to
 *
 * A log entry is: op (1 byte), inode, offset, length (8 bytes each, native order), payload.
 *   C created file    payload = path          W write      payload = data
 *   M made directory  payload = path          T truncate   offset = new length
 *   R rename          payload = old NUL new   S fsync      D fdatasync
 *   U removed file or directory, payload = path
 *   A text written to standard output: what the process acknowledged
 *
 * Text "arm sync" on standard output makes every later sync of a watched file fail with EIO,
 * "arm write" every later write with ENOSPC. sync_file_range counts as nothing, on purpose: it
 * neither flushes the device's cache nor the size of the file.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(ret, name, ...) \
    static ret (*real_##name)(__VA_ARGS__); \
    if (!real_##name) real_##name = (ret (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

enum { INODES_MAX = 65536 };

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char root[4096];
static size_t root_length;
static dev_t root_device;
static int log_fd = -1;
static int fail_sync, fail_write;
static ino_t inodes[INODES_MAX];

static void die(const char *why) {
    fprintf(stderr, "record: %s\n", why);
    _exit(97);
}

static ssize_t plain_write(int fd, const void *data, size_t length) {
    REAL(ssize_t, write, int, const void *, size_t);
    return real_write(fd, data, length);
}

/* The set of watched inodes, open addressing; removed ones stay, a reused number is watched again. */
static int watched(ino_t inode, int add) {
    for (size_t step = 0; step < INODES_MAX; step++) {
        ino_t *place = &inodes[(inode + step) % INODES_MAX];
        if (*place == inode) return 1;
        if (*place == 0) {
            if (add) *place = inode;
            return add;
        }
    }
    die("too many files");
    return 0;
}

__attribute__((constructor)) static void start(void) {
    const char *directory = getenv("RECORD_ROOT"), *log = getenv("RECORD_LOG");
    struct stat about;
    if (!directory || !log) return;
    if (!realpath(directory, root) || stat(root, &about) != 0) die("RECORD_ROOT does not exist");
    root_length = strlen(root);
    root_device = about.st_dev;
    watched(about.st_ino, 1);
    REAL(int, open64, const char *, int, ...);
    log_fd = real_open64(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) die("RECORD_LOG cannot be written");
}

static void put(char op, uint64_t inode, uint64_t offset, const void *data, uint64_t length) {
    unsigned char head[25];
    head[0] = (unsigned char)op;
    memcpy(head + 1, &inode, 8);
    memcpy(head + 9, &offset, 8);
    memcpy(head + 17, &length, 8);
    struct iovec parts[2] = {{head, sizeof head}, {(void *)(uintptr_t)data, length}};
    REAL(ssize_t, writev, int, const struct iovec *, int);
    if (real_writev(log_fd, parts, 2) != (ssize_t)(sizeof head + length)) die("log is full");
}

/* Absolute path below the root, without links resolved (the store makes none). */
static int below(int at, const char *path, char *out) {
    if (log_fd < 0) return 0;
    if (path[0] == '/') {
        if (snprintf(out, 4096, "%s", path) >= 4096) return 0;
    } else {
        char base[4096], link[64];
        if (at == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            ssize_t got = readlink(link, base, sizeof base - 1);
            if (got < 0) return 0;
            base[got] = 0;
        }
        if (snprintf(out, 4096, "%.2000s/%.2000s", base, path) >= 4096) return 0;
    }
    return strncmp(out, root, root_length) == 0 && (out[root_length] == '/' || !out[root_length]);
}

static int file_of(int fd, ino_t *inode) {
    struct stat about;
    if (log_fd < 0 || fd == log_fd || fstat(fd, &about) != 0) return 0;
    *inode = about.st_ino;
    return about.st_dev == root_device && watched(about.st_ino, 0);
}

/* ---- files come and go ---- */

static int opened(int fd, const char *path, int existed, int flags) {
    struct stat about;
    if (fd >= 0 && (flags & O_CREAT) && !existed && fstat(fd, &about) == 0) {
        watched(about.st_ino, 1);
        put('C', about.st_ino, 0, path, strlen(path));
    } else if (fd >= 0 && (flags & O_TRUNC) && fstat(fd, &about) == 0) {
        put('T', about.st_ino, 0, "", 0);
    }
    return fd;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        char full[4096]; \
        mode_t mode = 0; \
        struct stat about; \
        va_list rest; \
        va_start(rest, flags); \
        if (flags & (O_CREAT | O_TMPFILE)) mode = va_arg(rest, mode_t); \
        va_end(rest); \
        REAL(int, name, const char *, int, ...); \
        if (!below(AT_FDCWD, path, full)) return real_##name(path, flags, mode); \
        pthread_mutex_lock(&order); \
        int existed = stat(full, &about) == 0; \
        int fd = opened(real_##name(path, flags, mode), full, existed, flags); \
        pthread_mutex_unlock(&order); \
        return fd; \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int at, const char *path, int flags, ...) { \
        char full[4096]; \
        mode_t mode = 0; \
        struct stat about; \
        va_list rest; \
        va_start(rest, flags); \
        if (flags & (O_CREAT | O_TMPFILE)) mode = va_arg(rest, mode_t); \
        va_end(rest); \
        REAL(int, name, int, const char *, int, ...); \
        if (!below(at, path, full)) return real_##name(at, path, flags, mode); \
        pthread_mutex_lock(&order); \
        int existed = stat(full, &about) == 0; \
        int fd = opened(real_##name(at, path, flags, mode), full, existed, flags); \
        pthread_mutex_unlock(&order); \
        return fd; \
    }
OPENAT(openat)
OPENAT(openat64)

int mkdir(const char *path, mode_t mode) {
    char full[4096];
    struct stat about;
    REAL(int, mkdir, const char *, mode_t);
    if (!below(AT_FDCWD, path, full)) return real_mkdir(path, mode);
    pthread_mutex_lock(&order);
    int done = real_mkdir(path, mode), why = errno;
    if (done == 0 && stat(full, &about) == 0) {
        watched(about.st_ino, 1);
        put('M', about.st_ino, 0, full, strlen(full));
    }
    pthread_mutex_unlock(&order);
    errno = why;
    return done;
}

int rename(const char *from, const char *to) {
    char both[8192], full[4096];
    REAL(int, rename, const char *, const char *);
    if (!below(AT_FDCWD, from, both) || !below(AT_FDCWD, to, full)) return real_rename(from, to);
    pthread_mutex_lock(&order);
    int done = real_rename(from, to), why = errno;
    if (done == 0) {
        size_t length = strlen(both) + 1;
        strcpy(both + length, full);
        put('R', 0, 0, both, length + strlen(full));
    }
    pthread_mutex_unlock(&order);
    errno = why;
    return done;
}

static int removed(int done, const char *full) {
    int why = errno;
    if (done == 0) put('U', 0, 0, full, strlen(full));
    pthread_mutex_unlock(&order);
    errno = why;
    return done;
}

int unlink(const char *path) {
    char full[4096];
    REAL(int, unlink, const char *);
    if (!below(AT_FDCWD, path, full)) return real_unlink(path);
    pthread_mutex_lock(&order);
    return removed(real_unlink(path), full);
}

int rmdir(const char *path) {
    char full[4096];
    REAL(int, rmdir, const char *);
    if (!below(AT_FDCWD, path, full)) return real_rmdir(path);
    pthread_mutex_lock(&order);
    return removed(real_rmdir(path), full);
}

int unlinkat(int at, const char *path, int flags) {
    char full[4096];
    REAL(int, unlinkat, int, const char *, int);
    if (!below(at, path, full)) return real_unlinkat(at, path, flags);
    pthread_mutex_lock(&order);
    return removed(real_unlinkat(at, path, flags), full);
}

/* ---- their content ---- */

static void arm(const char *text, size_t length) {
    if (memmem(text, length, "arm sync", 8)) fail_sync = 1;
    if (memmem(text, length, "arm write", 9)) fail_write = 1;
}

ssize_t write(int fd, const void *data, size_t length) {
    ino_t inode;
    if (log_fd >= 0 && fd == STDOUT_FILENO) {
        pthread_mutex_lock(&order);
        put('A', 0, 0, data, length);
        arm(data, length);
        ssize_t done = plain_write(fd, data, length);
        pthread_mutex_unlock(&order);
        return done;
    }
    if (!file_of(fd, &inode)) return plain_write(fd, data, length);
    pthread_mutex_lock(&order);
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t done = -1;
    if (fail_write) {
        errno = ENOSPC;
    } else {
        done = plain_write(fd, data, length);
    }
    int why = errno;
    if (done > 0) put('W', inode, (uint64_t)offset, data, (uint64_t)done);
    pthread_mutex_unlock(&order);
    errno = why;
    return done;
}

#define PWRITE(name, offset_type) \
    ssize_t name(int fd, const void *data, size_t length, offset_type offset) { \
        ino_t inode; \
        REAL(ssize_t, name, int, const void *, size_t, offset_type); \
        if (!file_of(fd, &inode)) return real_##name(fd, data, length, offset); \
        pthread_mutex_lock(&order); \
        ssize_t done = -1; \
        if (fail_write) { \
            errno = ENOSPC; \
        } else { \
            done = real_##name(fd, data, length, offset); \
        } \
        int why = errno; \
        if (done > 0) put('W', inode, (uint64_t)offset, data, (uint64_t)done); \
        pthread_mutex_unlock(&order); \
        errno = why; \
        return done; \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define TRUNCATE(name, offset_type) \
    int name(int fd, offset_type length) { \
        ino_t inode; \
        REAL(int, name, int, offset_type); \
        if (!file_of(fd, &inode)) return real_##name(fd, length); \
        pthread_mutex_lock(&order); \
        int done = real_##name(fd, length), why = errno; \
        if (done == 0) put('T', inode, (uint64_t)length, "", 0); \
        pthread_mutex_unlock(&order); \
        errno = why; \
        return done; \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name, op) \
    int name(int fd) { \
        ino_t inode; \
        REAL(int, name, int); \
        if (!file_of(fd, &inode)) return real_##name(fd); \
        pthread_mutex_lock(&order); \
        int done = -1; \
        if (fail_sync) { \
            errno = EIO; \
        } else { \
            done = real_##name(fd); \
        } \
        int why = errno; \
        if (done == 0) put(op, inode, 0, "", 0); \
        pthread_mutex_unlock(&order); \
        errno = why; \
        return done; \
    }
SYNC(fsync, 'S')
SYNC(fdatasync, 'D')

/* ---- ways to write that the store does not use: refuse loudly, or the record would lie ---- */

ssize_t writev(int fd, const struct iovec *parts, int count) {
    ino_t inode;
    REAL(ssize_t, writev, int, const struct iovec *, int);
    if (file_of(fd, &inode)) die("writev on a watched file is not recorded");
    return real_writev(fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
    ino_t inode;
    REAL(ssize_t, pwritev, int, const struct iovec *, int, off_t);
    if (file_of(fd, &inode)) die("pwritev on a watched file is not recorded");
    return real_pwritev(fd, parts, count, offset);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    ino_t inode;
    REAL(int, fallocate64, int, int, off64_t, off64_t);
    if (file_of(fd, &inode)) die("fallocate on a watched file is not recorded");
    return real_fallocate64(fd, mode, offset, length);
}
