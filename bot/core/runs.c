/*
 * The collection of runs: those in memory, the start of a new one, the delete of an old one, and what a passing second
 * makes due. Always holds: a run's row is committed before its process starts; an ack never names a seq whose effect is
 * not committed.
 */
#include "runs.h"
#include "argv.h"
#include "commands.h"
#include "outbox.h"
#include "runs_state.h"
#include "text.h"
#include <cJSON.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int runs_create(struct bot *bot) {
    bot->runs = calloc(1, sizeof *bot->runs);
    return bot->runs ? TB_OK : TB_ENOMEM;
}

static void drop(struct run *run) {
    controls_free(run);
    run_free(run);
}

void runs_free(struct bot *bot) {
    if (!bot->runs) return;
    for (struct run *run = bot->runs->first; run;) {
        struct run *next = run->next;
        drop(run);
        run = next;
    }
    free(bot->runs);
    bot->runs = NULL;
}

int64_t runs_now(const struct bot *bot) {
    return clock_mono_ms(bot->ports.clock);
}

/* Keeps the list newest first, and forgets the oldest ended runs beyond RUNS_KEPT_ENDED. */
void runs_insert(struct bot *bot, struct run *run) {
    struct run **at = &bot->runs->first;
    while (*at && (*at)->id > run->id)
        at = &(*at)->next;
    run->next = *at;
    *at = run;
    if (run->id > bot->runs->newest) bot->runs->newest = run->id;
    size_t ended = 0;
    for (at = &bot->runs->first; *at;) {
        struct run *old = *at;
        bool kept = run_state_live(old->state) || old->conn || old->dirty || old == run || old->controls || ++ended <= RUNS_KEPT_ENDED;
        if (kept) {
            at = &old->next;
            continue;
        }
        *at = old->next;
        drop(old);
    }
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

void runs_changed(struct bot *bot, struct run *run) {
    run->dirty = true;
    (void)bot;
}

void runs_event(struct bot *bot, const struct run *run, int64_t step, const char *kind, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct event_record event = {.run = run->id, .t_ms = clock_wall_ms(bot->ports.clock), .step = step, .kind = kind, .text = text};
    if (store_event_add(bot->ports.store, &event) < 0) bot_log(bot, 1, "#%lld %s: not recorded", (long long)run->id, kind);
}

void runs_set_state(struct bot *bot, struct run *run, enum run_state state) {
    if (run->state == state) return;
    run->state = state;
    if (!run_state_live(state)) {
        if (!run->ended_ms) run->ended_ms = clock_wall_ms(bot->ports.clock);
        run->stop_asked_ms = run->nan_seen_ms = 0;
    }
    runs_changed(bot, run);
}

void runs_tell(struct bot *bot, const struct run *run, enum fact_kind kind, int64_t step, const char *text) {
    struct fact fact = {.kind = kind, .run = run, .step = step, .text = text, .cpu_percent = -1};
    report_fact(bot, &fact);
}

int runs_dir(const struct bot *bot, int64_t id, char *path, size_t size) {
    int length = snprintf(path, size, "%s/runs", bot->ports.settings->state_dir);
    if (length < 0 || (size_t)length >= size) return TB_ERANGE;
    if (mkdir(path, 0700) < 0 && errno != EEXIST) return TB_EIO;
    length = snprintf(path, size, "%s/runs/%lld", bot->ports.settings->state_dir, (long long)id);
    if (length < 0 || (size_t)length >= size) return TB_ERANGE;
    if (mkdir(path, 0700) < 0 && errno != EEXIST) return errno == ENOSPC ? TB_EFULL : TB_EIO;
    return TB_OK;
}

/* ---- starting ---- */

/* What fills a {placeholder} of the command line. */
struct fill {
    struct bot *bot;
    const struct run *run;
    const struct start *start;
    const char *run_dir;
    char *found; /* owned: the last answer */
};

static const char *fill_described(struct fill *fill, const char *name) {
    char key[128], *json = NULL;
    snprintf(key, sizeof key, "describe/%s", fill->start->trainer->name);
    if (store_get(fill->bot->ports.store, key, &json) < 0) return NULL;
    cJSON *root = cJSON_Parse(json), *param = NULL;
    free(json);
    const char *found = NULL;
    cJSON_ArrayForEach(param, cJSON_GetObjectItemCaseSensitive(root, "params")) {
        const cJSON *declared = cJSON_GetObjectItemCaseSensitive(param, "name");
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(param, "value");
        if (!cJSON_IsString(declared) || strcmp(declared->valuestring, name) != 0) continue;
        char number[40];
        wire_format_double(cJSON_IsNumber(value) ? value->valuedouble : 0, number, sizeof number);
        const char *text = cJSON_IsString(value) ? value->valuestring : cJSON_IsBool(value) ? cJSON_IsTrue(value) ? "1" : "0" : number;
        if (text_set(&fill->found, text) == TB_OK) found = fill->found;
    }
    cJSON_Delete(root);
    return found;
}

static const char *fill_lookup(void *user, const char *name) {
    struct fill *fill = user;
    char number[32];
    if (strcmp(name, "run_dir") == 0) return fill->run_dir;
    if (strcmp(name, "checkpoint") == 0) return fill->start->from ? fill->start->from->checkpoint : NULL;
    if (strcmp(name, "run") == 0) {
        snprintf(number, sizeof number, "%lld", (long long)fill->run->id);
        return text_set(&fill->found, number) == TB_OK ? fill->found : NULL;
    }
    for (size_t i = 0; i < fill->run->start_params_count; i++)
        if (strcmp(fill->run->start_params[i].name, name) == 0) return fill->run->start_params[i].text;
    return fill_described(fill, name);
}

static int take_start_param(struct run *run, const struct named_text *param) {
    for (size_t i = 0; i < run->start_params_count; i++)
        if (strcmp(run->start_params[i].name, param->name) == 0) return text_set(&run->start_params[i].text, param->text);
    struct named_text *grown = realloc(run->start_params, (run->start_params_count + 1) * sizeof *grown);
    if (!grown) return TB_ENOMEM;
    run->start_params = grown;
    struct named_text *added = &grown[run->start_params_count];
    *added = (struct named_text){0};
    if (text_set(&added->name, param->name) < 0 || text_set(&added->text, param->text) < 0) {
        free(added->name);
        return TB_ENOMEM;
    }
    run->start_params_count++;
    return TB_OK;
}

static struct run *prepare(struct bot *bot, const struct start *start) {
    struct run *run = run_create();
    if (!run) return NULL;
    const struct trainer_settings *trainer = start->trainer;
    int status = text_set(&run->name, trainer->name);
    if (status == TB_OK) status = text_set(&run->trainer, trainer->name);
    if (status == TB_OK) status = text_set(&run->started_by, start->by);
    for (size_t i = 0; status == TB_OK && i < trainer->params_count; i++)
        status = take_start_param(run, &trainer->params[i]);
    for (size_t i = 0; status == TB_OK && i < start->params_count; i++)
        status = take_start_param(run, &start->params[i]);
    if (status < 0) {
        run_free(run);
        return NULL;
    }
    run->state = RUN_STARTING;
    run->launched = true;
    run->created_ms = clock_wall_ms(bot->ports.clock);
    run->from_run = start->from ? start->from->id : 0;
    return run;
}

/* command + resume_args, filled. */
static int build_argv(struct fill *fill, char ***ret_argv, char *why, size_t why_size) {
    const struct trainer_settings *trainer = fill->start->trainer;
    char **joined = NULL;
    int status = argv_join(trainer->command, fill->start->from ? trainer->resume_args : NULL, &joined);
    if (status < 0) return status;
    status = argv_fill(joined, fill_lookup, fill, ret_argv, why, why_size);
    argv_free(joined);
    return status;
}

static char **build_env(struct bot *bot, const struct run *run, const struct trainer_settings *trainer, const char *run_dir) {
    char **env = calloc(trainer->env_count + 4, sizeof *env);
    if (!env) return NULL;
    size_t count = 0;
    for (size_t i = 0; i < trainer->env_count; i++)
        env[count++] = text_print("%s=%s", trainer->env[i].name, trainer->env[i].text);
    env[count++] = text_print("TRAINBOT_SOCKET=%s/trainer.sock", bot->ports.settings->state_dir);
    env[count++] = text_print("TRAINBOT_RUN=%lld", (long long)run->id);
    env[count++] = text_print("TRAINBOT_RUN_DIR=%s", run_dir);
    for (size_t i = 0; i < count; i++)
        if (!env[i]) {
            argv_free(env);
            return NULL;
        }
    return env;
}

static int launch(struct bot *bot, struct run *run, const struct start *start, char *why, size_t why_size) {
    char run_dir[3072];
    int status = runs_dir(bot, run->id, run_dir, sizeof run_dir);
    if (status < 0) {
        snprintf(why, why_size, "%s/runs/%lld: %s", bot->ports.settings->state_dir, (long long)run->id, strerror(errno));
        return status;
    }
    struct fill fill = {.bot = bot, .run = run, .start = start, .run_dir = run_dir};
    char **argv = NULL, **env = NULL;
    status = build_argv(&fill, &argv, why, why_size);
    free(fill.found);
    if (status == TB_OK && !(env = build_env(bot, run, start->trainer, run_dir))) status = TB_ENOMEM;
    if (status == TB_OK) {
        const char *directory = start->trainer->directory ? start->trainer->directory : run_dir;
        struct launch launch = {.run = run->id, .argv = argv, .env = env, .directory = directory, .run_dir = run_dir};
        status = launcher_start(bot->ports.launcher, &launch, why, why_size);
    }
    argv_free(argv);
    argv_free(env);
    return status;
}

int runs_start(struct bot *bot, const struct start *start, struct run **ret_run, char *why, size_t why_size) {
    struct run *run = prepare(bot, start);
    if (!run) {
        snprintf(why, why_size, "%s", tb_error_text(TB_ENOMEM));
        return TB_ENOMEM;
    }
    int status = runs_write(bot, run);
    if (status == TB_OK) runs_event(bot, run, 0, "launched", "%s, asked by %s", run->name, run->started_by);
    if (status == TB_OK) status = store_commit(bot->ports.store);
    if (status < 0) {
        snprintf(why, why_size, "%s", tb_error_text(status));
        run_free(run);
        return status;
    }
    run->start_request = start->request;
    runs_insert(bot, run);
    why[0] = 0;
    status = launch(bot, run, start, why, why_size);
    if (status < 0) {
        if (!why[0]) snprintf(why, why_size, "%s", tb_error_text(status));
        runs_set_state(bot, run, RUN_FAILED);
        runs_event(bot, run, 0, "failed", "not started: %s", why);
        run->start_request = 0;
        return status;
    }
    *ret_run = run;
    return TB_OK;
}

/* ---- deleting ---- */

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

int runs_delete(struct bot *bot, int64_t id) {
    struct run *run = runs_find(bot, id);
    if (!run) return TB_ENOTFOUND;
    if (run_state_live(run->state) || run->conn) return TB_EBUSY;
    int status = store_run_delete(bot->ports.store, id);
    if (status < 0) return status;
    for (struct run **at = &bot->runs->first; *at; at = &(*at)->next)
        if (*at == run) {
            *at = run->next;
            break;
        }
    drop(run);
    char path[3072];
    if (runs_dir(bot, id, path, sizeof path) == TB_OK && nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        bot_log(bot, 1, "%s: not wholly removed: %s", path, strerror(errno));
    return TB_OK;
}

/* ---- time ---- */

void runs_rules_cb(void *user, struct run *run, const struct rules_act *act) {
    struct bot *bot = user;
    struct fact fact = act->fact;
    if (act->kind == RULES_LOST) {
        runs_give_up(bot, run);
        return;
    }
    if (act->kind == RULES_SIGNAL) {
        int status = launcher_signal(bot->ports.launcher, run->id, act->signal);
        if (status < 0) bot_log(bot, 1, "#%lld: signal %d not delivered: %s", (long long)run->id, act->signal, tb_error_text(status));
    }
    if (fact.kind == FACT_STALLED) {
        int64_t rss_bytes = 0;
        fact.process_alive = run->launched && launcher_usage(bot->ports.launcher, run->id, &fact.cpu_percent, &rss_bytes) == TB_OK;
        if (!fact.process_alive) fact.cpu_percent = -1;
        runs_event(bot, run, run->step, "stall", "no step for %.0f ms (usually %.0f ms)", fact.number, fact.number2);
    } else if (fact.kind == FACT_NAN) {
        runs_event(bot, run, fact.step, "nan", "%s is not finite", fact.text);
    } else if (act->kind == RULES_SIGNAL) {
        runs_event(bot, run, run->step, "signal", "signal %d sent: no sign of life", act->signal);
    }
    report_fact(bot, &fact);
    runs_changed(bot, run);
}

static void probe_store(struct bot *bot, int64_t now) {
    if (bot->store_status == TB_OK || now < bot->runs->probe_ms) return;
    bot->runs->probe_ms = now + RUNS_STORE_PROBE_MS;
    if (store_set(bot->ports.store, "probe", "1") < 0) store_rollback(bot->ports.store);
}

void runs_tick(struct bot *bot) {
    int64_t now = runs_now(bot);
    probe_store(bot, now);
    for (struct run *run = bot->runs->first, *next; run; run = next) {
        next = run->next;
        if (run->end && now >= run->end_due_ms) runs_settle(bot, run);
        else rules_tick(run, now, runs_stop_timeout_ms(bot, run), runs_rules_cb, bot);
    }
}

int64_t runs_next_ms(const struct bot *bot) {
    int64_t next_ms = bot->store_status == TB_OK ? INT64_MAX : bot->runs->probe_ms;
    for (const struct run *run = bot->runs->first; run; run = run->next) {
        int64_t due_ms = rules_next_ms(run, runs_stop_timeout_ms(bot, run));
        if (due_ms < next_ms) next_ms = due_ms;
    }
    return next_ms;
}

/* ---- the turn ---- */

void runs_before_commit(struct bot *bot) {
    for (struct run *run = bot->runs->first; run; run = run->next) {
        if (!run->dirty) continue;
        if (run->progress_due) {
            run->progress_due = false;
            runs_tell(bot, run, FACT_PROGRESS, run->step, NULL);
        }
        if (bot->ports.live_run) bot->ports.live_run(bot->ports.user, run);
        if (runs_write(bot, run) == TB_OK) run->dirty = false;
    }
}

void runs_committed(struct bot *bot, int status) {
    if (status < 0 && bot->runs->probe_ms < runs_now(bot)) bot->runs->probe_ms = runs_now(bot) + RUNS_STORE_PROBE_MS;
    for (struct run *run = bot->runs->first; run; run = run->next) {
        if (status < 0) {
            if (run->ack != run->durable_ack) {
                run->ack = run->durable_ack;
                run->dirty = true;
                if (run->conn) run->conn->ops->close(run->conn);
            }
            run->ack_due = false;
            continue;
        }
        run->durable_ack = run->ack;
        if (!run->ack_due) continue;
        run->ack_due = false;
        struct wire_frame frame = {.kind = WIRE_ACK, .u.ack.seq = run->durable_ack};
        if (run->conn && run->conn->ops->send(run->conn, &frame) < 0)
            bot_log(bot, 2, "#%lld: an ack could not be sent", (long long)run->id);
    }
}
