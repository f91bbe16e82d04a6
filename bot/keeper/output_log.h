/*
 * output_log.h: the file output.log: all that a trainer prints, beginning and end within 64 MiB, one file that `less`
 * and `tail -F` read. A thread of its own writes it from a ring in memory, so a slow, hung or full disk never holds up
 * the trainer: what does not fit is dropped and counted, and a line in the file says so.
 *
 * The bound: the first 16 MiB stay. When the file reaches 64 MiB, its last 24 MiB are moved down to behind them, with a
 * line between that says how much is left out, and the file is cut there.
 */
#ifndef TRAINBOT_OUTPUT_LOG_H
#define TRAINBOT_OUTPUT_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTPUT_LOG_RING (256 * 1024)

struct output_log_bounds {
    int64_t head, tail, max; /* bytes; head + tail + 128 < max */
};
extern const struct output_log_bounds output_log_default; /* 16, 24, 64 MiB */

struct output_log {
    int fd;      /* -1: could not be opened; everything is dropped */
    int room_fd; /* eventfd: readable when there is room again after put took less than it was given, or save is done */
    struct output_log_bounds bounds;
    int64_t left_out; /* bytes cut out between head and tail */
    int64_t unsaid;   /* bytes lost to a failed write that no line in the file tells of yet */
    int unsaid_error;
    /* below: under the lock */
    pthread_mutex_t lock;
    pthread_cond_t work;
    size_t start, used;
    int64_t dropped;
    bool wants_room, stop, save_asked, save_done;
    int (*save)(void *user); /* writer thread; 0 done, else it is tried again after a while */
    void *save_user;
    pthread_t thread;
    char ring[OUTPUT_LOG_RING];
};

/* dir_fd: where output.log is made (truncated when it exists), borrowed. 0, or -1 when the thread cannot be made (then
 * nothing is held). A log that cannot be opened is no error. bounds are copied. */
int output_log_open(struct output_log *log, int dir_fd, const struct output_log_bounds *bounds);

/* Copies as much as there is room for and returns how much. Never blocks. */
size_t output_log_put(struct output_log *log, const void *data, size_t size);

/* Counts bytes that are given up on, and puts a line about them into the file. */
void output_log_drop(struct output_log *log, size_t size);

int64_t output_log_dropped(struct output_log *log); /* bytes so far */

/* When all that was put so far is written: calls save(user) on the writer thread, every few seconds until it returns 0;
 * then output_log_saved is true and room_fd readable. Once per log. */
void output_log_save(struct output_log *log, int (*save)(void *user), void *user);
bool output_log_saved(struct output_log *log);

/* Writes what is left, ends the thread and closes. Blocks as long as the disk does. */
void output_log_close(struct output_log *log);

#endif
