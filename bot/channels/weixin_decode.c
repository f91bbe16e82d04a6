/* What WeChat's bot interface answers: see weixin_codec.h. */
#include "weixin_codec.h"
#include "words.h"
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS_MAX 1000 /* bytes of the text to draw: what a QR code holds well */
#define URL_MAX 4000
#define SHOWN_RUN 15 /* a run of letters and digits longer than this may be a token */

/* ---- what every answer may carry ---- */

static bool token_like(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("+/=_-:@.%", c);
}

/* errmsg for the log: one line of UTF-8, nothing in it that looks like a token. */
static void take_errmsg(const cJSON *object, struct weixin_verdict *verdict, struct weixin_odd *odd) {
    const char *text = weixin_json_text(object, "", "errmsg", WEIXIN_ANY, 65536, odd);
    struct words words;
    words_init(&words, verdict->errmsg, sizeof verdict->errmsg);
    for (const char *at = text; at && *at && !words.full;) {
        size_t run = 0;
        while (at[run] && token_like(at[run]))
            run++;
        size_t step = run;
        while (run == 0 && at[step] && !token_like(at[step]))
            step++;
        char piece[80];
        snprintf(piece, sizeof piece, "%.*s", (int)(step < 72 ? step : 72), at);
        if (run > SHOWN_RUN)
            words_add(&words, "***");
        else
            words_add_foreign(&words, piece, 72);
        at += step;
    }
}

static bool take_verdict(const cJSON *object, struct weixin_verdict *ret, struct weixin_odd *odd) {
    int64_t code = 0, errcode = 0;
    *ret = (struct weixin_verdict){0};
    if (!weixin_json_integer(object, "", "ret", &code, odd)) return false;
    if (!weixin_json_integer(object, "", "errcode", &errcode, odd)) return false;
    ret->code = errcode == WEIXIN_CODE_DEAD || code == 0 ? errcode : code;
    take_errmsg(object, ret, odd);
    return true;
}

int weixin_decode_verdict(const char *body, size_t size, struct weixin_verdict *ret, struct weixin_odd *odd) {
    struct weixin_verdict verdict;
    cJSON *object = weixin_json_parse(body, size, odd);
    bool good = object && take_verdict(object, &verdict, odd);
    cJSON_Delete(object);
    if (good) *ret = verdict;
    return good ? TB_OK : TB_EINVAL;
}

static void wipe(char *text) {
    if (text) OPENSSL_cleanse(text, strlen(text));
    free(text);
}

/* A copy of an optional text; *failed is set when memory is out. */
static char *copy_text(const cJSON *object, const char *name, enum weixin_kind kind, size_t max, bool *failed,
                       struct weixin_odd *odd) {
    const char *text = weixin_json_text(object, "", name, kind, max, odd);
    char *copy = text ? strdup(text) : NULL;
    *failed |= text && !copy;
    return copy;
}

/* ---- login ---- */

int weixin_decode_code(const char *body, size_t size, struct weixin_code *ret, struct weixin_odd *odd) {
    struct weixin_code code = {0};
    struct weixin_verdict verdict = {0};
    bool failed = false;
    cJSON *object = weixin_json_parse(body, size, odd);
    if (!object) return TB_EINVAL;
    bool good = take_verdict(object, &verdict, odd);
    if (good && verdict.code != 0) weixin_odd_set(odd, "refused with %lld %s", (long long)verdict.code, verdict.errmsg);
    if (good && verdict.code == 0) {
        code.id = copy_text(object, "qrcode", WEIXIN_PRINTS, URL_MAX, &failed, odd);
        code.address = copy_text(object, "qrcode_img_content", WEIXIN_PRINTS, ADDRESS_MAX, &failed, odd);
    }
    cJSON_Delete(object);
    if (code.id && code.address) {
        *ret = code;
        return TB_OK;
    }
    weixin_odd_set(odd, "%s: missing", code.id ? "qrcode_img_content" : "qrcode");
    weixin_code_clear(&code);
    return failed ? TB_ENOMEM : TB_EINVAL;
}

void weixin_code_clear(struct weixin_code *code) {
    wipe(code->id);
    wipe(code->address);
    *code = (struct weixin_code){0};
}

static const struct {
    const char *name;
    enum weixin_code_state state;
} code_states[] = {
    {"wait", WEIXIN_CODE_WAIT},
    {"scaned", WEIXIN_CODE_SCANNED},
    {"need_verifycode", WEIXIN_CODE_NUMBER},
    {"verify_code_blocked", WEIXIN_CODE_BLOCKED},
    {"expired", WEIXIN_CODE_EXPIRED},
    {"scaned_but_redirect", WEIXIN_CODE_REDIRECT},
    {"binded_redirect", WEIXIN_CODE_BOUND},
    {"confirmed", WEIXIN_CODE_CONFIRMED},
};

static bool take_code_state(const cJSON *object, enum weixin_code_state *ret_state, struct weixin_odd *odd) {
    const char *name = weixin_json_text(object, "", "status", WEIXIN_PRINTS, 64, odd);
    for (size_t i = 0; name && i < sizeof code_states / sizeof *code_states; i++)
        if (strcmp(code_states[i].name, name) == 0) {
            *ret_state = code_states[i].state;
            return true;
        }
    weixin_odd_set(odd, name ? "status: unknown" : "status: missing");
    return false;
}

int weixin_decode_code_status(const char *body, size_t size, struct weixin_code_status *ret, struct weixin_odd *odd) {
    struct weixin_code_status status = {0};
    struct weixin_verdict verdict = {0};
    bool failed = false;
    cJSON *object = weixin_json_parse(body, size, odd);
    bool good = object && take_verdict(object, &verdict, odd);
    if (good && verdict.code != 0) weixin_odd_set(odd, "refused with %lld %s", (long long)verdict.code, verdict.errmsg);
    good = good && verdict.code == 0 && take_code_state(object, &status.state, odd);
    if (good) {
        status.bot_token = copy_text(object, "bot_token", WEIXIN_PRINTS, WEIXIN_TOKEN_MAX, &failed, odd);
        status.bot_id = copy_text(object, "ilink_bot_id", WEIXIN_PRINTS, WEIXIN_ID_MAX - 1, &failed, odd);
        status.base_url = copy_text(object, "baseurl", WEIXIN_PRINTS, 500, &failed, odd);
        status.user_id = copy_text(object, "ilink_user_id", WEIXIN_PRINTS, WEIXIN_ID_MAX - 1, &failed, odd);
        status.redirect_host = copy_text(object, "redirect_host", WEIXIN_PRINTS, 300, &failed, odd);
    }
    cJSON_Delete(object);
    if (!good) return TB_EINVAL;
    if (failed) {
        weixin_code_status_clear(&status);
        return TB_ENOMEM;
    }
    *ret = status;
    return TB_OK;
}

void weixin_code_status_clear(struct weixin_code_status *status) {
    wipe(status->bot_token);
    free(status->bot_id);
    free(status->base_url);
    free(status->user_id);
    free(status->redirect_host);
    *status = (struct weixin_code_status){0};
}

/* ---- messages ---- */

static const char *item_text(const cJSON *item, const char *where, const char *part, struct weixin_odd *odd) {
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(item, part);
    if (inner && !cJSON_IsObject(inner)) {
        weixin_odd_set(odd, "%s%s: not an object", where, part);
        return NULL;
    }
    return weixin_json_text(inner, where, "text", WEIXIN_ANY, SIZE_MAX, odd);
}

/* The first item that yields text; else a label of the first that has one. Borrowed. */
static const char *body_text(const cJSON *message, const char *where, struct weixin_odd *odd) {
    static const char *const labels[] = {"[消息]", "[消息]", "[图片]", "[语音]", "[文件]", "[视频]"};
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(message, "item_list"), *item;
    const char *label = NULL, *text = NULL;
    if (list && !cJSON_IsNull(list) && !cJSON_IsArray(list)) weixin_odd_set(odd, "%sitem_list: not a list", where);
    if (cJSON_IsArray(list)) cJSON_ArrayForEach(item, list) {
            int64_t type = 0;
            if (!cJSON_IsObject(item)) {
                weixin_odd_set(odd, "%sitem_list: not objects", where);
                continue;
            }
            if (!weixin_json_integer(item, where, "type", &type, odd)) continue;
            if (type == 1) text = item_text(item, where, "text_item", odd);
            if (type == 3) text = item_text(item, where, "voice_item", odd);
            if (text) return text;
            if (!label) label = labels[type >= 0 && type <= 5 ? type : 0];
        }
    return label ? label : labels[0];
}

/* 1: taken; 0: none for us (a bot's, a group's) or unreadable (odd says so); negative: out of memory. */
static int take_message(const cJSON *object, size_t index, struct weixin_message *ret, struct weixin_odd *odd) {
    char where[32];
    int64_t type = 0;
    snprintf(where, sizeof where, "msgs[%zu].", index);
    if (!cJSON_IsObject(object)) {
        weixin_odd_set(odd, "msgs[%zu]: not an object", index);
        return 0;
    }
    const char *from = weixin_json_text(object, where, "from_user_id", WEIXIN_PRINTS, WEIXIN_ID_MAX - 1, odd);
    if (!from) {
        weixin_odd_set(odd, "%sfrom_user_id: missing", where);
        return 0;
    }
    bool typed = weixin_json_integer(object, where, "message_type", &type, odd);
    const cJSON *group = cJSON_GetObjectItemCaseSensitive(object, "group_id");
    if (group && !cJSON_IsNull(group) && !(cJSON_IsString(group) && !group->valuestring[0])) return 0;
    bool bot = strlen(from) > 7 && strcmp(from + strlen(from) - 7, "@im.bot") == 0;
    if (typed && cJSON_GetObjectItemCaseSensitive(object, "message_type") ? type != 1 : bot) return 0;
    struct weixin_message message = {0};
    snprintf(message.from, sizeof message.from, "%s", from);
    weixin_json_id(object, where, "message_id", message.id, sizeof message.id, odd);
    weixin_json_id(object, where, "client_id", message.client_id, sizeof message.client_id, odd);
    (void)weixin_json_integer(object, where, "create_time_ms", &message.create_time_ms, odd);
    const char *token = weixin_json_text(object, where, "context_token", WEIXIN_UTF8, WEIXIN_TOKEN_MAX, odd);
    message.text = strdup(body_text(object, where, odd));
    message.context_token = token ? strdup(token) : NULL;
    if (!message.text || (token && !message.context_token)) {
        free(message.text);
        wipe(message.context_token);
        return TB_ENOMEM;
    }
    message.size = strlen(message.text);
    *ret = message;
    return 1;
}

static int take_messages(const cJSON *object, struct weixin_updates *updates, struct weixin_odd *odd) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "msgs"), *item;
    if (!list || cJSON_IsNull(list)) return TB_OK;
    if (!cJSON_IsArray(list)) {
        weixin_odd_set(odd, "msgs: not a list");
        return TB_EINVAL;
    }
    int size = cJSON_GetArraySize(list);
    if (size == 0) return TB_OK;
    updates->messages = calloc((size_t)size, sizeof *updates->messages);
    if (!updates->messages) return TB_ENOMEM;
    size_t index = 0;
    cJSON_ArrayForEach(item, list) {
        int taken = take_message(item, index++, &updates->messages[updates->count], odd);
        if (taken < 0) return taken;
        updates->count += (size_t)taken;
    }
    return TB_OK;
}

int weixin_decode_updates(const char *body, size_t size, struct weixin_updates *ret, struct weixin_odd *odd) {
    struct weixin_updates updates = {0};
    bool failed = false;
    cJSON *object = weixin_json_parse(body, size, odd);
    if (!object) return TB_EINVAL;
    int status = take_verdict(object, &updates.verdict, odd) ? TB_OK : TB_EINVAL;
    if (status == TB_OK && updates.verdict.code == 0) {
        status = take_messages(object, &updates, odd);
        updates.cursor = copy_text(object, "get_updates_buf", WEIXIN_UTF8, WEIXIN_CURSOR_MAX, &failed, odd);
        (void)weixin_json_integer(object, "", "longpolling_timeout_ms", &updates.timeout_ms, odd);
        if (updates.timeout_ms < 0) updates.timeout_ms = 0;
    }
    cJSON_Delete(object);
    if (status == TB_OK && failed) status = TB_ENOMEM;
    if (status == TB_OK)
        *ret = updates;
    else
        weixin_updates_clear(&updates);
    return status;
}

void weixin_updates_clear(struct weixin_updates *updates) {
    for (size_t i = 0; i < updates->count; i++) {
        free(updates->messages[i].text);
        wipe(updates->messages[i].context_token);
    }
    free(updates->messages);
    free(updates->cursor);
    *updates = (struct weixin_updates){0};
}

/* ---- sending ---- */

int weixin_decode_sent(const char *body, size_t size, struct weixin_sent *ret, struct weixin_odd *odd) {
    struct weixin_sent sent = {0};
    cJSON *object = weixin_json_parse(body, size, odd);
    bool good = object && take_verdict(object, &sent.verdict, odd);
    if (good) weixin_json_id(object, "", "message_id", sent.id, sizeof sent.id, odd);
    cJSON_Delete(object);
    if (good) *ret = sent;
    return good ? TB_OK : TB_EINVAL;
}

int weixin_decode_ticket(const char *body, size_t size, struct weixin_ticket *ret, struct weixin_odd *odd) {
    struct weixin_ticket ticket = {0};
    bool failed = false;
    cJSON *object = weixin_json_parse(body, size, odd);
    bool good = object && take_verdict(object, &ticket.verdict, odd);
    if (good) {
        ticket.exact = cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(object, "ret")) && ticket.verdict.code == 0;
        ticket.ticket = copy_text(object, "typing_ticket", WEIXIN_PRINTS, WEIXIN_TOKEN_MAX, &failed, odd);
    }
    cJSON_Delete(object);
    if (good && !failed) *ret = ticket;
    return !good ? TB_EINVAL : failed ? TB_ENOMEM : TB_OK;
}

void weixin_ticket_clear(struct weixin_ticket *ticket) {
    wipe(ticket->ticket);
    ticket->ticket = NULL;
}

int weixin_decode_place(const char *body, size_t size, struct weixin_place *ret, struct weixin_odd *odd) {
    struct weixin_place place = {0};
    bool failed = false;
    cJSON *object = weixin_json_parse(body, size, odd);
    bool good = object && take_verdict(object, &place.verdict, odd);
    if (good) {
        place.param = copy_text(object, "upload_param", WEIXIN_PRINTS, URL_MAX, &failed, odd);
        const char *url = weixin_json_text(object, "", "upload_full_url", WEIXIN_ANY, URL_MAX, odd);
        bool blank = !url || url[strspn(url, " \t\r\n")] == 0;
        if (!blank) place.full_url = copy_text(object, "upload_full_url", WEIXIN_PRINTS, URL_MAX, &failed, odd);
    }
    cJSON_Delete(object);
    if (good && !failed) {
        *ret = place;
        return TB_OK;
    }
    weixin_place_clear(&place);
    return good ? TB_ENOMEM : TB_EINVAL;
}

void weixin_place_clear(struct weixin_place *place) {
    wipe(place->param);
    wipe(place->full_url);
    *place = (struct weixin_place){0};
}
