/* The Bot API's answers: see telegram_codec.h. */
#include "telegram_codec.h"
#include <cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 900                /* cJSON itself goes to 1000 */
#define VALUES_MAX 200000            /* a hundred updates of the richest kind have a quarter of that */
#define INTEGER_MAX 9007199254740991 /* 2^53 - 1 */
#define RETRY_AFTER_MAX_S 86400
#define UPDATES_MAX 1000

/* ---- reading with limits ---- */

/* Counts values and depth without reading, so that a small answer cannot become a large tree. */
static bool modest(const char *body, size_t size) {
    size_t values = 0, depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        char c = body[i];
        if (quoted) {
            if (c == '\\') i++;
            if (c == '"') quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            values++;
            if (++depth > DEPTH_MAX) return false;
        } else if (c == '}' || c == ']') {
            if (depth > 0) depth--;
        } else if (c == ',') {
            values++;
        }
        if (values > VALUES_MAX) return false;
    }
    return true;
}

static cJSON *parse(const char *body, size_t size) {
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(body, size, &end, 0);
    for (; json && end < body + size; end++)
        if (!strchr(" \t\r\n", *end)) { /* a zero byte is found by strchr as well: it ends the text */
            cJSON_Delete(json);
            return NULL;
        }
    return json;
}

static const cJSON *member(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* A whole number that a double holds exactly. */
static bool integer(const cJSON *item, int64_t *ret_value) {
    if (!cJSON_IsNumber(item)) return false;
    double value = item->valuedouble;
    if (!(value >= -(double)INTEGER_MAX && value <= (double)INTEGER_MAX) || value != (double)(int64_t)value)
        return false;
    *ret_value = (int64_t)value;
    return true;
}

static bool positive(const cJSON *item, int64_t *ret_value) {
    int64_t value = 0;
    if (!integer(item, &value) || value <= 0) return false;
    *ret_value = value;
    return true;
}

/* What a group can become. Nothing else may take over a chat's rights and what waits for it. */
static bool supergroup(const cJSON *item, int64_t *ret_value) {
    int64_t value = 0;
    if (!integer(item, &value) || value >= 0) return false;
    *ret_value = value;
    return true;
}

/* One line of somebody else's words: control characters become blanks. */
static void one_line(char *line, size_t size, const char *text) {
    char *clean = telegram_clean(text);
    snprintf(line, size, "%s", clean ? clean : "");
    free(clean);
    for (char *at = line; *at; at++)
        if (*at == '\n' || *at == '\t') *at = ' ';
    size_t length = strlen(line), start = length; /* not the first half of a character at the end */
    while (start > 0 && ((unsigned char)line[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)line[start - 1] >= 0xC0) {
        unsigned char lead = (unsigned char)line[start - 1];
        size_t whole = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (length - (start - 1) < whole) line[start - 1] = 0;
    }
}

/* ---- an answer as such ---- */

int telegram_answer_decode(const char *body, size_t size, struct telegram_answer *ret, const char **ret_why) {
    struct telegram_answer answer = {0};
    *ret_why = "more or deeper values than any answer has";
    if (!modest(body, size)) return TB_EINVAL;
    answer.json = parse(body, size);
    const cJSON *ok = member(answer.json, "ok"), *parameters = member(answer.json, "parameters");
    const char *why = NULL;
    if (!answer.json)
        why = "not JSON";
    else if (!cJSON_IsObject(answer.json))
        why = "not a JSON object";
    else if (!cJSON_IsBool(ok))
        why = "ok is neither true nor false";
    if (why) {
        *ret_why = why;
        cJSON_Delete(answer.json);
        return TB_EINVAL;
    }
    answer.ok = cJSON_IsTrue(ok);
    answer.result = member(answer.json, "result");
    const cJSON *description = member(answer.json, "description");
    if (cJSON_IsString(description)) one_line(answer.description, sizeof answer.description, description->valuestring);
    (void)positive(member(answer.json, "error_code"), &answer.error_code);
    if (positive(member(parameters, "retry_after"), &answer.retry_after_s) && answer.retry_after_s > RETRY_AFTER_MAX_S)
        answer.retry_after_s = RETRY_AFTER_MAX_S;
    (void)supergroup(member(parameters, "migrate_to_chat_id"), &answer.migrate_to);
    *ret = answer;
    return TB_OK;
}

void telegram_answer_clear(struct telegram_answer *answer) {
    cJSON_Delete(answer->json);
    *answer = (struct telegram_answer){0};
}

static bool name_valid(const char *name, size_t max) {
    size_t size = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return size > 0 && size < max && !name[size];
}

int telegram_me_decode(const struct telegram_answer *answer, struct telegram_me *ret_me, const char **ret_why) {
    struct telegram_me me = {0};
    const cJSON *name = member(answer->result, "username");
    *ret_why = "result.id is not an id";
    if (!positive(member(answer->result, "id"), &me.id)) return TB_EINVAL;
    *ret_why = "result.username is not a name";
    if (!cJSON_IsString(name) || !name_valid(name->valuestring, sizeof me.username)) return TB_EINVAL;
    snprintf(me.username, sizeof me.username, "%s", name->valuestring);
    *ret_me = me;
    return TB_OK;
}

int telegram_sent_decode(const struct telegram_answer *answer, int64_t *ret_message, const char **ret_why) {
    *ret_why = "result.message_id is not an id";
    return positive(member(answer->result, "message_id"), ret_message) ? TB_OK : TB_EINVAL;
}

/* ---- updates ---- */

static void bad(struct telegram_update *update, const char *why) {
    update->kind = TELEGRAM_BAD;
    update->why = why;
}

/* chat.id and chat.type of a message; ret_wanted: a chat where people talk. False: malformed. */
static bool take_chat(const cJSON *message, struct telegram_update *update, bool *ret_wanted, const char **ret_why) {
    const cJSON *chat = member(message, "chat"), *type = member(chat, "type");
    *ret_why = "chat.id";
    if (!integer(member(chat, "id"), &update->chat) || update->chat == 0) return false;
    *ret_why = "chat.type";
    if (!cJSON_IsString(type)) return false;
    update->group = strcmp(type->valuestring, "group") == 0 || strcmp(type->valuestring, "supergroup") == 0;
    *ret_wanted = update->group || strcmp(type->valuestring, "private") == 0;
    return true;
}

static void take_entities(const cJSON *message, struct telegram_update *update) {
    const cJSON *item;
    cJSON_ArrayForEach(item, member(message, "entities")) {
        struct telegram_entity entity = {0};
        const cJSON *type = member(item, "type");
        if (update->entities_count == TELEGRAM_ENTITIES_MAX) return;
        if (!cJSON_IsString(type) || !integer(member(item, "offset"), &entity.offset) || entity.offset < 0 ||
            !positive(member(item, "length"), &entity.length))
            continue;
        if (strcmp(type->valuestring, "mention") == 0)
            entity.kind = TELEGRAM_MENTION;
        else if (strcmp(type->valuestring, "text_mention") == 0 &&
                 positive(member(member(item, "user"), "id"), &entity.user))
            entity.kind = TELEGRAM_TEXT_MENTION;
        else
            continue;
        update->entities[update->entities_count++] = entity;
    }
}

static void take_message(const cJSON *message, struct telegram_update *update) {
    const cJSON *from = member(message, "from"), *text = member(message, "text"), *moved = NULL;
    const char *why = NULL;
    bool wanted = false;
    int64_t date_s = 0;
    if (!take_chat(message, update, &wanted, &why)) {
        bad(update, strcmp(why, "chat.id") == 0 ? "message.chat.id is not an id" : "message.chat.type is not a text");
        return;
    }
    if ((moved = member(message, "migrate_to_chat_id"))) {
        if (supergroup(moved, &update->moved_to) && update->group)
            update->kind = TELEGRAM_MOVED;
        else
            bad(update, "message.migrate_to_chat_id is not an id");
        return;
    }
    /* Without text: pictures, joins, pins. Without a sender, or in a chat's name: nobody who could have rights. */
    if (!wanted || !text || !from || member(message, "sender_chat")) return;
    if (!cJSON_IsString(text))
        bad(update, "message.text is not a text");
    else if (!positive(member(from, "id"), &update->from))
        bad(update, "message.from.id is not an id");
    else if (!positive(member(message, "message_id"), &update->message))
        bad(update, "message.message_id is not an id");
    else if (!positive(member(message, "date"), &date_s) || date_s > INTEGER_MAX / 1000)
        bad(update, "message.date is not a time");
    if (update->kind == TELEGRAM_BAD || update->from == TELEGRAM_ANONYMOUS_ADMIN ||
        cJSON_IsTrue(member(from, "is_bot")))
        return;
    update->kind = TELEGRAM_MESSAGE;
    update->text = text->valuestring;
    update->sent_ms = date_s * 1000;
    (void)positive(member(member(member(message, "reply_to_message"), "from"), "id"), &update->reply_to);
    take_entities(message, update);
}

/* Ids of queries are opaque: printable, so that they can be shown in a log. */
static bool query_valid(const cJSON *id) {
    if (!cJSON_IsString(id)) return false;
    size_t size = 0;
    for (const char *at = id->valuestring; *at; at++, size++)
        if (*at <= ' ' || *at > '~') return false;
    return size > 0 && size <= 64;
}

static void take_press(const cJSON *press, struct telegram_update *update) {
    const cJSON *message = member(press, "message"), *data = member(press, "data");
    bool wanted = false;
    const char *why = NULL;
    int64_t date_s = 0;
    if (!query_valid(member(press, "id"))) {
        bad(update, "callback_query.id is not an id");
        return;
    }
    update->query = member(press, "id")->valuestring;
    if (!positive(member(member(press, "from"), "id"), &update->from)) {
        bad(update, "callback_query.from.id is not an id");
        return;
    }
    if (data && !cJSON_IsString(data)) {
        bad(update, "callback_query.data is not a text");
        return;
    }
    update->kind = TELEGRAM_PRESS;
    update->data = data ? data->valuestring : "";
    if (!message) return;
    if (!take_chat(message, update, &wanted, &why))
        bad(update, strcmp(why, "chat.id") == 0 ? "callback_query.message.chat.id is not an id"
                                                : "callback_query.message.chat.type is not a text");
    else if (!positive(member(message, "message_id"), &update->message))
        bad(update, "callback_query.message.message_id is not an id");
    /* date 0: a message that the bot cannot see any more */
    else if (!wanted || !positive(member(message, "date"), &date_s))
        update->message = 0;
    update->keyboard = member(message, "reply_markup");
}

static void take_update(const cJSON *item, struct telegram_update *update) {
    const cJSON *message = member(item, "message"), *press = member(item, "callback_query");
    int64_t id = 0;
    if (!cJSON_IsObject(item))
        bad(update, "an update is not an object");
    else if (!positive(member(item, "update_id"), &id) || id >= INTEGER_MAX)
        bad(update, "update_id is not an id");
    if (update->kind == TELEGRAM_BAD) return;
    update->id = id;
    if (message && !cJSON_IsObject(message))
        bad(update, "message is not an object");
    else if (message)
        take_message(message, update);
    else if (press && !cJSON_IsObject(press))
        bad(update, "callback_query is not an object");
    else if (press)
        take_press(press, update);
}

int telegram_updates_decode(const struct telegram_answer *answer, struct telegram_update **ret_updates,
                            size_t *ret_count, int64_t *ret_next, const char **ret_why) {
    *ret_why = "result is not an array";
    if (!cJSON_IsArray(answer->result)) return TB_EINVAL;
    size_t count = 0;
    int64_t next = 0;
    const cJSON *item;
    *ret_why = "result holds more updates than were asked for";
    cJSON_ArrayForEach(item, answer->result) if (++count > UPDATES_MAX) return TB_EINVAL;
    struct telegram_update *updates = calloc(count ? count : 1, sizeof *updates);
    *ret_why = "out of memory";
    if (!updates) return TB_ENOMEM;
    count = 0;
    cJSON_ArrayForEach(item, answer->result) {
        take_update(item, &updates[count]);
        if (updates[count].id >= next && updates[count].id > 0) next = updates[count].id + 1;
        count++;
    }
    *ret_updates = updates;
    *ret_count = count;
    *ret_next = next;
    return TB_OK;
}

/* ---- ids ---- */

bool telegram_id_parse(const char *text, int64_t *ret_id) {
    bool negative = text[0] == '-';
    const char *digits = text + negative;
    size_t count = strspn(digits, "0123456789");
    if (count == 0 || count > 16 || digits[count] || digits[0] == '0') return false;
    int64_t value = strtoll(digits, NULL, 10);
    if (value > INTEGER_MAX) return false;
    *ret_id = negative ? -value : value;
    return true;
}

bool telegram_token_valid(const char *token) {
    size_t digits = strspn(token, "0123456789");
    if (digits == 0 || digits > 20 || token[digits] != ':') return false;
    const char *rest = token + digits + 1;
    size_t size = strspn(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
    return size > 0 && size <= 256 && !rest[size];
}
