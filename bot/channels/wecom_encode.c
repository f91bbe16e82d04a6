/*
 * wecom_encode.c: structs to the gateway's JSON. Every frame is one line of UTF-8 with cmd, headers.req_id and, but for
 * ping, a body.
 */
#include "wecom_codec.h"
#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* A card of the kind notice must lead somewhere; the service's own front page is what every member may open. */
#define NOTICE_URL "https://work.weixin.qq.com/"

struct builder {
    cJSON *root, *body;
    bool failed; /* out of memory somewhere */
};

static void add(struct builder *builder, cJSON *object, const char *name, cJSON *item) {
    if (item && object && cJSON_AddItemToObject(object, name, item)) return;
    builder->failed = true;
    cJSON_Delete(item);
}

static void add_text(struct builder *builder, cJSON *object, const char *name, const char *text) {
    add(builder, object, name, cJSON_CreateStringReference(text));
}

static void add_number(struct builder *builder, cJSON *object, const char *name, int64_t number) {
    add(builder, object, name, cJSON_CreateNumber((double)number));
}

static cJSON *add_object(struct builder *builder, cJSON *object, const char *name) {
    cJSON *item = cJSON_CreateObject();
    add(builder, object, name, item);
    return builder->failed ? NULL : item;
}

static struct builder begin(const char *cmd, const char *req_id, bool body) {
    struct builder builder = {.root = cJSON_CreateObject()};
    add_text(&builder, builder.root, "cmd", cmd);
    cJSON *headers = add_object(&builder, builder.root, "headers");
    add_text(&builder, headers, "req_id", req_id);
    if (body) builder.body = add_object(&builder, builder.root, "body");
    return builder;
}

static char *end(struct builder *builder) {
    char *text = builder->failed ? NULL : cJSON_PrintUnformatted(builder->root);
    cJSON_Delete(builder->root);
    return text;
}

char *wecom_encode_ping(const char *req_id) {
    struct builder builder = begin("ping", req_id, false);
    return end(&builder);
}

int wecom_encode_subscribe(const char *req_id, const char *bot_id, const char *secret, char *text, size_t size) {
    struct builder builder = begin("aibot_subscribe", req_id, true);
    add_text(&builder, builder.body, "bot_id", bot_id);
    add_text(&builder, builder.body, "secret", secret);
    int status = builder.failed ? TB_ENOMEM : TB_OK;
    if (status == TB_OK && !cJSON_PrintPreallocated(builder.root, text, (int)size, false)) status = TB_ERANGE;
    cJSON_Delete(builder.root);
    return status;
}

static void add_title(struct builder *builder, cJSON *card, const char *title) {
    cJSON *main_title = add_object(builder, card, "main_title");
    add_text(builder, main_title, "title", title);
}

static void add_card(struct builder *builder, const struct wecom_content *content) {
    cJSON *card = add_object(builder, builder->body, "template_card");
    add_text(builder, card, "card_type", "button_interaction");
    add_text(builder, card, "task_id", content->id);
    add_title(builder, card, content->text);
    cJSON *list = cJSON_CreateArray();
    if (!builder->failed) {
        add(builder, card, "button_list", list);
    } else {
        cJSON_Delete(list);
    }
    for (size_t i = 0; i < content->buttons_count && !builder->failed; i++) {
        cJSON *button = cJSON_CreateObject();
        if (!button || !cJSON_AddItemToArray(list, button)) {
            cJSON_Delete(button);
            builder->failed = true;
            return;
        }
        add_text(builder, button, "text", content->buttons[i].text);
        add_number(builder, button, "style", content->buttons[i].style);
        add_text(builder, button, "key", content->buttons[i].key);
    }
}

static void add_content(struct builder *builder, const struct wecom_content *content) {
    static const char *const types[] = {"stream", "markdown", "image", "file", "template_card"};
    add_text(builder, builder->body, "msgtype", types[content->kind]);
    if (content->kind == WECOM_CARD) {
        add_card(builder, content);
        return;
    }
    cJSON *inner = add_object(builder, builder->body, types[content->kind]);
    if (content->kind == WECOM_IMAGE || content->kind == WECOM_FILE) {
        add_text(builder, inner, "media_id", content->id);
        return;
    }
    if (content->kind == WECOM_STREAM) {
        add_text(builder, inner, "id", content->id);
        add(builder, inner, "finish", cJSON_CreateBool(content->finish));
    }
    add_text(builder, inner, "content", content->text);
}

char *wecom_encode_respond(const char *req_id, const struct wecom_content *content) {
    struct builder builder = begin("aibot_respond_msg", req_id, true);
    add_content(&builder, content);
    return end(&builder);
}

char *wecom_encode_send(const char *req_id, const char *chat, bool group, const struct wecom_content *content) {
    struct builder builder = begin("aibot_send_msg", req_id, true);
    add_text(&builder, builder.body, "chatid", chat);
    add_number(&builder, builder.body, "chat_type", group ? 2 : 1);
    add_content(&builder, content);
    return end(&builder);
}

char *wecom_encode_welcome(const char *req_id, const char *text) {
    struct builder builder = begin("aibot_respond_welcome_msg", req_id, true);
    add_text(&builder, builder.body, "msgtype", "text");
    cJSON *inner = add_object(&builder, builder.body, "text");
    add_text(&builder, inner, "content", text);
    return end(&builder);
}

char *wecom_encode_card_taken(const char *req_id, const char *task_id, const char *title) {
    struct builder builder = begin("aibot_respond_update_msg", req_id, true);
    add_text(&builder, builder.body, "response_type", "update_template_card");
    cJSON *card = add_object(&builder, builder.body, "template_card");
    add_text(&builder, card, "card_type", "text_notice");
    add_text(&builder, card, "task_id", task_id);
    add_title(&builder, card, title);
    cJSON *action = add_object(&builder, card, "card_action");
    add_number(&builder, action, "type", 1);
    add_text(&builder, action, "url", NOTICE_URL);
    return end(&builder);
}

char *wecom_encode_upload_init(const char *req_id, const struct wecom_upload_head *head) {
    struct builder builder = begin("aibot_upload_media_init", req_id, true);
    add_text(&builder, builder.body, "type", head->image ? "image" : "file");
    add_text(&builder, builder.body, "filename", head->filename);
    add_number(&builder, builder.body, "total_size", head->size);
    add_number(&builder, builder.body, "total_chunks", head->chunks);
    add_text(&builder, builder.body, "md5", head->md5);
    return end(&builder);
}

char *wecom_encode_upload_chunk(const char *req_id, const char *upload_id, int64_t index, const uint8_t *bytes,
                                size_t size) {
    char *base64 = size <= WECOM_CHUNK_MAX ? malloc((size + 2) / 3 * 4 + 1) : NULL;
    if (!base64) return NULL;
    EVP_EncodeBlock((unsigned char *)base64, bytes, (int)size);
    struct builder builder = begin("aibot_upload_media_chunk", req_id, true);
    add_text(&builder, builder.body, "upload_id", upload_id);
    add_number(&builder, builder.body, "chunk_index", index);
    add_text(&builder, builder.body, "base64_data", base64);
    char *text = end(&builder);
    free(base64);
    return text;
}

char *wecom_encode_upload_finish(const char *req_id, const char *upload_id) {
    struct builder builder = begin("aibot_upload_media_finish", req_id, true);
    add_text(&builder, builder.body, "upload_id", upload_id);
    return end(&builder);
}
