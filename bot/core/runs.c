/*
 * The collection of runs: those in memory, what a passing second makes due, and the turn's end. Always holds: an ack
 * never names a seq whose effect is not committed; a control leaves only when it is committed; a run whose row was
 * rolled back is forgotten, and its trainer says hello again.
 */
#include "runs.h"
#include "commands.h"
#include "outbox.h"
#include "runs_state.h"
#include "text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROBE_BYTES 262144       /* a failing store is tried with a value of this size … */
#define PROBE_DISK_BYTES 1048576 /* … where the disk has this much room */

int runs_create(struct bot *bot) {
    bot->runs = calloc(1, sizeof *bot->runs);
    if (!bot->runs) return TB_ENOMEM;
    bot->runs->due_ms = INT64_MAX;
    return TB_OK;
}

static void drop(struct bot *bot, struct run *run) {
    controls_free(run);
    spool_close(bot, run);
    run_free(run);
}

void runs_free(struct bot *bot) {
    if (!bot->runs) return;
    for (struct run *run = bot->runs->first; run;) {
        struct run *next = run->next;
        drop(bot, run);
        run = next;
    }
    free(bot->runs);
    bot->runs = NULL;
}

int64_t runs_now(const struct bot *bot) {
    return clock_mono_ms(bot->ports.clock);
}

/* Keeps the list newest first. */
void runs_insert(struct bot *bot, struct run *run) {
    struct run **at = &bot->runs->first;
    while (*at && (*at)->id > run->id)
        at = &(*at)->next;
    run->next = *at;
    *at = run;
    if (run->id > bot->runs->newest) bot->runs->newest = run->id;
    if (!run_state_live(run->state)) bot->runs->ended++;
}

void runs_drop(struct bot *bot, struct run *run) {
    for (struct run **at = &bot->runs->first; *at; at = &(*at)->next)
        if (*at == run) {
            *at = run->next;
            break;
        }
    for (struct run **at = &bot->runs->touched; *at; at = &(*at)->next_touched)
        if (*at == run) {
            *at = run->next_touched;
            break;
        }
    drop(bot, run);
}

/* Forgets the oldest ended runs beyond RUNS_KEPT_ENDED. At the turn's end only: until then somebody may hold one. */
static void forget_ended(struct bot *bot) {
    if (bot->runs->ended <= RUNS_KEPT_ENDED) return;
    size_t ended = 0;
    for (struct run *run = bot->runs->first, *next; run; run = next) {
        next = run->next;
        if (run_state_live(run->state)) continue;
        bool held = run->conn || run->touched || run->controls || !spool_is_read(run);
        if (!held && ended >= RUNS_KEPT_ENDED)
            runs_drop(bot, run);
        else
            ended++;
    }
    bot->runs->ended = ended;
}

struct run *runs_find(struct bot *bot, int64_t id) {
    for (struct run *run = bot->runs->first; run; run = run->next)
        if (run->id == id) return run;
    return id > 0 ? runs_read(bot, id) : NULL;
}

struct run *runs_first(struct bot *bot) {
    return bot->runs->first;
}

size_t runs_live(struct bot *bot, struct run **ret_only) {
    size_t count = 0;
    struct run *only = NULL;
    for (struct run *run = bot->runs->first; run; run = run->next)
        if (run_state_live(run->state)) {
            only = run;
            count++;
        }
    if (count == 1 && ret_only) *ret_only = only;
    return count;
}

int64_t runs_newest(struct bot *bot) {
    return bot->runs->newest;
}

int64_t runs_stop_timeout_ms(const struct bot *bot, const struct run *run) {
    const struct trainer_settings *trainer = settings_trainer(bot->ports.settings, run->trainer);
    return (trainer ? trainer->stop_timeout_s : 60) * 1000;
}

void runs_touch(struct bot *bot, struct run *run) {
    if (run->touched) return;
    run->touched = true;
    run->next_touched = bot->runs->touched;
    bot->runs->touched = run;
}

void runs_advanced(struct bot *bot, struct run *run) {
    run->dirty = true;
    if (!run->dirty_all) run->dirty_all = run->may_wait = true;
    runs_touch(bot, run);
}

void runs_changed(struct bot *bot, struct run *run) {
    run->dirty = run->dirty_all = true;
    run->may_wait = false;
    runs_touch(bot, run);
}

void runs_event(struct bot *bot, const struct run *run, int64_t step, const char *kind, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    text[text_prefix(text, strlen(text), sizeof text - 4)] = 0; /* not inside a character */
    struct event_record event = {
        .run = run->id, .t_ms = clock_wall_ms(bot->ports.clock), .step = step, .kind = kind, .text = text};
    if (store_event_add(bot->ports.store, &event) < 0)
        bot_log(bot, 1, "#%lld %s: not recorded", (long long)run->id, kind);
}

void runs_set_state(struct bot *bot, struct run *run, enum run_state state) {
    if (run->state == state) return;
    bool was_live = run_state_live(run->state);
    run->state = state;
    if (!run_state_live(state)) {
        if (!run->ended_ms) run->ended_ms = clock_wall_ms(bot->ports.clock);
        run->stop_asked_ms = run->term_sent_ms = run->kill_sent_ms = run->nan_seen_ms = 0;
        if (was_live) bot->runs->ended++;
    }
    runs_changed(bot, run);
}

/* A frame that was taken before, in a turn that was rolled back, has told its facts then. */
void runs_fact(struct bot *bot, const struct fact *fact) {
    if (bot->runs->retaken && fact->kind != FACT_PROGRESS) return;
    report_fact(bot, fact);
}

void runs_tell(struct bot *bot, const struct run *run, enum fact_kind kind, int64_t step, const char *text) {
    struct fact fact = {.kind = kind, .run = run, .step = step, .text = text, .cpu_percent = -1};
    runs_fact(bot, &fact);
}

static void tell_gap(struct bot *bot, struct run *run) {
    if (run->gap_dropped == 0) return;
    struct fact fact = {.kind = FACT_GAP,
                        .run = run,
                        .step = run->gap_to,
                        .from_step = run->gap_from,
                        .to_step = run->gap_to,
                        .dropped = run->gap_dropped,
                        .cpu_percent = -1};
    run->gap_dropped = 0;
    report_fact(bot, &fact);
}

void runs_tell_due(struct bot *bot, struct run *run) {
    tell_gap(bot, run);
    if (!run->progress_due) return;
    run->progress_due = false;
    runs_tell(bot, run, FACT_PROGRESS, run->step, NULL);
}

int runs_dir(const struct bot *bot, int64_t id, char *path, size_t size) {
    int length = snprintf(path, size, "%s/runs", bot->ports.settings->state_dir);
    if (length < 0 || (size_t)length >= size) return TB_ERANGE;
    if (mkdir(path, 0700) < 0 && errno != EEXIST) return errno == ENOSPC ? TB_EFULL : TB_EIO;
    length = snprintf(path, size, "%s/runs/%lld", bot->ports.settings->state_dir, (long long)id);
    if (length < 0 || (size_t)length >= size) return TB_ERANGE;
    if (mkdir(path, 0700) < 0 && errno != EEXIST) return errno == ENOSPC ? TB_EFULL : TB_EIO;
    return TB_OK;
}

/* ---- time ---- */

static void tell_stall(struct bot *bot, struct run *run, struct fact *fact) {
    int64_t rss_bytes = 0;
    fact->process_alive =
        run->launched && launcher_usage(bot->ports.launcher, run->id, &fact->cpu_percent, &rss_bytes) == TB_OK;
    if (!fact->process_alive) fact->cpu_percent = -1;
    runs_event(bot, run, run->step, "stall", "no step for %.0f ms (usually %.0f ms)", fact->number, fact->number2);
}

void runs_rules_cb(void *user, struct run *run, const struct rules_act *act) {
    struct bot *bot = user;
    struct fact fact = act->fact;
    if (act->kind == RULES_LOST) {
        runs_give_up(bot, run);
        return;
    }
    if (act->kind == RULES_SIGNAL) {
        int status = launcher_signal(bot->ports.launcher, run->id, act->signal);
        if (status < 0)
            bot_log(bot, 1, "#%lld: signal %d not delivered: %s", (long long)run->id, act->signal,
                    tb_error_text(status));
        runs_event(bot, run, run->step, "signal", "signal %d sent: no sign of life", act->signal);
    }
    if (fact.kind == FACT_STALLED) tell_stall(bot, run, &fact);
    if (fact.kind == FACT_NAN) runs_event(bot, run, fact.step, "nan", "%s is not finite", fact.text);
    runs_fact(bot, &fact);
    runs_changed(bot, run);
}

static int64_t run_due(const struct bot *bot, const struct run *run) {
    if (!spool_is_read(run)) return INT64_MAX; /* it is looked at again when that is done */
    int64_t due_ms = rules_next_ms(run, runs_stop_timeout_ms(bot, run));
    if (run->dirty_all && run->written_ms + RUNS_WRITE_MS < due_ms) due_ms = run->written_ms + RUNS_WRITE_MS;
    if (run->ack_due && run->acked_ms + RUNS_ACK_MS < due_ms) due_ms = run->acked_ms + RUNS_ACK_MS;
    return due_ms;
}

static void tick_one(struct bot *bot, struct run *run, int64_t now) {
    if (run->dirty_all && now >= run->written_ms + RUNS_WRITE_MS) runs_changed(bot, run);
    if (run->ack_due && now >= run->acked_ms + RUNS_ACK_MS) runs_touch(bot, run);
    if (!spool_is_read(run)) return; /* what its spool says comes first */
    if (run->end && now >= run->end_due_ms)
        runs_settle(bot, run);
    else
        rules_tick(run, now, runs_stop_timeout_ms(bot, run), runs_rules_cb, bot);
}

void runs_tick(struct bot *bot) {
    struct runs_state *runs = bot->runs;
    int64_t now = runs_now(bot);
    if (!runs->begun) runs_begin(bot);
    if (bot->store_status == TB_OK) spools_step(bot);
    if (now < runs->due_ms && !runs->touched) return;
    /* A tick that comes late was held up itself: what the trainers said meanwhile is read before anything is judged. */
    bool late = runs->due_ms > 0 && runs->due_ms < now - RUNS_LATE_MS;
    runs->due_ms = INT64_MAX;
    for (struct run *run = runs->first, *next; run; run = next) {
        next = run->next;
        if (late && run->stall_check_ms < now + RUNS_LATE_GRACE_MS) run->stall_check_ms = now + RUNS_LATE_GRACE_MS;
        tick_one(bot, run, now);
        int64_t due_ms = run_due(bot, run);
        if (due_ms < runs->due_ms) runs->due_ms = due_ms;
    }
}

int64_t runs_next_ms(const struct bot *bot) {
    const struct runs_state *runs = bot->runs;
    if (!runs->begun || (runs->imports && bot->store_status == TB_OK)) return 0;
    if (bot->store_status == TB_OK || runs->due_ms < runs->probe_ms) return runs->due_ms;
    return runs->probe_ms;
}

/* ---- the turn ---- */

static void write_one(struct bot *bot, struct run *run) {
    int64_t now = runs_now(bot);
    bool all = run->dirty_all && (!run->may_wait || now >= run->written_ms + RUNS_WRITE_MS);
    int status = all || !run->stored ? runs_write(bot, run) : runs_write_advance(bot, run);
    if (status < 0) return;
    run->dirty = false;
    if (!all && run->stored) return;
    run->dirty_all = false;
    run->written_ms = now;
}

void runs_store_failed(struct bot *bot) {
    bot->runs->probe_ms = runs_now(bot) + RUNS_STORE_PROBE_MS;
}

/* Room to work in: the log may take a few more rows though nothing else fits. */
static bool disk_has_room(const struct bot *bot) {
    char path[3300];
    snprintf(path, sizeof path, "%s/probe", bot->ports.settings->state_dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return false;
    bool room = posix_fallocate(fd, 0, PROBE_DISK_BYTES) == 0;
    close(fd);
    (void)unlink(path);
    return room;
}

bool runs_probe_due(struct bot *bot) {
    if (runs_now(bot) < bot->runs->probe_ms) return false;
    runs_store_failed(bot);
    char *text = disk_has_room(bot) ? malloc(PROBE_BYTES) : NULL;
    if (!text) return false;
    memset(text, 'p', PROBE_BYTES - 1);
    text[PROBE_BYTES - 1] = 0;
    int status = store_set(bot->ports.store, "probe", text);
    free(text);
    return status == TB_OK || store_is_dirty(bot->ports.store);
}

void runs_write_dirty(struct bot *bot) {
    for (struct run *run = bot->runs->touched; run; run = run->next_touched) {
        tell_gap(bot, run); /* in the transaction that holds its ack */
        if (run->dirty) write_one(bot, run);
    }
}

void runs_before_commit(struct bot *bot) {
    for (struct run *run = bot->runs->touched; run; run = run->next_touched) {
        runs_tell_due(bot, run);
        if (run->dirty && bot->ports.live_run) bot->ports.live_run(bot->ports.user, run);
    }
    runs_write_dirty(bot);
}

void runs_stored(struct bot *bot) {
    for (struct run *run = bot->runs->touched; run; run = run->next_touched) {
        if (run->dirty) continue;
        run->stored = true;
        run->durable_ack = run->ack;
    }
}

/* The turn's effects are gone: what is in memory is written again, what trainers said is asked of them again. */
static void roll_back(struct bot *bot, struct run *run) {
    run->ack_due = false;
    run->dirty = run->dirty_all = true;
    run->may_wait = false;
    if (run->ack != run->durable_ack || !run->stored) {
        run->ack = run->durable_ack;
        if (run->import) spool_want(bot, run);
        if (run->conn) run->conn->ops->close(run->conn);
    }
    if (run->stored) return;
    if (run->conn) run->conn->run = NULL;
    runs_drop(bot, run);
}

static void send_due(struct bot *bot, struct run *run) {
    controls_send_due(bot, run);
    if (!run->conn) run->ack_due = false;
    int64_t now = runs_now(bot);
    if (!run->ack_due || (!run->ack_now && now < run->acked_ms + RUNS_ACK_MS)) return;
    run->ack_due = run->ack_now = false;
    run->acked_ms = now;
    struct wire_frame frame = {.kind = WIRE_ACK, .u.ack.seq = run->durable_ack};
    if (run->conn->ops->send(run->conn, &frame) < 0)
        bot_log(bot, 2, "#%lld: an ack could not be sent", (long long)run->id);
}

void runs_committed(struct bot *bot, int status) {
    struct runs_state *runs = bot->runs;
    struct run *touched = runs->touched;
    runs->touched = NULL;
    for (struct run *run = touched, *next; run; run = next) {
        next = run->next_touched;
        run->touched = false;
        run->next_touched = NULL;
        if (status < 0) {
            controls_send_due(bot, run); /* a training can be stopped though the disk is full */
            bool stays = run->stored;
            roll_back(bot, run);
            if (!stays) continue;
            run->ack_due = false;
        } else {
            send_due(bot, run);
        }
        int64_t due_ms = run_due(bot, run);
        if (due_ms < runs->due_ms) runs->due_ms = due_ms;
        if (run->dirty) runs_touch(bot, run); /* not written yet */
    }
    forget_ended(bot);
}
