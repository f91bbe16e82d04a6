/*
 * The start of a run, and its delete. Always holds: a run's row is committed before its process starts, so that a bot
 * that dies in between tells it as not started and never starts it again.
 */
#include "argv.h"
#include "commands.h"
#include "runs_state.h"
#include "text.h"
#include <cJSON.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
        const char *text = cJSON_IsString(value) ? value->valuestring
                           : cJSON_IsBool(value) ? cJSON_IsTrue(value) ? "1" : "0"
                                                 : number;
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
        if (strcmp(run->start_params[i].name, param->name) == 0)
            return text_set(&run->start_params[i].text, param->text);
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

static char **build_env(struct bot *bot, const struct run *run, const struct trainer_settings *trainer,
                        const char *run_dir) {
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
        snprintf(why, why_size, "%s/runs/%lld: %s", bot->ports.settings->state_dir, (long long)run->id,
                 strerror(errno));
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
    if (status == TB_OK) status = bot_commit(bot);
    if (status < 0) {
        snprintf(why, why_size, "%s", tb_error_text(status));
        run_free(run);
        return status;
    }
    run->stored = true;
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

struct keys {
    char *items[64];
    size_t count;
};

static bool take_key(void *user, const char *key, const char *value) {
    struct keys *keys = user;
    (void)value;
    if ((keys->items[keys->count] = strdup(key))) keys->count++;
    return keys->count < sizeof keys->items / sizeof *keys->items;
}

/* What core keeps of a run under names: pictures' heads and numbers, open controls. */
static void forget_pairs(struct bot *bot, int64_t id) {
    static const char *const kinds[] = {"picture", "image", "control"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "%s/%lld/", kinds[i], (long long)id);
        for (struct keys keys = {.count = 1}; keys.count > 0;) {
            keys.count = 0;
            int status = store_pairs(bot->ports.store, prefix, take_key, &keys);
            for (size_t k = 0; k < keys.count; k++) {
                if (status == TB_OK) status = store_set(bot->ports.store, keys.items[k], NULL);
                free(keys.items[k]);
            }
            if (status < 0) break;
        }
    }
}

int runs_delete(struct bot *bot, int64_t id) {
    struct run *run = runs_find(bot, id);
    if (!run) return TB_ENOTFOUND;
    if (run_state_live(run->state) || run->conn || !spool_is_read(run)) return TB_EBUSY;
    int status = store_run_delete(bot->ports.store, id);
    if (status < 0) return status;
    forget_pairs(bot, id);
    char path[3300];
    snprintf(path, sizeof path, "%s/spool/%s", bot->ports.settings->state_dir, run->instance);
    if (run->instance[0]) (void)unlink(path);
    runs_drop(bot, run);
    if (runs_dir(bot, id, path, sizeof path) == TB_OK && nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        bot_log(bot, 1, "%s: not wholly removed: %s", path, strerror(errno));
    return TB_OK;
}
