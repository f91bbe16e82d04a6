/* The control socket's lines: see console_codec.h. One table names the kinds; both ends use these two functions. */
#include "console_codec.h"
#include <cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[CONTROL_LINE_KINDS] = {"send",  "attach", "say",     "hello",
                                                           "reply", "done",   "message", "error"};

static bool take_text(const cJSON *object, const char *name, char **ret_text) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!item || cJSON_IsNull(item)) return true;
    if (!cJSON_IsString(item)) return false;
    *ret_text = strdup(item->valuestring);
    return *ret_text != NULL;
}

static bool take_integer(const cJSON *object, const char *name, int64_t *ret_value) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!item) return true;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= -1 && item->valuedouble <= 9007199254740992.0)) return false;
    *ret_value = (int64_t)item->valuedouble;
    return (double)*ret_value == item->valuedouble;
}

static int fail(cJSON *object, struct control_line *line, char *why, size_t why_size, const char *text) {
    cJSON_Delete(object);
    control_line_clear(line);
    snprintf(why, why_size, "%s", text);
    return TB_EINVAL;
}

int control_line_decode(const char *line, size_t size, struct control_line *ret, char *why, size_t why_size) {
    struct control_line found = {.kind = CONTROL_LINE_KINDS, .after = -1};
    cJSON *object = cJSON_ParseWithLength(line, size);
    if (!cJSON_IsObject(object)) return fail(object, &found, why, why_size, "not a JSON object");
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(object, "type");
    for (int i = 0; cJSON_IsString(type) && i < CONTROL_LINE_KINDS; i++)
        if (strcmp(type->valuestring, kind_names[i]) == 0) found.kind = (enum control_line_kind)i;
    if (found.kind == CONTROL_LINE_KINDS) return fail(object, &found, why, why_size, "type: one of send, attach, say");
    if (!take_text(object, "text", &found.text) || !take_text(object, "image", &found.image) ||
        !take_text(object, "class", &found.class))
        return fail(object, &found, why, why_size, "text, image and class are strings");
    if (!take_integer(object, "after", &found.after) || !take_integer(object, "id", &found.id) ||
        !take_integer(object, "rev", &found.rev))
        return fail(object, &found, why, why_size, "after, id and rev are whole numbers from 0 to 2^53");
    if ((found.kind == CONTROL_LINE_SEND || found.kind == CONTROL_LINE_SAY) && !found.text)
        return fail(object, &found, why, why_size, "text is missing");
    found.text_size = found.text ? strlen(found.text) : 0;
    found.ok = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, "ok"));
    cJSON_Delete(object);
    *ret = found;
    return TB_OK;
}

void control_line_clear(struct control_line *line) {
    free(line->text);
    free(line->image);
    free(line->class);
    *line = (struct control_line){.kind = CONTROL_LINE_KINDS};
}

/* cJSON writes large numbers with fewer digits than they have. */
static void add_integer(cJSON *object, const char *name, int64_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    cJSON_AddRawToObject(object, name, digits);
}

char *control_line_encode(const struct control_line *line) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "type", kind_names[line->kind]);
    if (line->text) cJSON_AddStringToObject(object, "text", line->text);
    if (line->image) cJSON_AddStringToObject(object, "image", line->image);
    if (line->class) cJSON_AddStringToObject(object, "class", line->class);
    if (line->kind == CONTROL_LINE_ATTACH) add_integer(object, "after", line->after);
    if (line->kind == CONTROL_LINE_DONE) cJSON_AddBoolToObject(object, "ok", line->ok);
    if (line->kind == CONTROL_LINE_MESSAGE) {
        add_integer(object, "id", line->id);
        add_integer(object, "rev", line->rev);
    }
    char *json = cJSON_PrintUnformatted(object), *text = NULL;
    cJSON_Delete(object);
    if (json && asprintf(&text, "%s\n", json) < 0) text = NULL;
    cJSON_free(json);
    return text;
}
