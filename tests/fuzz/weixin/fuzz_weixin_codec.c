/*
 * Any bytes as an answer of WeChat's service; the first byte chooses the reader. What is taken stays within its limits,
 * what is refused says why, and what was read can be sent back as valid JSON.
 */
#include "weixin_codec.h"
#include "words.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool good) {
    if (!good) abort();
}

/* A body of ours is JSON and UTF-8 whatever stands in it. */
static void need_body(char *body) {
    need(body != NULL);
    need(text_utf8_valid(body, strlen(body)));
    cJSON *back = cJSON_Parse(body);
    need(cJSON_IsObject(back));
    cJSON_Delete(back);
    weixin_body_free(body);
}

static int try_updates(const char *body, size_t size, struct weixin_odd *odd) {
    struct weixin_updates updates;
    int status = weixin_decode_updates(body, size, &updates, odd);
    if (status < 0) return status;
    for (size_t i = 0; i < updates.count; i++) {
        struct weixin_message *message = &updates.messages[i];
        char identity[WEIXIN_IDENTITY_MAX];
        weixin_message_identity(message, identity);
        need(message->from[0] && message->text && identity[0] && message->size == strlen(message->text));
        need(weixin_message_print(message) != 0 || message->create_time_ms <= 0);
        char *clean = weixin_clean_text(message->text);
        struct weixin_send_body send = {.to = message->from,
                                        .client_id = "c",
                                        .context_token = message->context_token ? message->context_token : "t",
                                        .text = clean};
        need_body(weixin_encode_send("2.4.9", &send));
        free(clean);
    }
    if (updates.cursor) need_body(weixin_encode_poll("2.4.9", updates.cursor));
    need(updates.timeout_ms >= 0);
    weixin_updates_clear(&updates);
    return TB_OK;
}

static int try_login(const char *body, size_t size, bool code, struct weixin_odd *odd) {
    struct weixin_code qr;
    struct weixin_code_status state;
    int status = code ? weixin_decode_code(body, size, &qr, odd) : weixin_decode_code_status(body, size, &state, odd);
    if (status < 0) return status;
    if (code) {
        need(qr.id[0] && qr.address[0]);
        weixin_code_clear(&qr);
    } else {
        weixin_code_status_clear(&state);
    }
    return TB_OK;
}

static int try_answer(const char *body, size_t size, int which, struct weixin_odd *odd) {
    struct weixin_sent sent;
    struct weixin_ticket ticket;
    struct weixin_place place;
    int status;
    if (which == 0) {
        status = weixin_decode_sent(body, size, &sent, odd);
        if (status == TB_OK) need(text_utf8_valid(sent.verdict.errmsg, strlen(sent.verdict.errmsg)));
    } else if (which == 1) {
        status = weixin_decode_ticket(body, size, &ticket, odd);
        if (status == TB_OK && ticket.ticket) need_body(weixin_encode_typing("2.4.9", "p", ticket.ticket, true));
        if (status == TB_OK) weixin_ticket_clear(&ticket);
    } else {
        status = weixin_decode_place(body, size, &place, odd);
        if (status == TB_OK) weixin_place_clear(&place);
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct weixin_odd odd = {0};
    const char *body = (const char *)data + 1;
    int which = data[0] % 7, status;
    if (which <= 1)
        status = try_updates(body, size - 1, &odd);
    else if (which <= 3)
        status = try_login(body, size - 1, which == 2, &odd);
    else
        status = try_answer(body, size - 1, which - 4, &odd);
    need(status == TB_OK || odd.text[0]);
    return 0;
}
