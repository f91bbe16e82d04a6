/*
 * The bot's core, put together: one turn of the host's loop becomes one transaction, and only what is durable is
 * acknowledged or sent. When the store fails, the turn's replies and alerts still leave, once, from memory, links are
 * closed so that trainers keep (and later resend) their rows, and the owner is told.
 */
#include "bot.h"
#include "commands.h"
#include "fact.h"
#include "outbox.h"
#include "runs_state.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int bot_create(const struct bot_ports *ports, struct bot **ret_bot) {
    struct bot *bot = calloc(1, sizeof *bot);
    if (!bot) return TB_ENOMEM;
    bot->ports = *ports;
    bot->started_mono_ms = clock_mono_ms(ports->clock);
    int status = runs_create(bot);
    if (status == TB_OK) status = outbox_create(bot);
    if (status == TB_OK) status = commands_create(bot);
    if (status < 0) {
        bot_free(bot);
        return status;
    }
    *ret_bot = bot;
    return TB_OK;
}

void bot_add_channel(struct bot *bot, struct channel *channel) {
    struct channel **end = &bot->channels;
    while (*end)
        end = &(*end)->next;
    channel->bot = bot;
    channel->next = NULL;
    *end = channel;
}

struct channel *bot_channel(struct bot *bot, const char *name) {
    for (struct channel *channel = bot->channels; channel; channel = channel->next)
        if (strcmp(channel->ops->name, name) == 0) return channel;
    return NULL;
}

int bot_load(struct bot *bot, char *why, size_t why_size) {
    int status = runs_load(bot);
    if (status == TB_OK) status = outbox_load(bot);
    if (status == TB_OK) status = commands_load(bot);
    if (status < 0) snprintf(why, why_size, "what was kept cannot be read: %s", tb_error_text(status));
    return status;
}

/* What the turn wrote is gone. Replies and alerts leave from memory, links are closed, and the owner is told once. */
static void store_failed(struct bot *bot, int status) {
    bool first = bot->store_status == TB_OK;
    bot->store_status = status;
    bot->turn_status = TB_OK;
    store_rollback(bot->ports.store);
    runs_committed(bot, status);
    runs_store_failed(bot);
    commands_store_failed(bot);
    if (first) {
        bot_log(bot, 0, "the database cannot be written (%s); acknowledgements wait", tb_error_text(status));
        struct fact fact = {.kind = FACT_STORE_FAILED, .text = tb_error_text(status), .cpu_percent = -1};
        report_fact(bot, &fact);
    }
    outbox_store_failed(bot);
    store_rollback(bot->ports.store); /* what became of those is noted when the store works */
}

static void store_works(struct bot *bot) {
    bot->store_status = TB_OK;
    bot_log(bot, 2, "the database can be written again");
    outbox_store_works(bot);
    commands_store_works(bot);
    if (store_set(bot->ports.store, "probe", NULL) < 0) bot_log(bot, 1, "the probe stays");
    struct fact fact = {.kind = FACT_STORE_OK, .cpu_percent = -1};
    report_fact(bot, &fact);
}

int bot_commit(struct bot *bot) {
    if (bot->turn_status < 0) return bot->turn_status;
    if (bot->store_status < 0) return bot->turn_status = bot->store_status;
    runs_write_dirty(bot);
    int status = store_commit(bot->ports.store);
    if (status < 0) return bot->turn_status = status;
    runs_stored(bot);
    outbox_committed(bot);
    commands_committed(bot);
    return TB_OK;
}

/* One commit of all that the turn did. Negative: nothing of it stands. */
static int commit_turn(struct bot *bot) {
    runs_before_commit(bot);
    if (bot->turn_status < 0) return bot->turn_status;
    int status = store_commit(bot->ports.store);
    if (status < 0) return status;
    runs_stored(bot);
    outbox_committed(bot);
    commands_committed(bot);
    runs_committed(bot, TB_OK);
    return TB_OK;
}

void bot_turn_end(struct bot *bot) {
    if (bot->leaving) return;
    bool probing = bot->store_status < 0 && runs_probe_due(bot);
    if (bot->store_status < 0 && !probing) {
        bot->turn_status = TB_OK;
        runs_committed(bot, bot->store_status);
        commands_store_failed(bot);
        outbox_store_failed(bot);
        store_rollback(bot->ports.store);
        return;
    }
    /* Handing messages out writes their new states, so a second commit may be due; it converges at once. */
    for (int round = 0; round < 4; round++) {
        int status = commit_turn(bot);
        if (status < 0) {
            store_failed(bot, status);
            return;
        }
        if (probing)
            store_works(bot);
        else
            outbox_pump(bot);
        probing = false;
        if (bot->turn_status == TB_OK && !store_is_dirty(bot->ports.store)) return;
    }
}

void bot_leave(struct bot *bot) {
    bot_turn_end(bot);
    bot->leaving = true;
}

int64_t bot_next_ms(const struct bot *bot) {
    if (bot->leaving) return INT64_MAX;
    int64_t next_ms = runs_next_ms(bot);
    int64_t others[] = {outbox_next_ms(bot), commands_next_ms(bot)};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i] < next_ms) next_ms = others[i];
    return next_ms;
}

void bot_tick(struct bot *bot) {
    if (bot->leaving) return;
    runs_tick(bot);
    commands_tick(bot);
}

void bot_free(struct bot *bot) {
    if (!bot) return;
    commands_free(bot);
    outbox_free(bot);
    runs_free(bot);
    free(bot);
}

void bot_log(struct bot *bot, int level, const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (bot->ports.log) bot->ports.log(bot->ports.user, level, line);
}
