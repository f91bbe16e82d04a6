/*
 * The trainer's output on its way into the last lines and the log. The trainer may have to wait for the log only as
 * long as our patience lasts, which grows back by 2 % of the time and never exceeds half a second: after that, output
 * is dropped until the log has room again.
 */
#include "keeper.h"
#include <errno.h>
#include <unistd.h>

#define PATIENCE_MAX_MS 500
#define PATIENCE_SHARE 50
#define DRAIN_BYTES_MAX (8 << 20)

static void put(struct keeper *k, size_t from, size_t size) {
    if (k->dropping) {
        k->to_drop += size - from;
        return;
    }
    from += output_log_put(&k->log, k->output + from, size - from);
    if (from == size) return;
    int64_t now = keeper_mono_ms(), back = (now - k->patience_at_ms) / PATIENCE_SHARE;
    k->patience_ms =
        k->patience_ms + back > PATIENCE_MAX_MS || !k->patience_at_ms ? PATIENCE_MAX_MS : k->patience_ms + back;
    k->patience_at_ms = now;
    k->held = from;
    k->held_size = size;
    k->held_since_ms = now;
}

void output_read(struct keeper *k) {
    if (k->pipe_read < 0 || k->held_size) return;
    ssize_t size = read(k->pipe_read, k->output, sizeof k->output);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
        close(k->pipe_read);
        k->pipe_read = -1;
        return;
    }
    if (!k->ended) lines_add(&k->lines, k->output, (size_t)size);
    put(k, 0, (size_t)size);
}

/* At the trainer's end: all that it wrote is in the pipe. A grandchild may go on writing, hence the bound; the lines
 * matter most now, the log gets what it has room for. */
void output_drain(struct keeper *k) {
    size_t total = 0;
    while (k->pipe_read >= 0 && total < DRAIN_BYTES_MAX) {
        output_settle(k);
        ssize_t size = read(k->pipe_read, k->output, sizeof k->output);
        if (size <= 0) break;
        lines_add(&k->lines, k->output, (size_t)size);
        total += (size_t)size;
        put(k, 0, (size_t)size);
    }
    output_settle(k);
}

static void release_held(struct keeper *k) {
    int64_t waited = keeper_mono_ms() - k->held_since_ms;
    k->patience_ms = waited < k->patience_ms ? k->patience_ms - waited : 0;
    k->held = k->held_size = 0;
}

void output_room(struct keeper *k) {
    if (k->dropping) {
        if (k->to_drop) output_log_drop(&k->log, k->to_drop);
        k->to_drop = 0;
        k->dropping = false;
    } else if (k->held_size) {
        size_t from = k->held, size = k->held_size;
        release_held(k);
        put(k, from, size);
    }
}

int output_timeout_ms(const struct keeper *k) {
    if (!k->held_size) return -1;
    int64_t left = k->held_since_ms + k->patience_ms - keeper_mono_ms();
    return left > 0 ? (int)left : 0;
}

void output_give_up(struct keeper *k) {
    if (!k->held_size || output_timeout_ms(k) > 0) return;
    k->dropping = true;
    k->to_drop += k->held_size - k->held;
    release_held(k);
}

void output_settle(struct keeper *k) {
    if (!k->held_size) return;
    for (int i = 0; i < 100 && k->held_size; i++) { /* at most 100 ms for a log that is only busy, not slow */
        usleep(1000);
        size_t from = k->held, size = k->held_size;
        k->held = k->held_size = 0;
        from += output_log_put(&k->log, k->output + from, size - from);
        if (from < size) {
            k->held = from;
            k->held_size = size;
        }
    }
    if (!k->held_size) return;
    k->dropping = true;
    k->to_drop += k->held_size - k->held;
    k->held = k->held_size = 0;
}
