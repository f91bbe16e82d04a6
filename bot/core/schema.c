/* schema.c: see schema.h. A describe command that fails is not remembered: the next start asks again. */
#include "schema.h"
#include "argv.h"
#include "requests.h"
#include "said.h"
#include "text.h"
#include "words.h"

#include <cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DESCRIBE_MS 20000
#define KEY_NAME "asked" /* the member of the kept JSON that tells what it answers */

struct schema {
    char *trainer, *key;
    struct run *declared; /* NULL: not known */
    bool asking, asked;   /* asked: in this bot's life */
    struct schema *next;
};

static struct schema *schema_of(struct bot *bot, const char *trainer) {
    struct schema *schema = bot->requests->schemas;
    while (schema && strcmp(schema->trainer, trainer) != 0)
        schema = schema->next;
    if (schema) return schema;
    schema = calloc(1, sizeof *schema);
    if (schema) schema->trainer = strdup(trainer);
    if (!schema || !schema->trainer) {
        free(schema);
        return NULL;
    }
    schema->next = bot->requests->schemas;
    bot->requests->schemas = schema;
    return schema;
}

void schemas_free(struct requests *requests) {
    while (requests->schemas) {
        struct schema *schema = requests->schemas;
        requests->schemas = schema->next;
        free(schema->trainer);
        free(schema->key);
        run_free(schema->declared);
        free(schema);
    }
}

/* The command's words, with the time and size of those that name files: a rebuilt program is asked again. */
static char *key_of(const struct trainer_settings *trainer) {
    char *key = text_print("%s", trainer->directory ? trainer->directory : "");
    for (char **word = trainer->describe; key && word && *word; word++) {
        struct stat info;
        char *path =
            (*word)[0] == '/' || !trainer->directory ? strdup(*word) : text_print("%s/%s", trainer->directory, *word);
        bool file = path && stat(path, &info) == 0 && S_ISREG(info.st_mode);
        char *longer = file ? text_print("%s %s@%lld.%09ld/%lld", key, *word, (long long)info.st_mtim.tv_sec,
                                         info.st_mtim.tv_nsec, (long long)info.st_size)
                            : text_print("%s %s", key, *word);
        free(path);
        free(key);
        key = longer;
    }
    return key;
}

/* The first whole JSON object in what a program printed, as it stands (numbers keep all their digits). NULL: none. */
static const char *find_object(const char *json, size_t size, size_t *ret_size, cJSON **ret_object) {
    const char *from = size > 0 ? memchr(json, '{', size) : NULL, *end = NULL;
    cJSON *object = from ? cJSON_ParseWithLengthOpts(from, size - (size_t)(from - json), &end, false) : NULL;
    if (!cJSON_IsObject(object) || !cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(object, "params"))) {
        cJSON_Delete(object);
        return NULL;
    }
    *ret_size = (size_t)(end - from);
    *ret_object = object;
    return from;
}

/* The object with the members that make it a hello, where it is none yet. Caller frees. */
static char *as_hello(const char *object, size_t size, const cJSON *parsed) {
    if (cJSON_GetObjectItemCaseSensitive(parsed, "type")) return strndup(object, size);
    return text_print("{\"type\":\"hello\",\"seq\":1,\"v\":%d,\"instance\":\"%032d\",%s%.*s", WIRE_VERSION, 0,
                      cJSON_GetObjectItemCaseSensitive(parsed, "name") ? "" : "\"name\":\"-\",", (int)size - 1,
                      object + 1);
}

struct run *schema_parse(const char *json, size_t size, const char *name) {
    cJSON *parsed = NULL;
    const char *object = find_object(json, size, &size, &parsed);
    if (!object) return NULL;
    char *line = as_hello(object, size, parsed);
    cJSON_Delete(parsed);
    struct wire_frame frame;
    struct wire_fault fault;
    struct run *run = NULL;
    if (line && wire_decode(line, strlen(line), &frame, &fault) == 0) {
        run = frame.kind == WIRE_HELLO ? run_create() : NULL;
        if (run && (run_take_hello(run, &frame.u.hello) < 0 || text_set(&run->name, name) < 0)) {
            run_free(run);
            run = NULL;
        }
        wire_frame_clear(&frame);
    }
    free(line);
    return run;
}

/* Takes key. */
static void schema_put(struct schema *schema, struct run *declared, char *key) {
    run_free(schema->declared);
    free(schema->key);
    schema->declared = declared;
    schema->key = key;
}

/* From the store where the same command was asked before. */
static void schema_load(struct bot *bot, struct schema *schema, const char *key) {
    char *name = text_print("describe/%s", schema->trainer), *json = NULL;
    if (name && store_get(bot->ports.store, name, &json) == TB_OK) {
        cJSON *object = cJSON_Parse(json);
        const cJSON *asked = cJSON_GetObjectItemCaseSensitive(object, KEY_NAME);
        struct run *declared = cJSON_IsString(asked) && strcmp(asked->valuestring, key) == 0
                                   ? schema_parse(json, strlen(json), schema->trainer)
                                   : NULL;
        if (declared) schema_put(schema, declared, strdup(key));
        cJSON_Delete(object);
    }
    free(json);
    free(name);
}

struct newest {
    const char *trainer;
    struct run *declared;
};

static bool take_newest(void *user, const struct run_record *record) {
    struct newest *newest = user;
    if (strcmp(record->trainer, newest->trainer) != 0 || !record->hello[0]) return true;
    newest->declared = schema_parse(record->hello, strlen(record->hello), newest->trainer);
    return newest->declared == NULL;
}

/* Without describe: the newest run of this trainer that said hello. */
static void schema_from_runs(struct bot *bot, struct schema *schema) {
    struct newest newest = {.trainer = schema->trainer};
    int status = store_runs(bot->ports.store, 0, 100, take_newest, &newest);
    if (status < 0) bot_log(bot, 1, "runs cannot be read: %s", tb_error_text(status));
    schema_put(schema, newest.declared, NULL);
}

const struct run *schema_known(struct bot *bot, const struct trainer_settings *trainer) {
    struct schema *schema = schema_of(bot, trainer->name);
    if (!schema) return NULL;
    if (!trainer->describe) {
        schema_from_runs(bot, schema);
        return schema->declared;
    }
    char *key = key_of(trainer);
    bool same = key && schema->key && strcmp(schema->key, key) == 0;
    if (!same && key) {
        schema_put(schema, NULL, NULL);
        schema_load(bot, schema, key);
    }
    free(key);
    return schema->declared;
}

/* ---- asking ---- */

struct asking {
    struct bot *bot;
    char *trainer, *key;
};

static void keep_answer(struct bot *bot, const struct asking *asking, const char *output, size_t size) {
    cJSON *parsed = NULL, *key = cJSON_CreateString(asking->key);
    const char *object = find_object(output, size, &size, &parsed);
    char *quoted = key ? cJSON_PrintUnformatted(key) : NULL, *name = text_print("describe/%s", asking->trainer);
    char *json = object && quoted ? text_print("{\"" KEY_NAME "\":%s,%.*s", quoted, (int)size - 1, object + 1) : NULL;
    int status = json && name ? store_set(bot->ports.store, name, json) : TB_ENOMEM;
    if (status < 0) bot_log(bot, 1, "what %s declares was not kept: %s", asking->trainer, tb_error_text(status));
    free(json);
    free(name);
    cJSON_free(quoted);
    cJSON_Delete(key);
    cJSON_Delete(parsed);
}

/* Says to all who wait why the trainer could not be asked. */
static void refuse_waiting(struct bot *bot, const char *trainer, int exit_code, const char *output, size_t size) {
    char last[400], *copy = strndup(output, size);
    struct words words;
    words_init(&words, last, sizeof last);
    char *at = copy ? copy + strlen(copy) : NULL;
    while (at && at > copy && strchr("\r\n ", at[-1]))
        *--at = '\0';
    char *line = copy ? strrchr(copy, '\n') : NULL;
    words_add_foreign(&words, line ? line + 1 : copy ? copy : "", 300);
    free(copy);
    for (struct request *request = bot->requests->first, *next; request; request = next) {
        next = request->next;
        if (!request->waits_for || strcmp(request->waits_for, trainer) != 0) continue;
        bool zh = request_zh(request);
        if (exit_code == 0)
            request_say(request,
                        zh ? "%s 的 describe 没有给出参数的 JSON:%s"
                           : "describe of %s printed no JSON of parameters: %s",
                        trainer, last);
        else if (exit_code < 0)
            request_say(request,
                        zh ? "%s 的 describe 没有在 20 秒内结束。%s"
                           : "describe of %s did not end within 20 seconds. %s",
                        trainer, last);
        else
            request_say(request,
                        zh ? "%s 没法启动(describe 退出码 %d):%s" : "%s cannot start (describe: exit code %d): %s",
                        trainer, exit_code, last);
        request_finish(request, false);
    }
}

static void described(void *user, int exit_code, const char *output, size_t size) {
    struct asking *asking = user;
    struct bot *bot = asking->bot;
    struct schema *schema = schema_of(bot, asking->trainer);
    struct run *declared = exit_code == 0 && size > 0 ? schema_parse(output, size, asking->trainer) : NULL;
    if (schema) schema->asking = false;
    if (declared && schema) {
        keep_answer(bot, asking, output, size);
        schema_put(schema, declared, asking->key);
        asking->key = NULL;
        requests_described(bot, asking->trainer);
    } else {
        run_free(declared);
        refuse_waiting(bot, asking->trainer, exit_code, output ? output : "", size);
    }
    if (bot->ports.wake) bot->ports.wake(bot->ports.user);
    free(asking->trainer);
    free(asking->key);
    free(asking);
}

static const char *no_placeholder(void *user, const char *name) {
    (void)user;
    (void)name;
    return NULL;
}

static int ask_trainer(struct bot *bot, const struct trainer_settings *trainer, char *why, size_t why_size) {
    struct asking *asking = calloc(1, sizeof *asking);
    char **argv = NULL, **env = calloc(trainer->env_count + 3, sizeof *env);
    int status = asking && env ? argv_fill(trainer->describe, no_placeholder, NULL, &argv, why, why_size) : TB_ENOMEM;
    if (status == TB_OK) {
        size_t count = 0;
        for (size_t i = 0; i < trainer->env_count; i++)
            env[count++] = text_print("%s=%s", trainer->env[i].name, trainer->env[i].text);
        env[count++] = strdup("TRAINBOT_SOCKET=");
        asking->bot = bot;
        asking->trainer = strdup(trainer->name);
        asking->key = key_of(trainer);
        bool whole = asking->trainer && asking->key;
        for (size_t i = 0; i < count; i++)
            whole = whole && env[i];
        const char *directory = trainer->directory ? trainer->directory : bot->ports.settings->state_dir;
        status = whole ? launcher_capture(bot->ports.launcher, argv, env, directory, DESCRIBE_MS, described, asking)
                       : TB_ENOMEM;
        for (size_t i = 0; i < count; i++)
            free(env[i]);
    }
    argv_free(argv);
    free(env);
    if (status < 0 && asking) {
        free(asking->trainer);
        free(asking->key);
        free(asking);
    }
    return status;
}

enum verdict schema_get(struct request *request, const struct trainer_settings *trainer,
                        const struct run **ret_declared) {
    struct bot *bot = request->bot;
    struct schema *schema = schema_of(bot, trainer->name);
    const struct run *known = schema_known(bot, trainer);
    char why[300] = "";
    if (known || !trainer->describe || !schema) {
        /* What an earlier life kept serves at once; a program found through PATH may be a newer one by now. */
        bool again = known && schema && trainer->describe && !schema->asked && !schema->asking;
        if (again) schema->asking = ask_trainer(bot, trainer, why, sizeof why) == TB_OK;
        if (again) schema->asked = true;
        *ret_declared = known;
        return DONE;
    }
    int status = schema->asking ? TB_OK : ask_trainer(bot, trainer, why, sizeof why);
    schema->asked = true;
    if (status < 0) {
        char said[800];
        return request_refuse(request, "%s 没法启动(describe):%s。", "%s cannot start (describe): %s.", trainer->name,
                              said_in(why[0] ? why : tb_error_text(status), request->lang, said, sizeof said));
    }
    schema->asking = true;
    free(request->waits_for);
    request->waits_for = strdup(trainer->name);
    return request->waits_for ? AGAIN : request_refuse(request, "内存不够。", "Out of memory.");
}

const struct trainer_settings *schema_default_trainer(struct bot *bot, const char *channel, const char *chat) {
    const struct settings *settings = bot->ports.settings;
    struct session *session = session_find(bot, channel, chat);
    const struct run *chosen = session && session->chosen_run > 0 ? runs_find(bot, session->chosen_run) : NULL;
    const struct trainer_settings *trainer = chosen ? settings_trainer(settings, chosen->trainer) : NULL;
    if (!trainer && settings->default_trainer) trainer = settings_trainer(settings, settings->default_trainer);
    if (!trainer && settings->trainers_count > 0) trainer = &settings->trainers[0];
    return trainer;
}
