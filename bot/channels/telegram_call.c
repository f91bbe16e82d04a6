/* One request to the Bot API and its outcome: see telegram_state.h. The URL is wiped as soon as the request is begun.
 */
#include "telegram_state.h"
#include "service_url.h"
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS 60000
#define ANSWER_MAX (4u << 20)
#define TIMEOUT_MIN_MS 3000 /* also when the tests make time fast: answers themselves are not faster */

struct telegram_call {
    struct telegram *telegram;
    const char *method; /* static */
    telegram_done *done;
    void *user;
    struct http_call *call;
    bool side;
    int64_t chat;
    struct telegram_call *next, **at;
};

/* ---- in words ---- */

void telegram_complain(struct telegram *telegram, const char *method, const char *why) {
    char line[sizeof telegram->said[0]];
    snprintf(line, sizeof line, "%s: %s", method, why);
    for (size_t i = 0; i < telegram->said_count; i++)
        if (strcmp(telegram->said[i], line) == 0) return;
    if (telegram->said_count == TELEGRAM_SAID_MAX) return;
    snprintf(telegram->said[telegram->said_count++], sizeof line, "%s", line);
    bot_log(telegram->channel.bot, 1, "telegram: malformed answer of %s (said once)", line);
}

int64_t telegram_backoff_ms(int64_t failures) {
    int64_t base_ms = BACKOFF_FIRST_MS;
    uint32_t random = 0;
    for (int64_t i = 1; i < failures && base_ms < BACKOFF_MAX_MS; i++)
        base_ms *= 2;
    if (base_ms > BACKOFF_MAX_MS) base_ms = BACKOFF_MAX_MS;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) random = UINT32_MAX / 2;
    return service_ms(base_ms / 2 + (int64_t)(random % (uint64_t)base_ms));
}

/* A service that repeats the request's path in its words must not carry the token into a log. */
static void hide_token(const struct telegram *telegram, char *text) {
    const char *token = secret_reveal(&telegram->token), *half = strchr(token, ':');
    if (!half || !half[1]) return;
    for (char *at; (at = strstr(text, half + 1));)
        memset(at, '*', strlen(half + 1));
}

/* ---- the outcome ---- */

static void call_free(struct telegram_call *call) {
    *call->at = call->next;
    if (call->next) call->next->at = call->at;
    free(call);
}

static int code_of(const struct telegram_answer *answer, int status) {
    if (answer->ok) return 200;
    if (answer->error_code >= 400 && answer->error_code < 600) return (int)answer->error_code;
    return status >= 400 ? status : 502;
}

static void on_answer(void *user, const struct http_answer *http) {
    struct telegram_call *call = user;
    struct telegram *telegram = call->telegram;
    struct telegram_reply reply = {.reached = http->reached,
                                   .status = http->status,
                                   .too_large = http->too_large,
                                   .why = http->why};
    const char *wrong = NULL;
    char why[TELEGRAM_WHY_MAX + 32] = "";
    if (http->reached == HTTP_ANSWERED) {
        if (http->too_large)
            wrong = "longer than any answer";
        else if (telegram_answer_decode(http->body, http->size, &reply.answer, &wrong) == TB_OK)
            wrong = NULL;
        reply.code = wrong ? (http->status == 413 || http->status >= 500 ? http->status : 502)
                           : code_of(&reply.answer, http->status);
        if (wrong && http->status != 413) telegram_complain(telegram, call->method, wrong);
        hide_token(telegram, reply.answer.description);
        if (reply.code != 200)
            snprintf(why, sizeof why, "%d %s", reply.code,
                     wrong                         ? wrong
                     : reply.answer.description[0] ? reply.answer.description
                                                   : "without a description");
        reply.why = why;
    }
    if (reply.code == 429 && call->chat && reply.answer.retry_after_s > 0)
        telegram_hold(telegram, call->chat, service_ms((reply.answer.retry_after_s + 1) * 1000));
    telegram_done *done = call->done;
    void *done_user = call->user;
    call_free(call);
    if (done) done(telegram, done_user, &reply);
    telegram_answer_clear(&reply.answer);
}

/* ---- the request ---- */

static char *url_of(const struct telegram *telegram, const char *method) {
    char path[512];
    int length = snprintf(path, sizeof path, "bot%s/%s", secret_reveal(&telegram->token), method);
    char *url = length > 0 && (size_t)length < sizeof path ? service_url_join(telegram->base_url, path) : NULL;
    OPENSSL_cleanse(path, sizeof path);
    return url;
}

static int call_start(struct telegram_call *call, const struct telegram_request *request) {
    struct telegram *telegram = call->telegram;
    char *url = url_of(telegram, request->method);
    if (!url) return TB_ENOMEM;
    int64_t timeout_ms = service_ms(request->timeout_ms);
    struct http_call_options options = {.url = url,
                                        .post = true,
                                        .content_type = request->parts ? NULL : "application/json",
                                        .body = request->json,
                                        .body_size = request->json ? strlen(request->json) : 0,
                                        .parts = request->parts,
                                        .parts_count = request->parts_count,
                                        .timeout_ms = timeout_ms < TIMEOUT_MIN_MS ? TIMEOUT_MIN_MS : timeout_ms,
                                        .answer_max = ANSWER_MAX,
                                        .once = request->once};
    int status = http_call_start(telegram->client, &options, on_answer, call, &call->call);
    OPENSSL_cleanse(url, strlen(url));
    free(url);
    return status;
}

int telegram_call(struct telegram *telegram, const struct telegram_request *request, telegram_done *done, void *user,
                  struct telegram_call **ret_call) {
    struct telegram_call *call = request->json || request->parts ? calloc(1, sizeof *call) : NULL;
    int status = TB_ENOMEM;
    if (call) {
        *call = (struct telegram_call){.telegram = telegram,
                                       .method = request->method,
                                       .done = done,
                                       .user = user,
                                       .side = request->side,
                                       .chat = request->chat,
                                       .next = telegram->calls};
        call->at = &telegram->calls;
        if (call->next) call->next->at = &call->next;
        telegram->calls = call;
        status = call_start(call, request);
        if (status < 0) call_free(call);
    }
    free((char *)(uintptr_t)request->json);
    if (status == TB_OK && ret_call) *ret_call = call;
    return status;
}

void telegram_side_call(struct telegram *telegram, const char *method, int64_t chat, char *json) {
    struct telegram_request request = {.method = method, .json = json, .timeout_ms = 15000, .side = true, .chat = chat};
    size_t count = 0;
    for (struct telegram_call *call = telegram->calls; call; call = call->next)
        count += call->side;
    if (!json || count >= TELEGRAM_SIDE_CALLS_MAX || telegram->phase == TELEGRAM_QUIET)
        free(json);
    else if (telegram_call(telegram, &request, NULL, NULL, NULL) < 0)
        bot_log(telegram->channel.bot, 1, "telegram: %s could not be begun", method);
}

void telegram_call_cancel(struct telegram *telegram, struct telegram_call *call) {
    (void)telegram;
    if (!call) return;
    http_call_cancel(call->call);
    call_free(call);
}

void telegram_calls_free(struct telegram *telegram) {
    for (struct telegram_call *next; telegram->calls; telegram->calls = next) {
        next = telegram->calls->next;
        free(telegram->calls);
    }
}
