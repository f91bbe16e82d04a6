/*
 * fuzz_web.c: the first byte chooses what the rest is: a command's body, a session's body, a page's message, or a path,
 * query, host, origin, cookie and listen address. Nothing may crash, and what is taken must hold its promises.
 */
#include "web_auth.h"
#include "web_body.h"
#include "web_url.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) abort();
}

static void bodies(int which, const char *text, size_t size) {
    char why[200] = "", token[WEB_TOKEN_SIZE];
    struct web_command command;
    struct web_say say;
    bool ok = false;
    if (which == 0 && (ok = web_command_parse(text, size, &command, why, sizeof(why)))) {
        check(command.text && (!command.as[0] || strchr(command.as, ':')));
        web_command_release(&command);
    } else if (which == 1) {
        ok = web_session_parse(text, size, token, sizeof(token), why, sizeof(why));
    } else if (which == 2 && (ok = web_say_parse(text, size, &say, why, sizeof(why)))) {
        check(say.rev >= 0 && say.runs_count <= WEB_WATCH_MAX && (say.kind != SAY_TEXT || (say.text && say.id[0])));
        web_say_release(&say);
    }
    check(ok == !why[0]);
}

static void addresses(const char *text) {
    char name[64], value[32], why[200] = "";
    struct web_path path = web_path_parse(text);
    struct web_query query;
    struct web_token secret = {"0123456789abcdef"};
    int port = 0;
    check(path.route < ROUTES && path.id >= 0);
    web_query_init(&query);
    check(web_query_take(&query, text, why, sizeof(why)) == !why[0]);
    check(query.metrics_count <= WEB_METRICS_MAX && query.points > 0 && query.after >= 0);
    if (web_host_name(text, name, sizeof(name))) check(name[0] && strlen(name) < sizeof(name));
    if (web_host_allowed(text, "127.0.0.1", NULL))
        check(strncasecmp(text, "localhost", 9) == 0 || strncmp(text, "127.", 4) == 0 || strncmp(text, "[", 1) == 0 ||
              strncmp(text, "::1", 3) == 0);
    web_origin_matches(text, "127.0.0.1:8080", false);
    web_cookie_value(text, "trainbot_8080", value, sizeof(value));
    web_bearer(text);
    check(!web_session_valid(&secret, 1, 1800000000, text));
    if (web_listen_parse(text, name, sizeof(name), &port, why, sizeof(why)))
        check(port >= 0 && port <= 65535 && name[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    char *text = malloc(size);
    if (!text) return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    if (data[0] % 4 < 3)
        bodies(data[0] % 4, text, size - 1);
    else
        addresses(text);
    free(text);
    return 0;
}
