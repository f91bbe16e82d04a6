/*
 * api_session.c: the swap of the link's token for a cookie, and the end of all cookies. The number that cookies hang on
 * (the generation) stands in the store, so that a logout outlives a restart.
 */
#include "http_internal.h"
#include "web_body.h"
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GENERATION_KEY "web/generation"

int64_t http_generation(struct http_server *server) {
    if (!server->generation_known) {
        char *text = NULL;
        server->generation = 1;
        if (store_get(http_bot(server)->ports.store, GENERATION_KEY, &text) == TB_OK)
            server->generation = strtoll(text, NULL, 10);
        free(text);
        server->generation_known = true;
    }
    return server->generation;
}

void http_server_logout(struct http_server *server) {
    struct bot *bot = http_bot(server);
    char text[24];
    server->generation = http_generation(server) + 1;
    snprintf(text, sizeof(text), "%" PRId64, server->generation);
    if (store_set(bot->ports.store, GENERATION_KEY, text) < 0)
        bot_log(bot, 1, "web: the logout will be forgotten at a restart: the database cannot be written");
    if (bot->ports.wake) bot->ports.wake(bot->ports.user);
    pages_logout(server);
}

static void set_cookie(struct http_request *request, const char *value, int64_t max_age_s) {
    http_header(request, "set-cookie:", "%s=%s; Path=/; Max-Age=%" PRId64 "; HttpOnly; SameSite=Strict%s",
                request->server->cookie_name, value, max_age_s, request->tls ? "; Secure" : "");
}

static void stranger(struct http_request *request) {
    struct http_server *server = request->server;
    server->counts.refused++;
    int wait_s = web_wrong_count(&server->wrong, request->peer, http_mono_ms(server));
    if (wait_s) http_header(request, "retry-after:", "%d", wait_s);
    http_error(request, wait_s ? 429 : 401, wait_s ? "too many wrong tokens, wait a minute" : "this link is not valid");
}

/* With a token: a cookie. Without a body's token but with a cookie that is still good: tells so. */
void api_session(struct http_request *request) {
    struct http_server *server = request->server;
    char token[WEB_TOKEN_SIZE + 1], value[WEB_SESSION_SIZE], why[200];
    if (!web_session_parse(request->body ? request->body : "", request->body_size, token, sizeof(token), why,
                           sizeof(why))) {
        http_error(request, 400, "%s", why);
        return;
    }
    bool right = web_token_matches(&server->token, token);
    OPENSSL_cleanse(token, sizeof(token));
    if (!right) {
        stranger(request);
        return;
    }
    if (web_session_make(&server->token, http_generation(server), http_wall_ms(server) / 1000, value, sizeof(value)) <
        0) {
        http_error(request, 500, "no random bytes");
        return;
    }
    set_cookie(request, value, (int64_t)WEB_SESSION_DAYS * 86400);
    static const char ok[] = "{\"ok\":true}\n";
    http_reply_fixed(request, 200, "application/json; charset=utf-8", ok, sizeof(ok) - 1);
}

void api_logout(struct http_request *request) {
    static const char ok[] = "{\"ok\":true}\n";
    set_cookie(request, "", 0);
    http_reply_fixed(request, 200, "application/json; charset=utf-8", ok, sizeof(ok) - 1);
    http_server_logout(request->server);
}
