/*
 * page_packet.c: see page_packet.h.
 */
#include "page_packet.h"
#include "http_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct packet *packet_take(struct json_out *out) {
    struct packet *packet = out->failed ? NULL : malloc(sizeof(*packet) + LWS_PRE + out->size + 1);
    if (packet) {
        packet->refs = 1;
        packet->size = out->size;
        packet->bytes = packet->room + LWS_PRE;
        memcpy(packet->bytes, out->bytes, out->size);
    }
    json_out_release(out);
    return packet;
}

struct packet *packet_ref(struct packet *packet) {
    packet->refs++;
    return packet;
}

void packet_unref(struct packet *packet) {
    if (packet && --packet->refs == 0) free(packet);
}

static const char *class_name(enum message_class class) {
    switch (class) {
    case MESSAGE_INBOUND:
        return "inbound";
    case MESSAGE_ALERT:
        return "alert";
    case MESSAGE_IMAGE:
        return "image";
    case MESSAGE_PROGRESS:
        return "progress";
    default:
        return "reply";
    }
}

static void put_buttons(struct json_out *out, const char *buttons) {
    json_key(out, "buttons");
    json_open(out, '[');
    while (buttons && *buttons) {
        size_t size = strcspn(buttons, "\n");
        char text[200];
        if (size && size < sizeof(text)) {
            memcpy(text, buttons, size);
            text[size] = 0;
            json_string(out, text);
        }
        buttons += size + (buttons[size] == '\n');
    }
    json_close(out, ']');
}

static void put_message(struct json_out *out, const struct message_record *message) {
    bool inbound = message->class == MESSAGE_INBOUND;
    json_key(out, "id");
    json_id(out, message->id);
    json_key(out, "rev");
    json_int(out, message->rev);
    json_key(out, "dir");
    json_string(out, inbound ? "in" : "out");
    json_key(out, "class");
    json_string(out, class_name(message->class));
    json_key(out, "text");
    json_string(out, message->text ? message->text : "");
    json_key(out, "image");
    if (message->image) {
        char path[40];
        snprintf(path, sizeof(path), "/api/images/%lld", (long long)message->image);
        json_string(out, path);
    } else {
        json_null(out);
    }
    put_buttons(out, message->buttons);
    json_key(out, "run");
    if (message->run)
        json_id(out, message->run);
    else
        json_null(out);
    json_key(out, "t_ms");
    json_int(out, message->created_ms);
    json_key(out, "say");
    json_string(out, inbound && message->service_id && *message->service_id ? message->service_id : NULL);
}

void message_json(struct json_out *out, const struct message_record *message) {
    json_open(out, '{');
    put_message(out, message);
    json_close(out, '}');
}

static void put_type(struct json_out *out, const char *type) {
    json_open(out, '{');
    json_key(out, "type");
    json_string(out, type);
}

struct packet *packet_message(const struct message_record *message) {
    struct json_out out = {0};
    put_type(&out, "message");
    put_message(&out, message);
    json_close(&out, '}');
    return packet_take(&out);
}

struct packet *packet_run(const struct run *run) {
    struct json_out out = {0};
    put_type(&out, "run");
    json_key(&out, "run");
    api_run_json(&out, run);
    json_close(&out, '}');
    return packet_take(&out);
}

static void put_maybe(struct json_out *out, double value) {
    if (wire_is_absent(value))
        json_null(out);
    else
        json_number(out, value);
}

struct packet *packet_rows(const struct run *run, const struct wire_rows *rows, bool progress) {
    struct json_out out = {0};
    put_type(&out, "rows");
    json_key(&out, "run");
    json_id(&out, run->id);
    json_key(&out, "progress");
    json_bool(&out, progress);
    json_key(&out, "cols");
    json_open(&out, '[');
    for (size_t i = 0; i < rows->cols_count; i++)
        json_string(&out, rows->cols[i]);
    json_close(&out, ']');
    json_key(&out, "rows");
    json_open(&out, '[');
    for (size_t i = 0; i < rows->rows_count; i++) {
        json_open(&out, '[');
        json_int(&out, rows->steps[i]);
        json_int(&out, rows->t_ms[i]);
        put_maybe(&out, rows->epochs[i]);
        for (size_t j = 0; j < rows->cols_count; j++)
            put_maybe(&out, rows->values[i * rows->cols_count + j]);
        json_close(&out, ']');
    }
    json_close(&out, ']');
    json_close(&out, '}');
    return packet_take(&out);
}

struct packet *packet_simple(const char *type, const char *key, const char *text) {
    struct json_out out = {0};
    put_type(&out, type);
    if (key) {
        json_key(&out, key);
        json_string(&out, text);
    }
    json_close(&out, '}');
    return packet_take(&out);
}
