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

bool asks_signal_seen(void) {
    return signal_seen;
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

/* A new length counts more than --steps. */
static bool length_asked(const struct settings *before, const struct settings *now) {
    return now->ti != before->ti || now->epochs != before->epochs;
}

/* What a schedule makes of the values that were set: the answer alone names the base. */
static void rate_tell(struct trainer *t, const struct settings *before) {
    static const char *const names[] = {"the warm-up", "the step", "the cosine"};
    const struct schedule was = settings_schedule(before), is = settings_schedule(&t->settings);
    bool same = before->lr == t->settings.lr && memcmp(&was, &is, sizeof is) == 0;
    if (same || t->started_ms == 0 || (!schedule_moves(&was) && !schedule_moves(&is))) return;
    if (schedule_moves(&is))
        say_note(t, "lr %g is the base; with %s schedule step %lld takes %.4g", t->settings.lr, names[is.kind],
                 (long long)t->step + 1, steps_rate(t, t->step + 1));
    else
        say_note(t, "no schedule moves lr any more: it is %g", t->settings.lr);
}

void asks_settings(struct trainer *t) {
    struct settings before = t->settings;
    values_read(t, &t->settings);
    if (length_asked(&before, &t->settings)) t->fixed_steps = 0;
    char error[APP_ERROR_SIZE];
    bool other_images = t->settings.seed != before.seed || t->settings.validation != before.validation;
    if (other_images && trainer_order(t, error) != EXIT_GOOD) {
        say_note(t, "%s", error);
        t->ending = ENDING_FAILED;
        return;
    }
    int64_t total = trainer_total(t);
    bool told = t->started_ms != 0 && total == t->total_steps; /* plan_tell, before the change was answered */
    if (!told && (total != t->total_steps || t->settings.bs != before.bs))
        tb_plan(t->run, t->step, total, t->settings.bs);
    t->total_steps = total;
    rate_tell(t, &before);
}

/* Steps in all if these settings held. */
static int64_t total_with(struct trainer *t, const struct settings *wanted) {
    const struct settings now = t->settings;
    const int64_t fixed = t->fixed_steps;
    if (length_asked(&now, wanted)) t->fixed_steps = 0;
    t->settings = *wanted;
    int64_t total = trainer_total(t);
    t->settings = now;
    t->fixed_steps = fixed;
    return total;
}

static void plan_tell(struct trainer *t, const struct settings *wanted) {
    int64_t total = total_with(t, wanted);
    if (total != t->total_steps || wanted->bs != t->settings.bs) tb_plan(t->run, t->step, total, wanted->bs);
    t->total_steps = total;
}

/* Why a length cannot be, in `why`; true: it can. */
static bool length_check(struct trainer *t, const struct settings *wanted, char *why, size_t size) {
    char seen[32];
    if (total_with(t, wanted) > t->step) return true;
    number_grouped(t->samples, seen, sizeof seen);
    if (wanted->epochs > 0)
        snprintf(why, size, "epochs %lld leaves nothing to train: %s samples are seen already, %.3g epochs",
                 (long long)wanted->epochs, seen, (double)t->samples / (double)t->order.count);
    else
        snprintf(why, size, "ti %lld leaves no step of %lld samples: %s are seen already", (long long)wanted->ti,
                 (long long)wanted->bs, seen);
    return false;
}

bool asks_accept(void *user, const struct tb_change *changes, size_t count, char *why, size_t size) {
    struct trainer *t = user;
    struct settings before = t->settings;
    if (t->run != NULL) values_read(t, &before);
    struct settings wanted = before;
    char error[APP_ERROR_SIZE];
    for (size_t i = 0; i < count; i++)
        settings_put(&wanted, changes[i].name, changes[i].type, changes[i].value, changes[i].text);
    if (settings_check(&wanted, t->order.count, error) != 0) {
        snprintf(why, size, "%s", error);
        return false;
    }
    if (wanted.ti != before.ti && wanted.epochs > 0) {
        snprintf(why, size, "epochs %lld decides the length, not ti; epochs=0 lets ti decide",
                 (long long)wanted.epochs);
        return false;
    }
    bool length = length_asked(&before, &wanted) || wanted.bs != before.bs;
    if (length && !length_check(t, &wanted, why, size)) return false;
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
    const int64_t began_ms = trainer_clock_ms(t);
    tb_paused(t->run, t->step, reason);
    unsigned asks = TB_ASK_PAUSE;
    while (asks & TB_ASK_PAUSE && t->ending == ENDING_NONE) {
        asks = tb_wait(t->run, t->step, WAIT_MS);
        asks_take(t, asks);
    }
    t->paused_ms += trainer_clock_ms(t) - began_ms;
    return t->ending == ENDING_NONE;
}

void asks_handle(struct trainer *t) {
    if (!tb_asked(t->run) && !signal_seen) return;
    steps_settle(t); /* what is answered must be true of the state; it may go back meanwhile */
    if (t->ending != ENDING_NONE) return;
    unsigned asks = tb_poll(t->run, t->step);
    asks_take(t, asks);
    if (asks & TB_ASK_PAUSE && t->ending == ENDING_NONE && asks_pause(t, "asked")) tb_resumed(t->run, t->step);
}
