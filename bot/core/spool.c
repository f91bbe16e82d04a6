/*
 * Reads a trainer's spool: the frames that had no link to travel on, as the lines they would have been. Always holds: a
 * frame is taken only where it is this run's instance and its seq is above what was taken; a torn last line is ignored;
 * a turn reads a bounded share, and what waits for the spool (a welcome, an end) goes on when all of it is read.
 */
#include "runs_state.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define READ_BYTES (1u << 16)
#define NAME_LENGTH 32 /* an instance names its spool */

struct spool_import {
    struct wire_reader reader;
    int fd;
    int64_t taken;
    bool foreign;     /* we are among the lines of another instance … */
    bool had_foreign; /* … which are not ours to remove */
    bool finished;
};

/* A launched run's spool stands in its folder, another's is named by its instance. */
static void path_of(struct bot *bot, const struct run *run, char *path, size_t size) {
    const char *state_dir = bot->ports.settings->state_dir;
    snprintf(path, size, "%s/runs/%lld/spool", state_dir, (long long)run->id);
    if (access(path, F_OK) != 0 && run->instance[0]) snprintf(path, size, "%s/spool/%s", state_dir, run->instance);
}

static void finish(struct bot *bot, struct spool_import *import) {
    if (import->finished) return;
    import->finished = true;
    bot->runs->imports--;
    close(import->fd);
    wire_reader_release(&import->reader);
}

void spool_close(struct bot *bot, struct run *run) {
    if (run->import_due) bot->runs->imports--;
    run->import_due = false;
    if (!run->import) return;
    finish(bot, run->import);
    free(run->import);
    run->import = NULL;
}

bool spool_is_read(const struct run *run) {
    return !run->import_due && (!run->import || run->import->finished);
}

void spool_want(struct bot *bot, struct run *run) {
    spool_close(bot, run);
    run->import_due = true;
    bot->runs->imports++;
}

struct taking {
    struct bot *bot;
    struct run *run;
    int status;
};

static bool take_line(void *user, const char *line, size_t size) {
    struct taking *taking = user;
    struct spool_import *import = taking->run->import;
    struct wire_frame frame;
    struct wire_fault fault;
    if (!line || wire_decode(line, size, &frame, &fault) < 0) return true;
    if (frame.kind == WIRE_HELLO) {
        import->foreign = strcmp(frame.u.hello.instance, taking->run->instance) != 0;
        import->had_foreign |= import->foreign;
    } else if (!import->foreign && frame.seq > taking->run->ack) {
        taking->status = runs_take(taking->bot, taking->run, &frame);
        if (taking->status == TB_OK) import->taken++;
    }
    wire_frame_clear(&frame);
    return taking->status == TB_OK;
}

/* A turn's share. What cannot be kept now is read again from the beginning later. */
static void read_share(struct bot *bot, struct run *run) {
    static char bytes[READ_BYTES]; /* loop thread only */
    struct spool_import *import = run->import;
    struct taking taking = {.bot = bot, .run = run};
    int64_t until_ms = runs_now(bot) + RUNS_IMPORT_MS;
    for (size_t done = 0; done < RUNS_IMPORT_BYTES && taking.status == TB_OK && runs_now(bot) <= until_ms;) {
        ssize_t count = read(import->fd, bytes, sizeof bytes);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) bot_log(bot, 0, "#%lld: its spool cannot be read: %s", (long long)run->id, strerror(errno));
        if (count <= 0) {
            if (import->taken)
                bot_log(bot, 2, "#%lld: %lld frames from its spool", (long long)run->id, (long long)import->taken);
            if (count < 0) import->had_foreign = true; /* it stays */
            finish(bot, import);
            return;
        }
        done += (size_t)count;
        if (wire_reader_feed(&import->reader, bytes, (size_t)count, take_line, &taking) < 0) taking.status = TB_ENOMEM;
    }
    if (taking.status < 0) spool_want(bot, run);
}

int spool_read(struct bot *bot, struct run *run) {
    if (run->import || run->import_due) return !spool_is_read(run);
    char path[3300];
    path_of(bot, run, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        if (errno != ENOENT && errno != ENOTDIR) bot_log(bot, 0, "%s: %s", path, strerror(errno));
        return 0;
    }
    run->import = calloc(1, sizeof *run->import);
    if (!run->import) {
        close(fd);
        return 0;
    }
    run->import->fd = fd;
    bot->runs->imports++;
    read_share(bot, run);
    return !spool_is_read(run);
}

/* What waited for the spool. */
static void go_on(struct bot *bot, struct run *run) {
    runs_touch(bot, run); /* its rules were held back */
    if (run->greet != GREET_DONE) runs_welcome(bot, run);
    if (run->end)
        runs_settle(bot, run);
    else if (run->gone)
        runs_give_up(bot, run);
    else if (!run->conn)
        spool_close(bot, run);
}

void spools_step(struct bot *bot) {
    if (bot->runs->imports == 0) return;
    for (struct run *run = bot->runs->first, *next; run; run = next) {
        next = run->next;
        if (spool_is_read(run)) continue;
        if (run->import_due) {
            spool_close(bot, run);
            (void)spool_read(bot, run);
        } else {
            read_share(bot, run);
        }
        if (spool_is_read(run)) go_on(bot, run);
        return; /* one share a turn */
    }
}

/* ---- the file ---- */

/* Its writer holds a lock on it as long as it lives. */
static bool is_let_go(int fd) {
    return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

bool spool_writer_gone(struct bot *bot, const struct run *run) {
    char path[3300];
    path_of(bot, run, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool gone = fd >= 0 && is_let_go(fd);
    if (fd >= 0) close(fd);
    return gone;
}

void spool_remove(struct bot *bot, struct run *run) {
    bool ours = run->import && run->import->finished && !run->import->had_foreign;
    bool any = run->import != NULL;
    spool_close(bot, run);
    if (any && bot_commit(bot) < 0) { /* again, when its rows can be kept */
        spool_want(bot, run);
        return;
    }
    run->gone = false;
    if (!ours || !spool_writer_gone(bot, run)) return;
    char path[3300];
    path_of(bot, run, path, sizeof path);
    if (unlink(path) < 0) bot_log(bot, 1, "%s: not removed: %s", path, strerror(errno));
}

/* ---- runs that ended while no bot was there ---- */

struct greeting {
    struct wire_frame frame;
    bool found;
};

static bool take_greeting(void *user, const char *line, size_t size) {
    struct greeting *greeting = user;
    struct wire_fault fault;
    if (!line || wire_decode(line, size, &greeting->frame, &fault) < 0) return false;
    greeting->found = greeting->frame.kind == WIRE_HELLO;
    if (!greeting->found) wire_frame_clear(&greeting->frame);
    return false;
}

static bool read_greeting(int fd, struct greeting *greeting) {
    static char bytes[WIRE_FRAME_MAX]; /* loop thread only */
    struct wire_reader reader = {0};
    ssize_t count = read(fd, bytes, sizeof bytes);
    bool read_well = count > 0 && wire_reader_feed(&reader, bytes, (size_t)count, take_greeting, greeting) == 0;
    wire_reader_release(&reader);
    return read_well && greeting->found;
}

static void find_one(struct bot *bot, int folder, const char *name) {
    struct greeting greeting = {.found = false};
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool good = fd >= 0 && is_let_go(fd) && read_greeting(fd, &greeting);
    if (fd >= 0) close(fd);
    if (!good) return;
    struct run *run = NULL;
    if (strcmp(greeting.frame.u.hello.instance, name) == 0) {
        run = runs_read_instance(bot, name);
        if (!run && (run = runs_by_hand(bot, &greeting.frame))) runs_set_state(bot, run, RUN_RUNNING);
    }
    wire_frame_clear(&greeting.frame);
    if (!run || run->conn) return;
    run->gone = true;
    spool_want(bot, run);
}

void spools_find(struct bot *bot) {
    char path[3300];
    snprintf(path, sizeof path, "%s/spool", bot->ports.settings->state_dir);
    DIR *folder = opendir(path);
    if (!folder) return;
    for (struct dirent *entry; (entry = readdir(folder));) {
        size_t length = strspn(entry->d_name, "0123456789abcdef");
        if (length == NAME_LENGTH && entry->d_name[length] == 0) find_one(bot, dirfd(folder), entry->d_name);
    }
    closedir(folder);
}
