/*
 * weixin_typing.c: "is typing" on the phone. Needs a ticket for each person, good for up to a day; without one there is
 * no typing, and a failure is never more than a longer wait before the next ticket is asked for. Costs no message.
 */
#include "weixin_state.h"
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service_url.h"

#define TICKET_MS 86400000
#define BACKOFF_FIRST_MS 2000
#define BACKOFF_MAX_MS 3600000

static int64_t now_ms(const struct weixin *weixin) {
    return (int64_t)uv_now(weixin->loop);
}

static void forget_ticket(struct weixin_typing *typing) {
    if (typing->ticket) OPENSSL_cleanse(typing->ticket, strlen(typing->ticket));
    free(typing->ticket);
    typing->ticket = NULL;
}

static void entry_clear(struct weixin_typing *typing) {
    http_call_cancel(typing->call);
    forget_ticket(typing);
    *typing = (struct weixin_typing){.weixin = typing->weixin};
}

/* Found, or made in a free place or in that of the one longest unused; NULL: all are busy, or it was not asked to make.
 */
static struct weixin_typing *entry_of(struct weixin *weixin, const char *person, bool make) {
    struct weixin_typing *best = NULL;
    for (size_t i = 0; i < WEIXIN_TYPING_MAX; i++) {
        struct weixin_typing *typing = &weixin->typing[i];
        if (strcmp(typing->person, person) == 0) return typing;
        if (!typing->call && (!best || typing->used_ms < best->used_ms)) best = typing;
    }
    if (!make || !best || strlen(person) >= sizeof best->person) return NULL;
    best->weixin = weixin;
    entry_clear(best);
    snprintf(best->person, sizeof best->person, "%s", person);
    return best;
}

static void failed(struct weixin_typing *typing) {
    forget_ticket(typing);
    typing->backoff_ms = typing->backoff_ms ? typing->backoff_ms * 2 : BACKOFF_FIRST_MS;
    if (typing->backoff_ms > BACKOFF_MAX_MS) typing->backoff_ms = BACKOFF_MAX_MS;
    typing->next_try_ms = now_ms(typing->weixin) + service_ms(typing->backoff_ms);
    typing->shown = false; /* the phone ends it by itself */
}

static void show(struct weixin_typing *typing, bool on);

static void on_shown(void *user, const struct http_answer *answer) {
    struct weixin_typing *typing = user;
    struct weixin_verdict verdict;
    struct weixin_odd odd = {{0}};
    typing->call = NULL;
    bool good = answer->reached == HTTP_ANSWERED && answer->status >= 200 && answer->status < 300 &&
                weixin_decode_verdict(answer->body, answer->size, &verdict, &odd) == TB_OK && verdict.code == 0;
    if (odd.text[0]) weixin_note_odd(typing->weixin, "sendtyping", odd.text);
    if (!good) {
        failed(typing);
        return;
    }
    typing->shown = typing->showing;
    typing->backoff_ms = 0;
    if (typing->shown && !typing->wanted) show(typing, false);
}

static void show(struct weixin_typing *typing, bool on) {
    struct weixin *weixin = typing->weixin;
    struct weixin_request request = {.path = "sendtyping",
                                     .body = weixin_encode_typing(weixin->client_version, typing->person,
                                                                  typing->ticket, on),
                                     .timeout_ms = weixin_limit_ms(WEIXIN_SMALL_MS)};
    typing->showing = on;
    if (weixin_request_start(&weixin->api, &request, on_shown, typing, &typing->call) < 0) failed(typing);
}

static void on_ticket(void *user, const struct http_answer *answer) {
    struct weixin_typing *typing = user;
    struct weixin_ticket ticket = {.ticket = NULL};
    struct weixin_odd odd = {{0}};
    uint32_t random = 0;
    typing->call = NULL;
    bool good = answer->reached == HTTP_ANSWERED && answer->status >= 200 && answer->status < 300 &&
                weixin_decode_ticket(answer->body, answer->size, &ticket, &odd) == TB_OK;
    if (odd.text[0]) weixin_note_odd(typing->weixin, "getconfig", odd.text);
    if (!good || !ticket.exact || !ticket.ticket) {
        weixin_ticket_clear(&ticket);
        failed(typing);
        return;
    }
    if (RAND_bytes((unsigned char *)&random, sizeof random) != 1) random = 0;
    typing->ticket = ticket.ticket;
    typing->until_ms = now_ms(typing->weixin) + service_ms(TICKET_MS / 2 + (int64_t)(random % (TICKET_MS / 2)));
    typing->backoff_ms = 0;
    if (typing->wanted) show(typing, true);
}

static void ask_ticket(struct weixin_typing *typing) {
    struct weixin *weixin = typing->weixin;
    char *token = weixin_context_get(weixin, typing->person);
    if (!token) return;
    struct weixin_request request = {.path = "getconfig",
                                     .body = weixin_encode_config(weixin->client_version, typing->person, token),
                                     .timeout_ms = weixin_limit_ms(WEIXIN_SMALL_MS)};
    if (weixin_request_start(&weixin->api, &request, on_ticket, typing, &typing->call) < 0) failed(typing);
    weixin_context_free(token);
}

void weixin_type(struct channel *channel, const char *chat, bool on) {
    struct weixin *weixin = (struct weixin *)channel;
    if (!weixin->bound || weixin->stopping || channel->state != CHANNEL_UP) return;
    struct weixin_typing *typing = entry_of(weixin, chat, on);
    if (!typing) return;
    typing->wanted = on;
    typing->used_ms = now_ms(weixin);
    if (typing->call) return; /* what is under way looks at `wanted` when it ends */
    if (typing->ticket && now_ms(weixin) >= typing->until_ms) forget_ticket(typing);
    if (!on) {
        if (typing->shown && typing->ticket) show(typing, false);
    } else if (typing->ticket) {
        show(typing, true);
    } else if (now_ms(weixin) >= typing->next_try_ms) {
        ask_ticket(typing);
    }
}

void weixin_typing_end(struct weixin *weixin) {
    for (size_t i = 0; i < WEIXIN_TYPING_MAX; i++)
        entry_clear(&weixin->typing[i]);
}
