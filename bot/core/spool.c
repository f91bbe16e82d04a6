/*
 * Reads a trainer's spool: the frames that had no link to travel on, as the lines they would have been. Always holds: a
 * frame is taken only where it is this run's instance and its seq is above what was taken; a torn last line is ignored.
 */
#include "runs_state.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>



#define SPOOL_TURN_BYTES (8u << 20) /* committed at least this often, so that a long spool is no single huge transaction */

struct import {
    struct bot *bot;
    struct run *run;
    int taken, status;
    bool foreign; /* the spool begins with another instance's hello */
};

static bool take_line(void *user, const char *line, size_t size) {
    struct import *import = user;
    struct wire_frame frame;
    struct wire_fault fault;
    if (!line || wire_decode(line, size, &frame, &fault) < 0) return true;
    if (frame.kind == WIRE_HELLO) {
        import->foreign = strcmp(frame.u.hello.instance, import->run->instance) != 0;
    } else if (!import->foreign && frame.seq > import->run->ack) {
        import->status = runs_take(import->bot, import->run, &frame);
        if (import->status == TB_OK) import->taken++;
    }
    wire_frame_clear(&frame);
    return import->status == TB_OK;
}

int runs_import_spool(struct bot *bot, struct run *run, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno == ENOENT ? 0 : TB_EIO;
    struct import import = {.bot = bot, .run = run};
    struct wire_reader reader = {0};
    char *bytes = malloc(1u << 16);
    size_t since_commit = 0;
    int status = bytes ? TB_OK : TB_ENOMEM;
    for (ssize_t count; status == TB_OK && (count = read(fd, bytes, 1u << 16)) != 0;) {
        if (count < 0) {
            status = errno == EINTR ? TB_OK : TB_EIO;
            continue;
        }
        if (wire_reader_feed(&reader, bytes, (size_t)count, take_line, &import) < 0) status = TB_ENOMEM;
        if (import.status < 0) status = import.status;
        since_commit += (size_t)count;
        if (status == TB_OK && since_commit >= SPOOL_TURN_BYTES) {
            since_commit = 0;
            status = runs_write(bot, run); /* the ack goes with the rows */
            if (status == TB_OK) status = store_commit(bot->ports.store);
        }
    }
    wire_reader_release(&reader);
    free(bytes);
    close(fd);
    if (import.taken) bot_log(bot, 2, "#%lld: %d frames from its spool", (long long)run->id, import.taken);
    return status < 0 ? status : import.taken;
}
