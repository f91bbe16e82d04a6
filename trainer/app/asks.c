/* asks.c: what the person asks for while it trains. Everything happens between two steps, on the training thread. */
#include "trainer.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#define WAIT_MS 200 /* while paused: how long a signal may go unnoticed */

static volatile sig_atomic_t signal_seen;

static void on_signal(int number) {
    (void)number;
    signal_seen = 1;
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigaction(SIGINT, &plain, NULL);
    sigaction(SIGTERM, &plain, NULL);
}

void asks_catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* A reader that went away and a file size limit are errors to report, not reasons to die. */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
}

/* The publisher's values now, over `settings`. */
static void values_read(const struct trainer *t, struct settings *settings) {
    bool fixed = t->engine != NULL || t->resumed_from >= 0;
    for (size_t i = 0; i < t->params_count; i++) {
        const struct tb_param *p = &t->params[i];
        if (fixed && !p->live) continue; /* the next start takes it */
        double value = p->type == TB_FLOAT  ? tb_float(t->run, p->name)
                       : p->type == TB_BOOL ? (double)tb_bool(t->run, p->name)
                                            : (double)tb_int(t->run, p->name);
        settings_put(settings, p->name, p->type, value, p->type == TB_ENUM ? tb_text(t->run, p->name) : NULL);
    }
}

void asks_settings(struct trainer *t) {
    struct settings before = t->settings;
    values_read(t, &t->settings);
    if (t->settings.ti != before.ti) t->fixed_steps = 0; /* a new length counts more than --steps */
    int64_t total = trainer_total(t);
    bool told = t->started_ms != 0 && total == t->total_steps; /* plan_tell, before the change was answered */
    if (!told && (total != t->total_steps || t->settings.bs != before.bs))
        tb_plan(t->run, t->step, total, t->settings.bs);
    t->total_steps = total;
}

static void plan_tell(struct trainer *t, const struct settings *wanted) {
    struct settings now = t->settings;
    t->settings = *wanted;
    int64_t fixed = t->fixed_steps;
    if (wanted->ti != now.ti) t->fixed_steps = 0;
    int64_t total = trainer_total(t);
    t->settings = now;
    t->fixed_steps = fixed;
    if (total != t->total_steps || wanted->bs != now.bs) tb_plan(t->run, t->step, total, wanted->bs);
    t->total_steps = total;
}

bool asks_accept(void *user, const struct tb_change *changes, size_t count, char *why, size_t size) {
    struct trainer *t = user;
    struct settings wanted = t->settings;
    if (t->run != NULL) values_read(t, &wanted);
    bool length = false;
    for (size_t i = 0; i < count; i++) {
        settings_put(&wanted, changes[i].name, changes[i].type, changes[i].value, changes[i].text);
        length = length || strcmp(changes[i].name, "ti") == 0 || strcmp(changes[i].name, "bs") == 0;
    }
    char left[32], seen[32];
    if (wanted.bs > t->data.train.count) {
        snprintf(why, size, "bs %lld is more than the %s samples there are", (long long)wanted.bs,
                 number_grouped(t->data.train.count, left, sizeof left));
        return false;
    }
    if (length && wanted.ti - t->samples < wanted.bs && t->fixed_steps == 0) {
        snprintf(why, size, "ti %lld leaves no step of %lld samples: %s are seen already", (long long)wanted.ti,
                 (long long)wanted.bs, number_grouped(t->samples, seen, sizeof seen));
        return false;
    }
    if (length && t->started_ms != 0) plan_tell(t, &wanted); /* before the answer, which names the new length */
    return true;
}

static void signal_take(struct trainer *t) {
    if (!signal_seen || t->ending != ENDING_NONE) return;
    say_note(t, "asked to end by a signal: stopping after step %lld", (long long)t->step);
    t->ending = ENDING_STOP_SAVE;
}

/* What poll and wait have in common. */
static void asks_take(struct trainer *t, unsigned asks) {
    if (asks & TB_ASK_SET) asks_settings(t);
    if (asks & TB_ASK_STOP) {
        if (t->ending == ENDING_NONE) t->ending = asks & TB_ASK_SAVE ? ENDING_STOP_SAVE : ENDING_STOP;
    } else if (asks & TB_ASK_SAVE) {
        state_save(t, true);
    }
    signal_take(t);
}

bool asks_pause(struct trainer *t, const char *reason) {
    tb_paused(t->run, t->step, reason);
    unsigned asks = TB_ASK_PAUSE;
    while (asks & TB_ASK_PAUSE && t->ending == ENDING_NONE) {
        asks = tb_wait(t->run, t->step, WAIT_MS);
        asks_take(t, asks);
    }
    return t->ending == ENDING_NONE;
}

void asks_handle(struct trainer *t) {
    unsigned asks = tb_poll(t->run, t->step);
    if (asks == 0 && !signal_seen) return;
    asks_take(t, asks);
    if (asks & TB_ASK_PAUSE && t->ending == ENDING_NONE && asks_pause(t, "asked")) tb_resumed(t->run, t->step);
}
