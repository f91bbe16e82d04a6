/*
 * The login's state machine: see weixin_login.h.
 *
 *   FETCH → WAIT ── expired, blocked ──→ FETCH (three codes in all, then FAILED)
 *            │ scaned → WAIT · need_verifycode → asked, then WAIT with the number · redirect → WAIT at another host
 *            └ confirmed → account written, DONE · binded_redirect → ALREADY · 480 s → FAILED
 *
 * Always holds: at most one request is under way; nothing is said after DONE, ALREADY or FAILED.
 */
#include "weixin_login.h"
#include "said.h"
#include "service_url.h"
#include "weixin_account.h"
#include "weixin_codec.h"
#include "weixin_request.h"
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CODES_MAX 3
#define FETCH_FAILURES_MAX 5
#define FETCH_MS 30000
#define FETCH_PAUSE_MS 2000
#define POLL_MS 35000
#define POLL_PAUSE_MS 1000
#define TOTAL_MS 480000
#define NUMBER_MAX 16 /* digits */

struct weixin_login {
    char *state_dir, *base_url;
    bool zh, loopback;
    void (*event)(void *user, enum weixin_login_event event, const char *text);
    void *user;
    struct weixin_api api; /* base_url: where the status is asked */
    struct http_call *call;
    uv_timer_t pause, limit;
    struct weixin_code code;
    char number[NUMBER_MAX + 1];
    int codes, failures;
    bool asks, scanned, over, closing;
    char waiting[160]; /* the last network error that was told */
    int handles;
    void (*closed)(void *user);
    void *closed_user;
};

static void fetch(struct weixin_login *login);
static void poll_status(struct weixin_login *login);

/* ---- ends ---- */

static void end(struct weixin_login *login, enum weixin_login_event event, const char *text) {
    if (login->over) return;
    login->over = true;
    uv_timer_stop(&login->pause);
    uv_timer_stop(&login->limit);
    http_call_cancel(login->call);
    login->call = NULL;
    login->event(login->user, event, text);
}

static void fail(struct weixin_login *login, const char *zh, const char *en) {
    end(login, WEIXIN_LOGIN_FAILED, login->zh ? zh : en);
}

static void on_limit(uv_timer_t *timer) {
    fail(timer->data, "等了 8 分钟还没有确认登录。要再试,请重新运行这个命令。",
         "nobody confirmed the login within 8 minutes; to try again, run this command again");
}

static void on_fetch(uv_timer_t *timer) {
    fetch(timer->data);
}
static void on_poll(uv_timer_t *timer) {
    poll_status(timer->data);
}
static void after(struct weixin_login *login, uv_timer_cb cb, int64_t ms) {
    if (!login->over && !login->closing) uv_timer_start(&login->pause, cb, (uint64_t)ms, 0);
}

/* Tells a person what does not work, once per reason. */
static void tell_waiting(struct weixin_login *login, const char *why) {
    if (strcmp(login->waiting, why) == 0) return;
    snprintf(login->waiting, sizeof login->waiting, "%s", why);
    login->event(login->user, WEIXIN_LOGIN_WAITING, login->waiting);
}

/* Why an answer is none; "" where it is one. */
static const char *trouble(const struct http_answer *answer) {
    if (answer->reached == HTTP_ANSWERED && answer->status >= 200 && answer->status < 300 && !answer->too_large)
        return "";
    return answer->why[0] ? answer->why : "no answer";
}

/* ---- a code ---- */

static void fetch_failed(struct weixin_login *login, const char *why) {
    char text[500], said[300];
    if (++login->failures < FETCH_FAILURES_MAX) {
        tell_waiting(login, why);
        after(login, on_fetch, service_ms(FETCH_PAUSE_MS));
        return;
    }
    snprintf(text, sizeof text,
             login->zh ? "拿不到登录码:%s。请检查网络后重新运行。"
                       : "no login code could be had: %s; check the network and run it again",
             said_in(why, login->zh ? LANG_ZH : LANG_EN, said, sizeof said));
    end(login, WEIXIN_LOGIN_FAILED, text);
}

static void on_code(void *user, const struct http_answer *answer) {
    struct weixin_login *login = user;
    struct weixin_odd odd = {{0}};
    struct weixin_code code;
    const char *why = trouble(answer);
    login->call = NULL;
    if (!why[0] && weixin_decode_code(answer->body, answer->size, &code, &odd) < 0)
        why = odd.text[0] ? odd.text : "out of memory";
    if (why[0]) {
        fetch_failed(login, why);
        return;
    }
    weixin_code_clear(&login->code);
    login->code = code;
    login->codes++;
    login->failures = 0;
    login->waiting[0] = 0;
    login->event(login->user, WEIXIN_LOGIN_CODE, login->code.address);
    after(login, on_poll, 0);
}

static char *code_request(struct weixin_login *login) {
    struct weixin_account accounts[WEIXIN_TOKENS_MAX];
    const char *tokens[WEIXIN_TOKENS_MAX];
    size_t count = weixin_accounts(login->state_dir, accounts);
    for (size_t i = 0; i < count; i++)
        tokens[i] = secret_reveal(&accounts[i].token);
    char *body = weixin_encode_code_request(tokens, count);
    for (size_t i = 0; i < count; i++)
        weixin_account_clear(&accounts[i]);
    return body;
}

/* Codes are always asked for at the configured base, whatever an earlier one was redirected to. */
static void fetch(struct weixin_login *login) {
    char *base = strdup(login->base_url);
    struct weixin_request request = {.path = "get_bot_qrcode?bot_type=3",
                                     .body = base ? code_request(login) : NULL,
                                     .timeout_ms = weixin_limit_ms(FETCH_MS)};
    if (base) {
        free(login->api.base_url);
        login->api.base_url = base;
    }
    int status = weixin_request_start(&login->api, &request, on_code, login, &login->call);
    if (status < 0) fetch_failed(login, tb_error_text(status));
}

static void renew(struct weixin_login *login, const char *why) {
    login->number[0] = 0;
    login->scanned = login->asks = false;
    if (login->codes >= CODES_MAX) {
        fail(login, "三个码都没有用上,没有登录。要再试,请重新运行这个命令。",
             "three codes passed without a login; to try again, run this command again");
        return;
    }
    login->event(login->user, WEIXIN_LOGIN_RENEWED, why);
    after(login, on_fetch, 0);
}

/* ---- confirmed ---- */

static int64_t wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void store(struct weixin_login *login, struct weixin_account *account, enum weixin_login_event event) {
    char why[300];
    account->saved_ms = wall_ms();
    if (weixin_account_save(login->state_dir, account, why, sizeof why) < 0)
        end(login, WEIXIN_LOGIN_FAILED, why);
    else
        end(login, event, account->user_id);
}

static void confirmed(struct weixin_login *login, const struct weixin_code_status *status) {
    struct weixin_account account = {.saved_ms = 0};
    if (!status->bot_id || !status->bot_token) {
        fail(login, "服务确认了登录,却没有给出账号。请重新运行这个命令。",
             "the service confirmed the login but named no account; run this command again");
        return;
    }
    if (secret_set(&account.token, status->bot_token, strlen(status->bot_token)) < 0) {
        fail(login, "内存不够。", "out of memory");
        return;
    }
    snprintf(account.bot_id, sizeof account.bot_id, "%s", status->bot_id);
    snprintf(account.user_id, sizeof account.user_id, "%s", status->user_id ? status->user_id : "");
    if (status->base_url && service_url_allowed(status->base_url, weixin_domains, login->loopback))
        snprintf(account.base_url, sizeof account.base_url, "%s", status->base_url);
    store(login, &account, WEIXIN_LOGIN_DONE);
    weixin_account_clear(&account);
}

/* One of the tokens that we named is good for this person: the account, else the newest of the old ones. Writing it
 * again makes a running bot try it. */
static void bound(struct weixin_login *login) {
    struct weixin_account accounts[WEIXIN_TOKENS_MAX];
    size_t count = weixin_accounts(login->state_dir, accounts);
    if (count > 0)
        store(login, &accounts[0], WEIXIN_LOGIN_ALREADY);
    else
        fail(login, "这个微信已绑在别的机器人上,而这里没有它的账号。请先在手机上解除绑定。",
             "this WeChat is bound to another bot whose account is not here; unbind it on the phone first");
    for (size_t i = 0; i < count; i++)
        weixin_account_clear(&accounts[i]);
}

/* ---- the code's status ---- */

static void redirect(struct weixin_login *login, const char *host) {
    char *url = NULL;
    if (host && asprintf(&url, "%s://%s", strncmp(login->base_url, "http:", 5) == 0 ? "http" : "https", host) < 0)
        url = NULL;
    if (host && url && strcspn(host, "/?#@\\") == strlen(host) &&
        service_url_allowed(url, weixin_domains, login->loopback)) {
        free(login->api.base_url);
        login->api.base_url = url;
        url = NULL;
    } else if (host) {
        fail(login, "服务要转到一个不属于它的地址,没有照做。",
             "the service named an address that is not its own; not followed");
    }
    free(url);
    after(login, on_poll, service_ms(POLL_PAUSE_MS));
}

static void ask_number(struct weixin_login *login) {
    bool again = login->number[0] != 0;
    login->number[0] = 0;
    login->asks = true;
    login->event(login->user, WEIXIN_LOGIN_NUMBER, again ? "again" : NULL);
}

static void take_status(struct weixin_login *login, const struct weixin_code_status *status) {
    switch (status->state) {
    case WEIXIN_CODE_NUMBER:
        ask_number(login);
        return;
    case WEIXIN_CODE_BLOCKED:
        renew(login, "blocked");
        return;
    case WEIXIN_CODE_EXPIRED:
        renew(login, NULL);
        return;
    case WEIXIN_CODE_REDIRECT:
        redirect(login, status->redirect_host);
        return;
    case WEIXIN_CODE_BOUND:
        bound(login);
        return;
    case WEIXIN_CODE_CONFIRMED:
        confirmed(login, status);
        return;
    case WEIXIN_CODE_SCANNED:
        login->number[0] = 0;
        if (!login->scanned) {
            login->scanned = true;
            login->event(login->user, WEIXIN_LOGIN_SCANNED, NULL);
        }
        break;
    case WEIXIN_CODE_WAIT:
        break;
    }
    after(login, on_poll, service_ms(POLL_PAUSE_MS));
}

/* Errors of any kind count as "not yet": the code is asked about again. */
static void on_status(void *user, const struct http_answer *answer) {
    struct weixin_login *login = user;
    struct weixin_odd odd = {{0}};
    struct weixin_code_status status;
    const char *why = trouble(answer);
    bool timed_out = answer->timed_out && answer->reached != HTTP_NOT_SENT;
    login->call = NULL;
    if (!why[0] && weixin_decode_code_status(answer->body, answer->size, &status, &odd) == TB_OK) {
        login->waiting[0] = 0;
        take_status(login, &status);
        weixin_code_status_clear(&status);
        return;
    }
    if (!timed_out) tell_waiting(login, why[0] ? why : odd.text[0] ? odd.text : "out of memory");
    after(login, on_poll, service_ms(POLL_PAUSE_MS));
}

static void poll_status(struct weixin_login *login) {
    char *code = service_url_escape(login->code.id), *number = service_url_escape(login->number), *path = NULL;
    int status = TB_ENOMEM;
    if (code && number &&
        asprintf(&path, "get_qrcode_status?qrcode=%s%s%s", code, number[0] ? "&verify_code=" : "", number) >= 0) {
        struct weixin_request request = {.path = path, .get = true, .timeout_ms = weixin_limit_ms(POLL_MS)};
        status = weixin_request_start(&login->api, &request, on_status, login, &login->call);
        OPENSSL_cleanse(path, strlen(path));
        free(path);
    }
    if (code) OPENSSL_cleanse(code, strlen(code));
    free(code);
    free(number);
    if (status < 0) {
        tell_waiting(login, tb_error_text(status));
        after(login, on_poll, service_ms(POLL_PAUSE_MS));
    }
}

void weixin_login_number(struct weixin_login *login, const char *digits) {
    if (!login->asks || login->over || login->closing) return;
    size_t count = 0;
    for (const char *at = digits; *at && count < NUMBER_MAX; at++)
        if (*at >= '0' && *at <= '9') login->number[count++] = *at;
    login->number[count] = 0;
    if (count == 0) return;
    login->asks = false;
    after(login, on_poll, 0);
}

/* ---- begin and end ---- */

static void login_free(void *user) {
    struct weixin_login *login = user;
    void (*closed)(void *) = login->closed;
    void *closed_user = login->closed_user;
    weixin_code_clear(&login->code);
    free(login->api.base_url);
    free(login->state_dir);
    free(login->base_url);
    free(login);
    if (closed) closed(closed_user);
}

static void timer_closed(uv_handle_t *handle) {
    struct weixin_login *login = handle->data;
    if (--login->handles == 0) http_client_close(login->api.client, login_free, login);
}

void weixin_login_close(struct weixin_login *login, void (*closed)(void *user), void *user) {
    login->over = login->closing = true;
    login->closed = closed;
    login->closed_user = user;
    http_call_cancel(login->call);
    login->call = NULL;
    uv_close((uv_handle_t *)&login->pause, timer_closed);
    uv_close((uv_handle_t *)&login->limit, timer_closed);
}

int weixin_login_start(const struct weixin_options *options,
                       void (*event)(void *user, enum weixin_login_event event, const char *text), void *user,
                       struct weixin_login **ret_login) {
    struct weixin_login *login = calloc(1, sizeof *login);
    if (!login) return TB_ENOMEM;
    struct http_client_options http = {.loop = options->loop, .ca_file = options->ca_file, .proxy = options->proxy};
    struct service_url base;
    uint32_t version = 0;
    login->state_dir = strdup(options->state_dir);
    login->base_url = strdup(options->base_url);
    login->zh = options->lang == LANG_ZH;
    login->event = event;
    login->user = user;
    login->loopback = service_url_parse(options->base_url, &base) && base.loopback;
    int status = weixin_version(options->client_version, &version) ? TB_OK : TB_EINVAL;
    snprintf(login->api.version, sizeof login->api.version, "%u", version);
    if (status == TB_OK)
        status = login->state_dir && login->base_url ? http_client_create(&http, &login->api.client) : TB_ENOMEM;
    if (status < 0) {
        free(login->state_dir);
        free(login->base_url);
        free(login);
        return status;
    }
    uv_timer_init(options->loop, &login->pause);
    uv_timer_init(options->loop, &login->limit);
    login->pause.data = login->limit.data = login;
    login->handles = 2;
    uv_timer_start(&login->limit, on_limit, (uint64_t)service_ms(TOTAL_MS), 0);
    after(login, on_fetch, 0);
    *ret_login = login;
    return TB_OK;
}
