/*
 * What is asked of trainers and waits for an answer. A control is kept in the store until it is answered, so it
 * survives a reconnect, a restart of the bot, and a trainer that answers late; its id makes it happen once.
 */
#include "commands.h"
#include "outbox.h"
#include "runs_state.h"
#include "text.h"
#include <cJSON.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL_ID_PREFIX "ask-"

static void control_free(struct control *control) {
    if (!control) return;
    for (size_t i = 0; i < control->changes_count; i++) {
        free(control->changes[i].name);
        free(control->changes[i].text);
    }
    free(control->changes);
    free(control->name);
    free(control->args);
    free(control->by);
    free(control);
}

void controls_free(struct run *run) {
    for (struct control *control = run->controls; control;) {
        struct control *next = control->next;
        control_free(control);
        control = next;
    }
    run->controls = NULL;
}

bool controls_has(const struct run *run, enum control_kind kind) {
    for (const struct control *control = run->controls; control; control = control->next)
        if (control->kind == kind) return true;
    return false;
}

/* ---- kept ---- */

static void control_key(const struct control *control, char *key, size_t size) {
    snprintf(key, size, "control/%lld/%s", (long long)control->run->id, control->id);
}

static int control_keep(struct bot *bot, const struct control *control) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "kind", control->kind);
    cJSON_AddBoolToObject(object, "save", control->save);
    cJSON_AddStringToObject(object, "by", control->by ? control->by : "");
    cJSON_AddStringToObject(object, "name", control->name ? control->name : "");
    cJSON_AddStringToObject(object, "args", control->args ? control->args : "");
    cJSON *changes = cJSON_AddArrayToObject(object, "changes");
    for (size_t i = 0; i < control->changes_count; i++) {
        const struct run_param *change = &control->changes[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", change->name);
        cJSON_AddNumberToObject(item, "type", change->type);
        cJSON_AddNumberToObject(item, "number", change->number);
        if (change->text) cJSON_AddStringToObject(item, "text", change->text);
        cJSON_AddItemToArray(changes, item);
    }
    char *json = cJSON_PrintUnformatted(object), key[96];
    cJSON_Delete(object);
    control_key(control, key, sizeof key);
    int status = json ? store_set(bot->ports.store, key, json) : TB_ENOMEM;
    cJSON_free(json);
    return status;
}

static const char *json_text(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static int load_changes(struct control *control, const cJSON *object) {
    const cJSON *changes = cJSON_GetObjectItemCaseSensitive(object, "changes"), *item = NULL;
    control->changes = calloc((size_t)cJSON_GetArraySize(changes) + 1, sizeof *control->changes);
    if (!control->changes) return TB_ENOMEM;
    cJSON_ArrayForEach(item, changes) {
        struct run_param *change = &control->changes[control->changes_count++];
        const cJSON *number = cJSON_GetObjectItemCaseSensitive(item, "number"),
                    *type = cJSON_GetObjectItemCaseSensitive(item, "type");
        change->number = cJSON_IsNumber(number) ? number->valuedouble : 0;
        change->type = cJSON_IsNumber(type) ? (enum wire_type)type->valueint : WIRE_FLOAT;
        if (text_set(&change->name, json_text(item, "name")) < 0) return TB_ENOMEM;
        if (cJSON_HasObjectItem(item, "text") && text_set(&change->text, json_text(item, "text")) < 0) return TB_ENOMEM;
    }
    return TB_OK;
}

struct controls_loading {
    struct bot *bot;
    struct run *run;
    int status;
};

static void append(struct run *run, struct control *control) {
    struct control **end = &run->controls;
    while (*end)
        end = &(*end)->next;
    *end = control;
}

static bool load_control(void *user, const char *key, const char *value) {
    struct controls_loading *loading = user;
    cJSON *object = cJSON_Parse(value);
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(object, "kind");
    struct control *control = cJSON_IsNumber(kind) ? calloc(1, sizeof *control) : NULL;
    if (!control) {
        cJSON_Delete(object);
        return true;
    }
    control->kind = (enum control_kind)kind->valueint;
    control->run = loading->run;
    control->save = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "save"));
    control->asked_mono_ms = runs_now(loading->bot);
    const char *id = strrchr(key, '/');
    snprintf(control->id, sizeof control->id, "%s", id ? id + 1 : "");
    if (text_set(&control->by, json_text(object, "by")) < 0 ||
        text_set(&control->name, json_text(object, "name")) < 0 ||
        text_set(&control->args, json_text(object, "args")) < 0 || load_changes(control, object) < 0) {
        control_free(control);
        loading->status = TB_ENOMEM;
    } else {
        append(loading->run, control);
    }
    cJSON_Delete(object);
    return loading->status == TB_OK;
}

int controls_load(struct bot *bot, struct run *run) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "control/%lld/", (long long)run->id);
    struct controls_loading loading = {.bot = bot, .run = run};
    int status = store_pairs(bot->ports.store, prefix, load_control, &loading);
    return status < 0 ? status : loading.status;
}

/* ---- asking ---- */

static void send_set(struct run *run, const struct control *control, struct wire_frame *frame) {
    struct wire_named params[WIRE_PARAMS_MAX];
    size_t count = control->changes_count < WIRE_PARAMS_MAX ? control->changes_count : WIRE_PARAMS_MAX;
    for (size_t i = 0; i < count; i++)
        params[i] = (struct wire_named){.name = control->changes[i].name,
                                        .value = {.type = control->changes[i].type,
                                                  .number = control->changes[i].number,
                                                  .text = control->changes[i].text}};
    frame->kind = WIRE_SET;
    frame->u.set.id = control->id;
    frame->u.set.params = params;
    frame->u.set.count = count;
    (void)run->conn->ops->send(run->conn, frame);
}

void controls_send(struct bot *bot, struct run *run, struct control *control) {
    (void)bot;
    if (!run->conn) return;
    struct wire_frame frame = {0};
    switch (control->kind) {
    case CONTROL_SET:
        send_set(run, control, &frame);
        return;
    case CONTROL_STOP:
        frame.kind = WIRE_STOP;
        frame.u.stop.id = control->id;
        frame.u.stop.save = control->save;
        break;
    case CONTROL_PAUSE:
        frame.kind = WIRE_PAUSE;
        frame.u.pause.id = control->id;
        break;
    case CONTROL_RESUME:
        frame.kind = WIRE_RESUME;
        frame.u.resume.id = control->id;
        break;
    case CONTROL_SAVE:
        frame.kind = WIRE_SAVE;
        frame.u.save.id = control->id;
        break;
    case CONTROL_CALL:
        frame.kind = WIRE_CALL;
        frame.u.call.id = control->id;
        frame.u.call.name = control->name;
        frame.u.call.args = control->args;
        break;
    }
    (void)run->conn->ops->send(run->conn, &frame);
}

void controls_resend(struct bot *bot, struct run *run) {
    for (struct control *control = run->controls; control; control = control->next)
        if (!control->due) controls_send(bot, run, control);
}

void controls_send_due(struct bot *bot, struct run *run) {
    for (struct control *control = run->controls; control; control = control->next) {
        if (!control->due) continue;
        control->due = false;
        controls_send(bot, run, control);
    }
}

static void begin_stop(struct bot *bot, struct run *run, const struct control *control) {
    if (run->state == RUN_STOPPING && run->stop_asked_ms) return; /* asking again gives it no more time */
    run->before_stop = run->state;
    run->term_sent_ms = run->kill_sent_ms = 0;
    runs_set_state(bot, run, RUN_STOPPING);
    run->stop_asked_ms = runs_now(bot);
    if (text_set(&run->stop_by, control->by) < 0) run->stop_by[0] = 0;
    runs_event(bot, run, run->step, "stop", "asked by %s", run->stop_by);
    /* A program that never said hello knows no stop frame: the signal is the way to ask it. */
    if (!run->launched || run->instance[0]) return;
    run->term_sent_ms = runs_now(bot);
    if (launcher_signal(bot->ports.launcher, run->id, SIGTERM) < 0)
        bot_log(bot, 1, "#%lld: SIGTERM not delivered", (long long)run->id);
}

int runs_ask(struct bot *bot, struct run *run, struct control *control) {
    if (!run_state_live(run->state)) {
        control_free(control);
        return TB_EGONE;
    }
    control->run = run;
    control->asked_mono_ms = runs_now(bot);
    snprintf(control->id, sizeof control->id, CONTROL_ID_PREFIX "%llx-%llx",
             (unsigned long long)clock_wall_ms(bot->ports.clock), (unsigned long long)++bot->runs->next_control);
    if (!control->by && text_set(&control->by, "") < 0) {
        control_free(control);
        return TB_ENOMEM;
    }
    if (control_keep(bot, control) < 0) /* a training can be stopped though the disk is full */
        bot_log(bot, 1, "#%lld: what was asked is not on record", (long long)run->id);
    for (size_t i = 0; control->kind == CONTROL_SET && i < control->changes_count; i++) {
        struct run_param *param = run_param(run, control->changes[i].name);
        if (param) param->asked = control->changes[i].number;
    }
    control->due = true; /* it leaves when it is durable: a bot that comes back must not ask it a second time */
    append(run, control);
    if (control->kind == CONTROL_STOP) begin_stop(bot, run, control);
    runs_changed(bot, run);
    return TB_OK;
}

/* ---- answers ---- */

/* Out of the list and the store; the caller frees it after telling the outcome. */
static void control_take(struct bot *bot, struct control *control) {
    char key[96];
    control_key(control, key, sizeof key);
    if (store_set(bot->ports.store, key, NULL) < 0) bot_log(bot, 1, "an answered control stays on record");
    for (struct control **at = &control->run->controls; *at; at = &(*at)->next)
        if (*at == control) {
            *at = control->next;
            break;
        }
}

static void finish(struct bot *bot, struct control *control, const struct outcome *outcome) {
    control_take(bot, control);
    commands_outcome(bot, control, outcome);
    control_free(control);
}

/* Ours, and answered before: the publisher repeats its answer when it is asked again. */
static bool is_repeated(const struct control *control, const char *id) {
    return !control && strncmp(id, CONTROL_ID_PREFIX, strlen(CONTROL_ID_PREFIX)) == 0;
}

static struct control *control_by_id(struct run *run, const char *id) {
    for (struct control *control = run->controls; control; control = control->next)
        if (strcmp(control->id, id) == 0) return control;
    return NULL;
}

static void value_json(const struct wire_value *value, char *text, size_t size) {
    if (value->type == WIRE_STRING || value->type == WIRE_ENUM) {
        cJSON *string = cJSON_CreateString(value->text ? value->text : "");
        char *json = cJSON_PrintUnformatted(string);
        snprintf(text, size, "%s", json ? json : "\"\"");
        cJSON_free(json);
        cJSON_Delete(string);
    } else if (value->type == WIRE_BOOL) {
        snprintf(text, size, "%s", value->number != 0 ? "true" : "false");
    } else if (!isfinite(value->number)) {
        snprintf(text, size, "\"%s\"", isnan(value->number) ? "nan" : value->number > 0 ? "inf" : "-inf");
    } else {
        wire_format_double(value->number, text, size);
    }
}

/* New values hold from this step; the history names who asked. */
static void take_applied(struct bot *bot, struct run *run, const struct wire_frame *frame,
                         const struct control *control) {
    for (size_t i = 0; i < frame->u.applied.count; i++) {
        const struct wire_named *change = &frame->u.applied.new_values[i], *before = &frame->u.applied.old_values[i];
        struct run_param *param = run_param(run, change->name);
        if (param) {
            param->number = change->value.number;
            if (!control) param->asked = change->value.number;
            if (change->value.text && text_set(&param->text, change->value.text) < 0) bot_log(bot, 1, "out of memory");
            if (strcmp(change->name, "batch") == 0 || strcmp(change->name, "bs") == 0)
                run->batch = (int64_t)change->value.number;
        }
        char old_text[256], new_text[256];
        value_json(&before->value, old_text, sizeof old_text);
        value_json(&change->value, new_text, sizeof new_text);
        struct param_change_record record = {.run = run->id,
                                             .t_ms = clock_wall_ms(bot->ports.clock),
                                             .step = frame->u.applied.step,
                                             .name = change->name,
                                             .old_value = old_text,
                                             .new_value = new_text,
                                             .by = control ? control->by : "trainer"};
        if (store_param_change_add(bot->ports.store, &record) < 0)
            bot_log(bot, 1, "a change of %s was not recorded", change->name);
        runs_event(bot, run, frame->u.applied.step, "param", "%s %s -> %s", change->name, old_text, new_text);
    }
}

static void answer_applied(struct bot *bot, struct run *run, const struct wire_frame *frame) {
    struct control *control = control_by_id(run, frame->u.applied.id);
    if (!is_repeated(control, frame->u.applied.id) || bot->runs->retaken) take_applied(bot, run, frame, control);
    if (!control) return;
    if (control->kind == CONTROL_SET) {
        struct outcome outcome = {.kind = OUTCOME_APPLIED,
                                  .step = frame->u.applied.step,
                                  .old_values = frame->u.applied.old_values,
                                  .new_values = frame->u.applied.new_values,
                                  .count = frame->u.applied.count};
        finish(bot, control, &outcome);
        return;
    }
    control->applied = true; /* its event completes it: checkpoint, paused, resumed, the end */
    if (control->kind == CONTROL_RESUME && run->state == RUN_RUNNING) {
        struct outcome outcome = {.kind = OUTCOME_RESUMED, .step = frame->u.applied.step};
        finish(bot, control, &outcome);
    } else if (control->kind == CONTROL_PAUSE && run->state == RUN_PAUSED) {
        struct outcome outcome = {.kind = OUTCOME_PAUSED, .step = frame->u.applied.step};
        finish(bot, control, &outcome);
    }
}

#define RESULT_IMAGES_MAX 8

static void answer_result(struct bot *bot, struct run *run, const struct wire_frame *frame) {
    struct control *control = control_by_id(run, frame->u.result.id);
    if (is_repeated(control, frame->u.result.id) && !bot->runs->retaken) return;
    int64_t images[RESULT_IMAGES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < frame->u.result.images_count && count < RESULT_IMAGES_MAX; i++) {
        int64_t image = images_find(bot, run, frame->u.result.images[i]);
        if (image) images[count++] = image;
    }
    char *command = control ? text_print("%s%s%s", control->name, control->args[0] ? " " : "", control->args) : NULL;
    struct result_record record = {.run = run->id,
                                   .t_ms = clock_wall_ms(bot->ports.clock),
                                   .step = run->step,
                                   .command = command ? command : "",
                                   .text = frame->u.result.text ? frame->u.result.text : "",
                                   .image = count ? images[0] : 0};
    if (store_result_add(bot->ports.store, &record) < 0)
        bot_log(bot, 1, "#%lld: a result was not recorded", (long long)run->id);
    free(command);
    if (!control) return;
    struct outcome outcome = {
        .kind = OUTCOME_RESULT, .step = run->step, .text = record.text, .images = images, .images_count = count};
    finish(bot, control, &outcome);
}

void controls_answer(struct bot *bot, struct run *run, const struct wire_frame *frame) {
    if (frame->kind == WIRE_APPLIED) {
        answer_applied(bot, run, frame);
    } else if (frame->kind == WIRE_RESULT) {
        answer_result(bot, run, frame);
    } else {
        struct control *control = control_by_id(run, frame->u.rejected.id);
        if (!control) return;
        for (size_t i = 0; i < control->changes_count; i++) {
            struct run_param *param = run_param(run, control->changes[i].name);
            if (param) param->asked = param->number;
        }
        if (control->kind == CONTROL_STOP && run->state == RUN_STOPPING) {
            run->stop_asked_ms = run->term_sent_ms = run->kill_sent_ms = 0;
            runs_set_state(bot, run, run->before_stop == RUN_PAUSED ? RUN_PAUSED : RUN_RUNNING);
        }
        struct outcome outcome = {.kind = OUTCOME_REJECTED,
                                  .step = run->step,
                                  .why = frame->u.rejected.why ? frame->u.rejected.why : ""};
        finish(bot, control, &outcome);
    }
}

void controls_event(struct bot *bot, struct run *run, const struct wire_event *event) {
    enum control_kind kind;
    struct outcome outcome = {.step = event->step};
    switch (event->kind) {
    case WIRE_EV_CHECKPOINT:
        kind = CONTROL_SAVE;
        outcome.kind = OUTCOME_SAVED;
        outcome.path = run->checkpoint;
        outcome.bytes = event->bytes;
        break;
    case WIRE_EV_PAUSED:
        kind = CONTROL_PAUSE;
        outcome.kind = OUTCOME_PAUSED;
        break;
    case WIRE_EV_RESUMED:
        kind = CONTROL_RESUME;
        outcome.kind = OUTCOME_RESUMED;
        break;
    default:
        return;
    }
    for (struct control *control = run->controls, *next; control; control = next) {
        next = control->next;
        bool named = event->id && strcmp(event->id, control->id) == 0;
        /* A periodic checkpoint does not answer a save that the trainer has not taken up yet. */
        if (control->kind != kind || (kind == CONTROL_SAVE && !named && !control->applied)) continue;
        finish(bot, control, &outcome);
    }
}

void controls_ended(struct bot *bot, struct run *run) {
    bool stopped = run->state == RUN_STOPPED || run->state == RUN_FINISHED;
    for (struct control *control; (control = run->controls);) {
        struct outcome outcome = {.kind = OUTCOME_ENDED, .step = run->step};
        if (control->kind == CONTROL_STOP && stopped) {
            outcome.kind = OUTCOME_STOPPED;
            outcome.path = run->checkpoint;
            outcome.bytes = run->checkpoint_bytes;
        }
        finish(bot, control, &outcome);
    }
}
