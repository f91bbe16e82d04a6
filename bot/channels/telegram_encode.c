/* The Bot API's requests: see telegram_codec.h. Ids are written digit by digit, as cJSON prints large numbers short. */
#include "telegram_codec.h"
#include <cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUTTONS_A_ROW 3
#define KEYBOARD_MAX 8192 /* bytes */

static bool add_integer(cJSON *object, const char *name, int64_t value) {
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    return cJSON_AddRawToObject(object, name, digits) != NULL;
}

/* Takes object; `whole`: nothing was left out for want of memory. */
static char *print(cJSON *object, bool whole) {
    char *json = object && whole ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    return json;
}

static bool add_row(cJSON *rows, const struct telegram_button *buttons, size_t count) {
    cJSON *row = cJSON_CreateArray();
    if (!cJSON_AddItemToArray(rows, row)) {
        cJSON_Delete(row);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        cJSON *button = cJSON_CreateObject();
        if (!cJSON_AddStringToObject(button, "text", buttons[i].label) ||
            !cJSON_AddStringToObject(button, "callback_data", buttons[i].data) || !cJSON_AddItemToArray(row, button)) {
            cJSON_Delete(button);
            return false;
        }
    }
    return true;
}

char *telegram_encode_keyboard(const struct telegram_button *buttons, size_t count) {
    cJSON *object = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(object, "inline_keyboard");
    bool whole = rows != NULL;
    for (size_t i = 0; whole && i < count; i += BUTTONS_A_ROW)
        whole = add_row(rows, buttons + i, count - i < BUTTONS_A_ROW ? count - i : BUTTONS_A_ROW);
    return print(object, whole);
}

char *telegram_encode_kept_keyboard(const struct cJSON *keyboard) {
    char *json = cJSON_IsObject(keyboard) ? cJSON_PrintUnformatted(keyboard) : NULL;
    if (json && strlen(json) <= KEYBOARD_MAX) return json;
    cJSON_free(json);
    return NULL;
}

char *telegram_encode_message(const struct telegram_out *out) {
    cJSON *object = cJSON_CreateObject(), *preview = cJSON_AddObjectToObject(object, "link_preview_options");
    bool whole = cJSON_AddTrueToObject(preview, "is_disabled") && add_integer(object, "chat_id", out->chat) &&
                 cJSON_AddStringToObject(object, "text", out->text);
    if (out->message) whole = whole && add_integer(object, "message_id", out->message);
    if (out->silent && !out->message) whole = whole && cJSON_AddTrueToObject(object, "disable_notification");
    if (out->keyboard) whole = whole && cJSON_AddRawToObject(object, "reply_markup", out->keyboard);
    return print(object, whole);
}

char *telegram_encode_markup(int64_t chat, int64_t message, const char *keyboard) {
    cJSON *object = cJSON_CreateObject();
    bool whole = add_integer(object, "chat_id", chat) && add_integer(object, "message_id", message) &&
                 cJSON_AddRawToObject(object, "reply_markup", keyboard);
    return print(object, whole);
}

char *telegram_encode_poll(int64_t offset, int64_t limit, int64_t timeout_s) {
    cJSON *object = cJSON_CreateObject();
    bool whole = add_integer(object, "timeout", timeout_s) && add_integer(object, "limit", limit) &&
                 cJSON_AddRawToObject(object, "allowed_updates", "[\"message\",\"callback_query\"]");
    if (offset > 0) whole = whole && add_integer(object, "offset", offset);
    return print(object, whole);
}

char *telegram_encode_query_answer(const char *query, const char *text) {
    cJSON *object = cJSON_CreateObject();
    bool whole = cJSON_AddStringToObject(object, "callback_query_id", query) != NULL;
    if (text[0]) whole = whole && cJSON_AddStringToObject(object, "text", text);
    return print(object, whole);
}

char *telegram_encode_action(int64_t chat, const char *action) {
    cJSON *object = cJSON_CreateObject();
    return print(object, add_integer(object, "chat_id", chat) && cJSON_AddStringToObject(object, "action", action));
}

/* ---- the menu ---- */

bool telegram_command_make(const char *name, const char *help, struct telegram_command *ret_command) {
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (size == 0 || size >= sizeof ret_command->name || name[size] || !help[0]) return false;
    memcpy(ret_command->name, name, size + 1);
    size = strlen(help);
    if (size >= sizeof ret_command->help) size = sizeof ret_command->help - 1;
    while (size > 0 && ((unsigned char)help[size] & 0xC0) == 0x80)
        size--;
    memcpy(ret_command->help, help, size);
    ret_command->help[size] = 0;
    return true;
}

char *telegram_encode_commands(const struct telegram_command *commands, size_t count, const char *language) {
    cJSON *object = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(object, "commands");
    bool whole = list != NULL;
    for (size_t i = 0; whole && i < count; i++) {
        cJSON *item = cJSON_CreateObject();
        whole = cJSON_AddStringToObject(item, "command", commands[i].name) &&
                cJSON_AddStringToObject(item, "description", commands[i].help) && cJSON_AddItemToArray(list, item);
        if (!whole) cJSON_Delete(item);
    }
    cJSON *scope = cJSON_AddObjectToObject(object, "scope");
    whole = whole && cJSON_AddStringToObject(scope, "type", "default");
    if (language) whole = whole && cJSON_AddStringToObject(object, "language_code", language);
    return print(object, whole);
}
