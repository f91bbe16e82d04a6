/*
 * The ring is the only thing that the two threads share; the file is the writer's alone. The lock is never held over a
 * system call that may wait for a disk.
 */
#include "output_log.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SAVE_AGAIN_S 2
#define STACK_BYTES (256 * 1024)
#define COPY_BYTES (64 * 1024)

const struct output_log_bounds output_log_default = {16 << 20, 24 << 20, 64 << 20};

/* Writes all at `offset`; the bytes written, less than size only on error (errno). */
static size_t write_all(int fd, const char *data, size_t size, int64_t offset) {
    size_t done = 0;
    while (done < size) {
        ssize_t n = pwrite(fd, data + done, size - done, offset + (int64_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (!n) errno = EIO;
            break;
        }
        done += (size_t)n;
    }
    return done;
}

/* Someone may truncate the file under us, so its size is asked for each time. */
static int64_t file_size(int fd) {
    struct stat st;
    return fstat(fd, &st) < 0 ? -1 : st.st_size;
}

/* Moves the last bounds.tail bytes to behind the head; the line between them has always the same length. */
static void make_room(struct output_log *log, int64_t size) {
    static char copy[COPY_BYTES];
    char note[128];
    int64_t from = size - log->bounds.tail, to = log->bounds.head;
    int64_t left_out = log->left_out + from - to;
    int n = snprintf(note, sizeof note, "\n[trainbot: %19" PRId64 " bytes of output are left out here]\n", left_out);
    if (log->left_out) left_out -= n; /* the line before was cut out with the rest */
    snprintf(note, sizeof note, "\n[trainbot: %19" PRId64 " bytes of output are left out here]\n", left_out);
    if (write_all(log->fd, note, (size_t)n, to) < (size_t)n) return;
    to += n;
    while (from < size) {
        ssize_t got = pread(log->fd, copy, sizeof copy, from);
        if (got <= 0) break;
        if (write_all(log->fd, copy, (size_t)got, to) < (size_t)got) break;
        from += got;
        to += got;
    }
    if (ftruncate(log->fd, to) == 0) log->left_out = left_out;
}

static void lose(struct output_log *log, size_t size, int error) {
    if (!size) return;
    log->unsaid += (int64_t)size;
    log->unsaid_error = error;
    pthread_mutex_lock(&log->lock);
    log->dropped += (int64_t)size;
    pthread_mutex_unlock(&log->lock);
}

static void append(struct output_log *log, const char *data, size_t size) {
    int64_t at = log->fd < 0 ? -1 : file_size(log->fd);
    if (at < 0) {
        lose(log, size, EBADF);
        return;
    }
    if (at + (int64_t)size + 256 > log->bounds.max) {
        make_room(log, at);
        at = file_size(log->fd);
        if (at < 0 || at + (int64_t)size + 256 > log->bounds.max) {
            lose(log, size, EFBIG);
            return;
        }
    }
    if (log->unsaid) {
        char note[192];
        int n = snprintf(note, sizeof note, "\n[trainbot: %" PRId64 " bytes of output are missing here: %s]\n",
                         log->unsaid, strerror(log->unsaid_error));
        size_t written = write_all(log->fd, note, (size_t)n, at);
        if (written < (size_t)n) {
            int error = errno;
            if (written && ftruncate(log->fd, at) < 0) error = errno;
            lose(log, size, error);
            return;
        }
        log->unsaid = 0;
        at += n;
    }
    size_t written = write_all(log->fd, data, size, at);
    if (written < size) lose(log, size - written, errno);
}

static void tell_main(struct output_log *log) {
    uint64_t one = 1;
    while (write(log->room_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* With the lock held; true: something was written, look again. */
static bool write_some(struct output_log *log) {
    if (!log->used) return false;
    size_t start = log->start, size = log->used;
    if (start + size > OUTPUT_LOG_RING) size = OUTPUT_LOG_RING - start;
    pthread_mutex_unlock(&log->lock);
    append(log, log->ring + start, size);
    pthread_mutex_lock(&log->lock);
    log->start = (start + size) % OUTPUT_LOG_RING;
    log->used -= size;
    if (log->wants_room && log->used <= OUTPUT_LOG_RING / 2) {
        log->wants_room = false;
        tell_main(log);
    }
    return true;
}

static void save_now(struct output_log *log) {
    pthread_mutex_unlock(&log->lock);
    int result = log->save(log->save_user);
    pthread_mutex_lock(&log->lock);
    if (!result) {
        log->save_done = true;
        tell_main(log);
        return;
    }
    struct timespec again;
    clock_gettime(CLOCK_REALTIME, &again);
    again.tv_sec += SAVE_AGAIN_S;
    if (!log->stop) pthread_cond_timedwait(&log->work, &log->lock, &again);
}

static void *writer(void *arg) {
    struct output_log *log = arg;
    pthread_mutex_lock(&log->lock);
    for (;;) {
        if (write_some(log)) continue;
        if (log->save_asked && !log->save_done) {
            bool last = log->stop;
            save_now(log);
            if (!last) continue;
        }
        if (log->stop) break;
        pthread_cond_wait(&log->work, &log->lock);
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

static int start_thread(struct output_log *log) {
    pthread_attr_t attr;
    if (pthread_attr_init(&attr)) return -1;
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&log->thread, &attr, writer, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return error ? -1 : 0;
}

int output_log_open(struct output_log *log, int dir_fd, const struct output_log_bounds *bounds) {
    log->bounds = *bounds;
    log->left_out = log->unsaid = log->dropped = 0;
    log->start = log->used = 0;
    log->wants_room = log->stop = log->save_asked = log->save_done = false;
    log->room_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (log->room_fd < 0) return -1;
    log->fd = openat(dir_fd, "output.log", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->work, NULL);
    if (start_thread(log) == 0) return 0;
    if (log->fd >= 0) close(log->fd);
    close(log->room_fd);
    return -1;
}

size_t output_log_put(struct output_log *log, const void *data, size_t size) {
    pthread_mutex_lock(&log->lock);
    size_t room = OUTPUT_LOG_RING - log->used, taken = size < room ? size : room;
    size_t end = (log->start + log->used) % OUTPUT_LOG_RING;
    size_t first = taken < OUTPUT_LOG_RING - end ? taken : OUTPUT_LOG_RING - end;
    memcpy(log->ring + end, data, first);
    memcpy(log->ring, (const char *)data + first, taken - first);
    log->used += taken;
    if (taken < size) log->wants_room = true;
    pthread_cond_signal(&log->work);
    pthread_mutex_unlock(&log->lock);
    return taken;
}

void output_log_drop(struct output_log *log, size_t size) {
    char note[128];
    int n = snprintf(note, sizeof note, "\n[trainbot: %zu bytes of output are missing here: the disk is slow]\n", size);
    output_log_put(log, note, (size_t)n); /* where even that does not fit, the count in `exit` tells */
    pthread_mutex_lock(&log->lock);
    log->dropped += (int64_t)size;
    pthread_mutex_unlock(&log->lock);
}

int64_t output_log_dropped(struct output_log *log) {
    pthread_mutex_lock(&log->lock);
    int64_t dropped = log->dropped;
    pthread_mutex_unlock(&log->lock);
    return dropped;
}

void output_log_save(struct output_log *log, int (*save)(void *user), void *user) {
    pthread_mutex_lock(&log->lock);
    log->save = save;
    log->save_user = user;
    log->save_asked = true;
    pthread_cond_signal(&log->work);
    pthread_mutex_unlock(&log->lock);
}

bool output_log_saved(struct output_log *log) {
    pthread_mutex_lock(&log->lock);
    bool saved = log->save_done;
    pthread_mutex_unlock(&log->lock);
    return saved;
}

void output_log_close(struct output_log *log) {
    pthread_mutex_lock(&log->lock);
    log->stop = true;
    pthread_cond_signal(&log->work);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->thread, NULL);
    pthread_mutex_destroy(&log->lock);
    pthread_cond_destroy(&log->work);
    if (log->fd >= 0) close(log->fd);
    close(log->room_fd);
}
