/*
 * wecom_decode.c: a frame of the gateway's JSON to a struct. Always holds: what is handed out is of the type and length
 * that the header promises; a missing field that a frame cannot do without is an error that names it.
 */
#include "wecom_codec.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIXED_MAX 64 /* items of one mixed message that are looked at */

size_t wecom_strip_controls(char *bytes, size_t size) {
    size_t kept = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte < 0x20 && byte != '\t' && byte != '\n') continue;
        bytes[kept++] = bytes[i];
    }
    return kept;
}

struct reader {
    char *why;
    size_t why_size;
    int status;
};

static void bad(struct reader *reader, int status, const char *field, const char *what) {
    if (reader->status < 0) return;
    reader->status = status;
    snprintf(reader->why, reader->why_size, "%s: %s", field, what);
}

static const cJSON *member(const cJSON *object, const char *name) {
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

/* An optional text: "" where there is none. */
static const char *text_of(struct reader *reader, const cJSON *object, const char *name, const char *field,
                           size_t max) {
    const cJSON *item = member(object, name);
    if (!item || cJSON_IsNull(item)) return "";
    if (!cJSON_IsString(item)) {
        bad(reader, TB_EINVAL, field, "a string is wanted");
        return "";
    }
    if (strlen(item->valuestring) > max) {
        bad(reader, TB_ERANGE, field, "too long");
        return "";
    }
    return item->valuestring;
}

static const char *wanted(struct reader *reader, const cJSON *object, const char *name, const char *field) {
    const char *text = text_of(reader, object, name, field, WECOM_ID_MAX);
    if (!text[0]) bad(reader, TB_EINVAL, field, "missing");
    return text;
}

/* A whole number, as a number or in digits; false: none. */
static bool whole(const cJSON *item, double *ret_value) {
    double value = NAN;
    char *end = NULL;
    if (cJSON_IsNumber(item)) value = item->valuedouble;
    if (cJSON_IsString(item) && item->valuestring[0]) {
        value = strtod(item->valuestring, &end);
        if (*end) return false;
    }
    if (!isfinite(value) || value != floor(value) || fabs(value) > 9007199254740991.0) return false;
    *ret_value = value;
    return true;
}

static void read_ack(struct reader *reader, const cJSON *root, struct wecom_frame *frame) {
    const cJSON *body = member(root, "body");
    double code = 0;
    frame->kind = WECOM_ACK;
    if (!whole(member(root, "errcode"), &code)) bad(reader, TB_EINVAL, "errcode", "a whole number is wanted");
    frame->errcode = (int64_t)code;
    const cJSON *errmsg = member(root, "errmsg"); /* only ever logged: its type is no reason to lose the answer */
    frame->errmsg = cJSON_IsString(errmsg) ? errmsg->valuestring : "";
    frame->upload_id = text_of(reader, body, "upload_id", "body.upload_id", WECOM_KEY_MAX);
    frame->media_id = text_of(reader, body, "media_id", "body.media_id", WECOM_KEY_MAX);
}

/* The words of a mixed message, its pictures left out, a line each. NULL: it has none, or memory is short. */
static char *mixed_text(struct reader *reader, const cJSON *mixed) {
    const cJSON *items = member(mixed, "msg_item"), *item;
    size_t size = 0, seen = 0;
    char *text = NULL;
    if (!cJSON_IsArray(items)) bad(reader, TB_EINVAL, "mixed.msg_item", "an array is wanted");
    cJSON_ArrayForEach(item, items) {
        const char *words = text_of(reader, member(item, "text"), "content", "mixed.msg_item.text.content", SIZE_MAX);
        if (++seen > MIXED_MAX || reader->status < 0) break;
        if (!words[0]) continue;
        size_t length = strlen(words);
        char *grown = realloc(text, size + length + 2);
        if (!grown) {
            bad(reader, TB_ENOMEM, "mixed", tb_error_text(TB_ENOMEM));
            break;
        }
        text = grown;
        if (size) text[size++] = '\n';
        memcpy(text + size, words, length + 1);
        size += length;
    }
    return text;
}

static void read_text(struct reader *reader, const cJSON *body, struct wecom_frame *frame) {
    const char *type = wanted(reader, body, "msgtype", "body.msgtype");
    if (strcmp(type, "mixed") == 0) {
        frame->text = mixed_text(reader, member(body, "mixed"));
        return;
    }
    if (strcmp(type, "text") != 0 && strcmp(type, "voice") != 0) return;
    const cJSON *content = member(member(body, type), "content");
    if (!cJSON_IsString(content)) {
        bad(reader, TB_EINVAL, type[0] == 't' ? "text.content" : "voice.content", "a string is wanted");
        return;
    }
    frame->text = strdup(content->valuestring);
    if (!frame->text) bad(reader, TB_ENOMEM, "text", tb_error_text(TB_ENOMEM));
}

static void read_button(struct reader *reader, const cJSON *event, struct wecom_frame *frame) {
    const cJSON *inner = member(event, "template_card_event");
    if (!cJSON_IsObject(inner)) inner = event; /* as the SDK's types have it */
    frame->event_key = text_of(reader, inner, "event_key", "event_key", WECOM_KEY_MAX);
    frame->task_id = text_of(reader, inner, "task_id", "task_id", WECOM_TASK_MAX);
    if (!frame->event_key[0]) bad(reader, TB_EINVAL, "event_key", "missing");
    if (!frame->task_id[0]) bad(reader, TB_EINVAL, "task_id", "missing");
}

static void read_event(struct reader *reader, const cJSON *body, struct wecom_frame *frame) {
    const cJSON *event = member(body, "event");
    const char *type = wanted(reader, event, "eventtype", "event.eventtype");
    if (strcmp(type, "enter_chat") == 0) frame->event = WECOM_EVENT_ENTER;
    if (strcmp(type, "disconnected_event") == 0) frame->event = WECOM_EVENT_DISCONNECTED;
    if (strcmp(type, "template_card_event") != 0) return;
    frame->event = WECOM_EVENT_BUTTON;
    read_button(reader, event, frame);
}

/* Who says it, and where: of messages and of the events that persons cause. */
static void read_person(struct reader *reader, const cJSON *body, struct wecom_frame *frame) {
    frame->userid = wanted(reader, member(body, "from"), "userid", "body.from.userid");
    frame->group = strcmp(text_of(reader, body, "chattype", "body.chattype", WECOM_ID_MAX), "group") == 0;
    if (frame->group) frame->chatid = wanted(reader, body, "chatid", "body.chatid");
    double seconds = 0;
    if (whole(member(body, "create_time"), &seconds) && seconds > 0 && seconds < 1e11)
        frame->sent_ms = (int64_t)seconds * 1000;
}

static void read_callback(struct reader *reader, const cJSON *root, struct wecom_frame *frame) {
    const cJSON *body = member(root, "body");
    if (!cJSON_IsObject(body)) {
        bad(reader, TB_EINVAL, "body", "an object is wanted");
        return;
    }
    if (frame->kind == WECOM_EVENT) read_event(reader, body, frame);
    if (frame->event == WECOM_EVENT_DISCONNECTED || (frame->kind == WECOM_EVENT && frame->event == WECOM_EVENT_OTHER))
        return;
    read_person(reader, body, frame);
    frame->msgid = text_of(reader, body, "msgid", "body.msgid", WECOM_ID_MAX);
    if (frame->kind == WECOM_MESSAGE) {
        if (!frame->msgid[0]) bad(reader, TB_EINVAL, "body.msgid", "missing");
        if (reader->status == TB_OK) read_text(reader, body, frame);
    }
}

static void read_frame(struct reader *reader, const cJSON *root, struct wecom_frame *frame) {
    const cJSON *cmd = member(root, "cmd");
    if (!cJSON_IsObject(root)) {
        bad(reader, TB_EINVAL, "frame", "a JSON object is wanted");
        return;
    }
    if (cmd && !cJSON_IsNull(cmd) && !cJSON_IsString(cmd)) {
        bad(reader, TB_EINVAL, "cmd", "a string is wanted");
        return;
    }
    const char *name = cJSON_IsString(cmd) ? cmd->valuestring : "";
    if (strcmp(name, "aibot_msg_callback") == 0) frame->kind = WECOM_MESSAGE;
    if (strcmp(name, "aibot_event_callback") == 0) frame->kind = WECOM_EVENT;
    if (name[0] && frame->kind == WECOM_UNKNOWN) return;
    const cJSON *headers = member(root, "headers");
    frame->req_id = wanted(reader, headers, "req_id", "headers.req_id");
    if (!name[0])
        read_ack(reader, root, frame);
    else
        read_callback(reader, root, frame);
}

int wecom_decode(const char *bytes, size_t size, struct wecom_frame *ret_frame, char *why, size_t why_size) {
    struct reader reader = {.why = why, .why_size = why_size};
    struct wecom_frame frame = {.req_id = "",
                                .errmsg = "",
                                .upload_id = "",
                                .media_id = "",
                                .msgid = "",
                                .userid = "",
                                .chatid = "",
                                .event_key = "",
                                .task_id = ""};
    if (size > WECOM_FRAME_MAX) {
        bad(&reader, TB_ERANGE, "frame", "longer than 1 MiB");
        return reader.status;
    }
    cJSON *root = cJSON_ParseWithLengthOpts(bytes, size, NULL, 0);
    if (!root)
        bad(&reader, TB_EINVAL, "frame", "a JSON object is wanted");
    else
        read_frame(&reader, root, &frame);
    frame.owner = root;
    if (reader.status < 0)
        wecom_frame_clear(&frame);
    else
        *ret_frame = frame;
    return reader.status;
}

void wecom_frame_clear(struct wecom_frame *frame) {
    if (!frame) return;
    free(frame->text);
    cJSON_Delete(frame->owner);
    *frame = (struct wecom_frame){0};
}

const char *wecom_chat_of(const struct wecom_frame *frame) {
    return frame->group ? frame->chatid : frame->userid;
}

enum wecom_verdict wecom_verdict(int64_t errcode, const char *errmsg) {
    static const struct {
        int64_t code;
        enum wecom_verdict verdict;
    } rows[] = {
        {0, WECOM_DONE},
        {853000, WECOM_BAD_SECRET},
        {846605, WECOM_BAD_REQUEST},
        {846608, WECOM_STREAM_GONE},
        {93006, WECOM_CHAT_CLOSED},
        {45009, WECOM_LIMIT},
        {-1, WECOM_BUSY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == errcode) return rows[i].verdict;
    /* The one text that is looked at: the SDK retries on it whatever the code. */
    return errmsg && strncmp(errmsg, "system error", 12) == 0 ? WECOM_BUSY : WECOM_REFUSED;
}
