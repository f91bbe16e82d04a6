/*
 * control.c: what the person asked for, taken at step boundaries on the training thread. Each control is answered once,
 * by its id, with what truly happened; the sender repeats that answer when the bot asks again.
 */
#include "run.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct tb_reply {
    struct tb_run *run;
    char *text;
    char **images;
    size_t images_count;
};

#define REPLY_IMAGES_MAX 64

void tb_reply_text(struct tb_reply *reply, const char *format, ...) {
    va_list args;
    char *text = NULL, *joined = NULL;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0) return;
    if (!reply->text) {
        reply->text = text;
        return;
    }
    if (asprintf(&joined, "%s%s", reply->text, text) >= 0) { /* a second call goes on where the first ended */
        free(reply->text);
        reply->text = joined;
    }
    free(text);
}

int tb_reply_image(struct tb_reply *reply, const char *title, const char *mime, const void *bytes, size_t size) {
    if (reply->images_count == REPLY_IMAGES_MAX) return -1;
    char **images = realloc(reply->images, (reply->images_count + 1) * sizeof *images);
    if (!images) return -1;
    reply->images = images;
    char *id = report_image(reply->run, title, mime, bytes, size);
    if (!id) return -1;
    reply->images[reply->images_count++] = id;
    return 0;
}

static void reply_release(struct tb_reply *reply) {
    for (size_t i = 0; i < reply->images_count; i++)
        free(reply->images[i]);
    free(reply->images);
    free(reply->text);
}

/* ---- answers ---- */

/* Sends the answer and keeps it for the case that the bot asks again. */
static void answer(struct tb_run *run, const char *id, struct wire_frame *frame) {
    size_t size;
    char *line = report_line(frame, &size);
    if (!line) return;
    struct message *message = malloc(sizeof *message + size);
    if (!message) {
        free(line);
        return;
    }
    *message = (struct message){.kind = frame->kind, .size = size};
    memcpy(message->bytes, line, size);
    pthread_mutex_lock(&run->lock);
    for (size_t i = 0; i < RUN_ANSWERS; i++) {
        struct answer *a = &run->answers[i];
        if (!a->id || strcmp(a->id, id) != 0) continue;
        free(a->line); /* a save that was taken up and then failed has a second answer */
        *a = (struct answer){a->id, line, size, frame->kind};
        line = NULL;
        break;
    }
    pthread_mutex_unlock(&run->lock);
    free(line);
    message_push(run, message);
}

static void answer_applied(struct tb_run *run, const char *id, int64_t step, const struct wire_named *old_values,
                           const struct wire_named *new_values, size_t count) {
    struct wire_frame frame = {.kind = WIRE_APPLIED};
    frame.u.applied.id = id;
    frame.u.applied.step = step;
    frame.u.applied.old_values = old_values;
    frame.u.applied.new_values = new_values;
    frame.u.applied.count = count;
    answer(run, id, &frame);
}

static void answer_rejected(struct tb_run *run, const char *id, const char *why) {
    struct wire_frame frame = {.kind = WIRE_REJECTED};
    frame.u.rejected.id = id;
    frame.u.rejected.why = why;
    answer(run, id, &frame);
}

static void remember_id(char **to, const char *id) {
    free(*to);
    *to = strdup(id);
}

/* ---- the controls ---- */

static void rebuild_hello(struct tb_run *run) {
    pthread_mutex_lock(&run->lock);
    hello_build(run);
    pthread_mutex_unlock(&run->lock);
}

static void take_set(struct tb_run *run, const struct wire_frame *frame, int64_t step) {
    struct wire_named old_values[WIRE_PARAMS_MAX], new_values[WIRE_PARAMS_MAX];
    size_t count = frame->u.set.count;
    char why[512];
    if (params_set(run, frame->u.set.params, count, false, old_values, new_values, why, sizeof why) < 0) {
        answer_rejected(run, frame->u.set.id, why);
        return;
    }
    answer_applied(run, frame->u.set.id, step, old_values, new_values, count);
    params_forget(run, old_values, count);
    rebuild_hello(run);
    run->set = true;
}

static void take_call(struct tb_run *run, const struct wire_frame *frame) {
    const struct tb_command *command = NULL;
    for (size_t i = 0; i < run->commands_count; i++)
        if (strcmp(run->commands[i].name, frame->u.call.name) == 0) command = &run->commands[i];
    if (!command || !command->call) {
        answer_rejected(run, frame->u.call.id, "this training has no such command");
        return;
    }
    struct tb_reply reply = {.run = run};
    if (command->call(run->user, frame->u.call.args, &reply) < 0) {
        answer_rejected(run, frame->u.call.id, reply.text ? reply.text : "the training refused it");
    } else {
        struct wire_frame result = {.kind = WIRE_RESULT};
        result.u.result.id = frame->u.call.id;
        result.u.result.text = reply.text ? reply.text : "";
        result.u.result.images = (const char *const *)reply.images;
        result.u.result.images_count = reply.images_count;
        answer(run, frame->u.call.id, &result);
    }
    reply_release(&reply);
}

static void take(struct tb_run *run, const struct wire_frame *frame, int64_t step) {
    switch (frame->kind) {
    case WIRE_SET:
        take_set(run, frame, step);
        break;
    case WIRE_CALL:
        take_call(run, frame);
        break;
    case WIRE_STOP:
        run->stop = true;
        run->stop_save = run->stop_save || frame->u.stop.save;
        if (frame->u.stop.save) remember_id(&run->save_id, frame->u.stop.id);
        answer_applied(run, frame->u.stop.id, step, NULL, NULL, 0);
        break;
    case WIRE_SAVE:
        run->save = true;
        remember_id(&run->save_id, frame->u.save.id);
        answer_applied(run, frame->u.save.id, step, NULL, NULL, 0);
        break;
    case WIRE_PAUSE:
        run->paused = true;
        remember_id(&run->pause_id, frame->u.pause.id);
        answer_applied(run, frame->u.pause.id, step, NULL, NULL, 0);
        break;
    case WIRE_RESUME:
        run->paused = false;
        remember_id(&run->resume_id, frame->u.resume.id);
        answer_applied(run, frame->u.resume.id, step, NULL, NULL, 0);
        break;
    default:
        break;
    }
}

/* A stop goes on without its checkpoint, so only a note tells of it. */
void tb_save_failed(struct tb_run *run, int64_t step, const char *why) {
    if (run_dead(run)) return;
    if (run->save_id && !run->stop) {
        answer_rejected(run, run->save_id, why);
        free(run->save_id);
        run->save_id = NULL;
    } else {
        report_note(run, step, "%s", why);
    }
}

static struct control *unlink_controls(struct tb_run *run) {
    pthread_mutex_lock(&run->lock);
    struct control *list = run->controls;
    run->controls = NULL;
    run->controls_tail = &run->controls;
    atomic_store_explicit(&run->pending, run->welcome != NULL, memory_order_relaxed);
    pthread_mutex_unlock(&run->lock);
    return list;
}

/* true: there was something. */
static bool take_all(struct tb_run *run, int64_t step) {
    control_welcome(run, !run->begun && step == 0);
    struct control *list = unlink_controls(run);
    bool any = list != NULL;
    while (list) {
        struct control *next = list->next;
        take(run, &list->frame, step);
        wire_frame_clear(&list->frame);
        free(list);
        list = next;
    }
    return any;
}

void control_refuse_all(struct tb_run *run, const char *why) {
    struct control *list = unlink_controls(run);
    while (list) {
        struct control *next = list->next;
        const struct wire_frame *f = &list->frame;
        const char *id = f->kind == WIRE_SET    ? f->u.set.id
                         : f->kind == WIRE_CALL ? f->u.call.id
                         : f->kind == WIRE_STOP ? f->u.stop.id
                                                : f->u.pause.id; /* pause, resume, save: one struct */
        answer_rejected(run, id, why);
        wire_frame_clear(&list->frame);
        free(list);
        list = next;
    }
}

/* The parameters that the first welcome brought; one that does not fit is told and left. */
void control_welcome(struct tb_run *run, bool before_start) {
    pthread_mutex_lock(&run->lock);
    struct wire_frame *welcome = run->welcome;
    run->welcome = NULL;
    pthread_mutex_unlock(&run->lock);
    if (!welcome) return;
    for (size_t i = 0; i < welcome->u.welcome.params_count; i++) {
        const struct wire_named *named = &welcome->u.welcome.params[i];
        struct wire_named old_value, new_value;
        char why[512];
        if (params_set(run, named, 1, before_start, &old_value, &new_value, why, sizeof why) < 0) {
            report_note(run, 0, "%s", why);
            continue;
        }
        params_forget(run, &old_value, 1);
        run->set = true;
    }
    if (welcome->u.welcome.params_count) rebuild_hello(run);
    wire_frame_clear(welcome);
    free(welcome);
}

static unsigned asks(struct tb_run *run) {
    unsigned bits = 0;
    if (run->stop) bits |= TB_ASK_STOP;
    if (run->save || (run->stop && run->stop_save)) bits |= TB_ASK_SAVE;
    if (run->paused) bits |= TB_ASK_PAUSE;
    if (run->set) bits |= TB_ASK_SET;
    run->save = run->set = false;
    return bits;
}

unsigned tb_poll(struct tb_run *run, int64_t step) {
    if (run_dead(run)) return 0;
    atomic_store_explicit(&run->step, step, memory_order_relaxed);
    if (atomic_load_explicit(&run->pending, memory_order_acquire)) take_all(run, step);
    if (step > 0) run->begun = true;
    return asks(run);
}

bool tb_asked(const struct tb_run *run) {
    if (run_dead(run)) return false;
    return atomic_load_explicit(&run->pending, memory_order_acquire) || run->stop || run->save || run->paused || run->set;
}

static struct timespec deadline(int timeout_ms) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Waits for `pending`, or for the welcome. false: time is up. */
static bool wait_for(struct tb_run *run, bool welcome, int timeout_ms) {
    struct timespec until = deadline(timeout_ms < 0 ? 0 : timeout_ms);
    bool there = false;
    pthread_mutex_lock(&run->lock);
    for (;;) {
        there = welcome ? run->welcomed : atomic_load_explicit(&run->pending, memory_order_relaxed);
        if (there) break;
        if (timeout_ms < 0)
            pthread_cond_wait(&run->changed, &run->lock);
        else if (pthread_cond_timedwait(&run->changed, &run->lock, &until) != 0)
            break;
    }
    pthread_mutex_unlock(&run->lock);
    return there;
}

unsigned tb_wait(struct tb_run *run, int64_t step, int timeout_ms) {
    if (run_dead(run)) return 0;
    atomic_store_explicit(&run->step, step, memory_order_relaxed);
    if (!atomic_load_explicit(&run->pending, memory_order_acquire) && run->paused && !run->stop)
        wait_for(run, false, timeout_ms);
    if (atomic_load_explicit(&run->pending, memory_order_acquire)) take_all(run, step);
    return asks(run);
}

int tb_wait_welcome(struct tb_run *run, int timeout_ms) {
    if (run_dead(run) || !wait_for(run, true, timeout_ms)) return -1;
    control_welcome(run, !run->begun);
    return 0;
}

void tb_pause_self(struct tb_run *run) {
    if (run_dead(run)) return;
    run->paused = true;
    free(run->pause_id);
    run->pause_id = NULL;
}

int64_t tb_run_id(const struct tb_run *run) {
    return atomic_load_explicit(&run->number, memory_order_relaxed);
}
