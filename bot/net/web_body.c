/*
 * web_body.c: see web_body.h.
 */
#include "web_body.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The object in `body`; NULL with `why`. Caller deletes it. cJSON bounds the nesting. */
static cJSON *parse_object(const char *body, size_t size, char *why, size_t why_size) {
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(body, size, &end, 0);
    while (root && end < body + size && strchr(" \t\r\n", *end) && *end)
        end++;
    if (!root || end != body + size || memchr(body, 0, size)) {
        snprintf(why, why_size, "the body is not JSON");
        cJSON_Delete(root);
        return NULL;
    }
    if (!cJSON_IsObject(root)) {
        snprintf(why, why_size, "a JSON object is wanted");
        cJSON_Delete(root);
        return NULL;
    }
    return root;
}

static bool id_valid(const char *id) {
    size_t size = strlen(id);
    return size && size < WEB_ID_SIZE &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == size;
}

static bool copy_as(const cJSON *as, struct web_command *command, char *why, size_t why_size) {
    const char *colon = cJSON_IsString(as) ? strchr(as->valuestring, ':') : NULL;
    if (!colon || colon == as->valuestring || !colon[1] || strlen(as->valuestring) >= sizeof(command->as)) {
        snprintf(why, why_size, "\"as\": a string \"channel:id\" is wanted, like \"weixin:wx1\"");
        return false;
    }
    snprintf(command->as, sizeof(command->as), "%s", as->valuestring);
    return true;
}

bool web_command_parse(const char *body, size_t size, struct web_command *ret_command, char *why, size_t why_size) {
    cJSON *root = parse_object(body, size, why, why_size);
    if (!root) return false;
    struct web_command command = {0};
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(root, "text");
    const cJSON *as = cJSON_GetObjectItemCaseSensitive(root, "as");
    bool ok = cJSON_IsString(text);
    if (!ok) snprintf(why, why_size, "\"text\": a string is wanted, like {\"text\":\"status\"}");
    if (ok && as && !cJSON_IsNull(as)) ok = copy_as(as, &command, why, why_size);
    if (ok && !(command.text = strdup(text->valuestring))) {
        snprintf(why, why_size, "out of memory");
        ok = false;
    }
    cJSON_Delete(root);
    if (ok) *ret_command = command;
    return ok;
}

void web_command_release(struct web_command *command) {
    free(command->text);
    command->text = NULL;
}

bool web_session_parse(const char *body, size_t size, char *token, size_t token_size, char *why, size_t why_size) {
    cJSON *root = parse_object(body, size, why, why_size);
    if (!root) return false;
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, "token");
    bool ok = cJSON_IsString(item) && strlen(item->valuestring) < token_size;
    if (ok)
        snprintf(token, token_size, "%s", item->valuestring);
    else
        snprintf(why, why_size, "\"token\": the text after #t= of the page's link is wanted");
    cJSON_Delete(root);
    return ok;
}

static bool take_text(const cJSON *root, struct web_say *say, char *why, size_t why_size) {
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(root, "text");
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(root, "id");
    if (!cJSON_IsString(text) || !cJSON_IsString(id) || !id_valid(id->valuestring)) {
        snprintf(why, why_size, "say: \"text\" and \"id\" ([A-Za-z0-9_.-], at most %d) are wanted", WEB_ID_SIZE - 1);
        return false;
    }
    snprintf(say->id, sizeof(say->id), "%s", id->valuestring);
    say->text = strdup(text->valuestring);
    if (!say->text) snprintf(why, why_size, "out of memory");
    return say->text != NULL;
}

static bool take_since(const cJSON *root, struct web_say *say, char *why, size_t why_size) {
    const cJSON *rev = cJSON_GetObjectItemCaseSensitive(root, "rev");
    double value = cJSON_IsNumber(rev) ? rev->valuedouble : -1;
    if (!(value >= 0 && value <= 9007199254740992.0) || value != floor(value)) {
        snprintf(why, why_size, "since: \"rev\" is a whole number from 0");
        return false;
    }
    say->rev = (int64_t)value;
    return true;
}

static bool take_watch(const cJSON *root, struct web_say *say, char *why, size_t why_size) {
    const cJSON *runs = cJSON_GetObjectItemCaseSensitive(root, "runs");
    say->all = cJSON_IsString(runs) && strcmp(runs->valuestring, "all") == 0;
    bool ok = say->all || (cJSON_IsArray(runs) && cJSON_GetArraySize(runs) <= WEB_WATCH_MAX);
    const cJSON *item = ok && !say->all ? runs->child : NULL;
    for (; item && ok; item = item->next) {
        const char *text = cJSON_IsString(item) ? item->valuestring : "";
        ok = *text && strlen(text) <= 18 && strspn(text, "0123456789") == strlen(text);
        if (ok) say->runs[say->runs_count++] = strtoll(text, NULL, 10);
    }
    if (!ok) snprintf(why, why_size, "watch: \"runs\" is \"all\" or at most %d run ids as strings", WEB_WATCH_MAX);
    return ok;
}

bool web_say_parse(const char *message, size_t size, struct web_say *ret_say, char *why, size_t why_size) {
    cJSON *root = parse_object(message, size, why, why_size);
    if (!root) return false;
    struct web_say say = {0};
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(root, "type");
    const char *name = cJSON_IsString(type) ? type->valuestring : "";
    bool ok = false;
    if (strcmp(name, "say") == 0) {
        say.kind = SAY_TEXT;
        ok = take_text(root, &say, why, why_size);
    } else if (strcmp(name, "since") == 0) {
        say.kind = SAY_SINCE;
        ok = take_since(root, &say, why, why_size);
    } else if (strcmp(name, "watch") == 0) {
        say.kind = SAY_WATCH;
        ok = take_watch(root, &say, why, why_size);
    } else {
        snprintf(why, why_size, "\"type\": say, since or watch is wanted");
    }
    cJSON_Delete(root);
    if (ok) *ret_say = say;
    return ok;
}

void web_say_release(struct web_say *say) {
    free(say->text);
    say->text = NULL;
}
