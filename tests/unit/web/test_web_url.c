/*
 * test_web_url.c: which paths, queries, hosts, origins and cookies mean what, and which mean nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "web_url.h"
#include <string.h>

static void paths(void **state) {
    static const struct {
        const char *path;
        enum web_route route;
        int64_t id;
    } rows[] = {
        {"/", ROUTE_PAGE, 0},
        {"/app.js", ROUTE_PAGE, 0},
        {"/healthz", ROUTE_HEALTH, 0},
        {"/metrics", ROUTE_METRICS, 0},
        {"/api/session", ROUTE_SESSION, 0},
        {"/api/runs", ROUTE_RUNS, 0},
        {"/api/channels", ROUTE_CHANNELS, 0},
        {"/api/channels/1", ROUTE_UNKNOWN_API, 0},
        {"/api/runs/7", ROUTE_RUN, 7},
        {"/api/runs/123456789012345678", ROUTE_RUN, 123456789012345678},
        {"/api/runs/7/metrics.csv", ROUTE_CSV, 7},
        {"/api/runs/7/plot.png", ROUTE_PLOT_PNG, 7},
        {"/api/runs/7/plot.svg", ROUTE_PLOT_SVG, 7},
        {"/api/runs/7/series.json", ROUTE_SERIES, 7},
        {"/api/images/12", ROUTE_IMAGE, 12},
        {"/api/command", ROUTE_COMMAND, 0},
        {"/api/history", ROUTE_HISTORY, 0},
        {"/api/runs/", ROUTE_UNKNOWN_API, 0},
        {"/api/runs/07", ROUTE_UNKNOWN_API, 0},
        {"/api/runs/-1", ROUTE_UNKNOWN_API, 0},
        {"/api/runs/7x", ROUTE_UNKNOWN_API, 0},
        {"/api/runs/9999999999999999999", ROUTE_UNKNOWN_API, 0},
        {"/api/runs/7/", ROUTE_UNKNOWN_API, 0},
        {"/api/runs/7/metrics.csv/x", ROUTE_UNKNOWN_API, 0},
        {"/api/images/../1", ROUTE_UNKNOWN_API, 0},
        {"/api/", ROUTE_UNKNOWN_API, 0},
        {"/api", ROUTE_UNKNOWN_API, 0},
        {"*", ROUTE_NONE, 0},
        {"", ROUTE_NONE, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct web_path path = web_path_parse(rows[i].path);
        if (path.route != rows[i].route || path.id != rows[i].id)
            fail_msg("%s: route %d id %lld", rows[i].path, (int)path.route, (long long)path.id);
    }
}

static bool take(struct web_query *query, const char *piece) {
    char why[200] = "";
    bool ok = web_query_take(query, piece, why, sizeof(why));
    assert_int_equal(ok, why[0] == 0);
    return ok;
}

static void queries(void **state) {
    struct web_query query;
    (void)state;
    web_query_init(&query);
    assert_int_equal(query.points, 400);
    assert_true(take(&query, "metrics=loss,acc,"));
    assert_int_equal(query.metrics_count, 2);
    assert_string_equal(query.metrics[1], "acc");
    assert_true(take(&query, "width=780"));
    assert_true(take(&query, "dark=1"));
    assert_true(take(&query, "lang=zh"));
    assert_true(take(&query, "after=9223372036854775807"));
    assert_true(take(&query, "nobody-knows-this=1"));
    assert_true(take(&query, "flag"));
    assert_int_equal(query.width, 780);
    assert_true(query.dark);
    assert_string_equal(query.lang, "zh");
    assert_int_equal(query.after, INT64_MAX);
    assert_false(take(&query, "width=99"));
    assert_false(take(&query, "width=4001"));
    assert_false(take(&query, "width=1e3"));
    assert_false(take(&query, "width="));
    assert_false(take(&query, "points=0"));
    assert_false(take(&query, "after=-1"));
    assert_false(take(&query, "after=99999999999999999999"));
    assert_false(take(&query, "metrics=a,b,c,d,e,f,g"));
    assert_true(take(&query, "dark=0"));
    assert_false(query.dark);
}

static void hosts(void **state) {
    char name[64];
    (void)state;
    assert_true(web_host_name("LocalHost:80", name, sizeof(name)));
    assert_string_equal(name, "localhost");
    assert_true(web_host_name("[::1]:8080", name, sizeof(name)));
    assert_string_equal(name, "::1");
    assert_false(web_host_name("", name, sizeof(name)));
    assert_false(web_host_name(":80", name, sizeof(name)));
    assert_false(web_host_name("[::1", name, sizeof(name)));
    assert_false(web_host_name("a:80x", name, sizeof(name)));
    assert_false(web_host_name("a b", name, sizeof(name)));
    assert_false(web_host_name("user@a", name, sizeof(name)));
    assert_true(web_host_allowed("127.0.0.1:8080", "127.0.0.1", NULL));
    assert_true(web_host_allowed("localhost", "127.0.0.1", NULL));
    assert_true(web_host_allowed("LOCALHOST:1", "::1", NULL));
    assert_true(web_host_allowed("192.168.1.5:8080", "192.168.1.5", NULL));
    assert_true(web_host_allowed("192.168.1.5", "::ffff:192.168.1.5", NULL));
    assert_true(web_host_allowed("bot.example:443", "10.0.0.1", "other.example, BOT.example"));
    assert_false(web_host_allowed("evil.example", "127.0.0.1", NULL));
    assert_false(web_host_allowed("evil.example", "127.0.0.1", "bot.example"));
    assert_false(web_host_allowed("127.0.0.1.evil.example", "127.0.0.1", NULL));
    assert_false(web_host_allowed("localhost", "192.168.1.5", NULL));
    assert_false(web_host_allowed("127.0.0.1", "192.168.1.5", NULL));
    assert_false(web_host_allowed("bot", "10.0.0.1", "bot.example"));
}

static void origins(void **state) {
    (void)state;
    assert_true(web_origin_matches("http://127.0.0.1:8080", "127.0.0.1:8080", false));
    assert_true(web_origin_matches("HTTPS://bot.example", "bot.example", true));
    assert_false(web_origin_matches("http://127.0.0.1:8080", "127.0.0.1:8081", false));
    assert_false(web_origin_matches("http://127.0.0.1:8080", "127.0.0.1:8080", true));
    assert_false(web_origin_matches("https://127.0.0.1:8080", "127.0.0.1:8080", false));
    assert_false(web_origin_matches("null", "127.0.0.1:8080", false));
    assert_false(web_origin_matches("http://evil.example", "127.0.0.1:8080", false));
    assert_false(web_origin_matches("http://127.0.0.1:8080.evil.example", "127.0.0.1:8080", false));
}

static void cookies(void **state) {
    char value[16];
    (void)state;
    assert_true(web_cookie_value("a=1; trainbot_80=xyz; b=2", "trainbot_80", value, sizeof(value)));
    assert_string_equal(value, "xyz");
    assert_true(web_cookie_value("trainbot_80=", "trainbot_80", value, sizeof(value)));
    assert_string_equal(value, "");
    assert_false(web_cookie_value("xtrainbot_80=1", "trainbot_80", value, sizeof(value)));
    assert_false(web_cookie_value("trainbot_8080=1", "trainbot_80", value, sizeof(value)));
    assert_false(web_cookie_value("", "trainbot_80", value, sizeof(value)));
    assert_false(web_cookie_value("trainbot_80=aaaaaaaaaaaaaaaaaaaaaaa", "trainbot_80", value, sizeof(value)));
    assert_string_equal(web_bearer("Bearer  abc"), "abc");
    assert_string_equal(web_bearer("bearer abc"), "abc");
    assert_null(web_bearer("Basic abc"));
    assert_null(web_bearer("Bearerabc"));
}

static void listens(void **state) {
    char host[64], why[200];
    int port = -1;
    (void)state;
    assert_true(web_listen_parse("127.0.0.1:8080", host, sizeof(host), &port, why, sizeof(why)));
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(port, 8080);
    assert_true(web_listen_parse("[::1]:0", host, sizeof(host), &port, why, sizeof(why)));
    assert_string_equal(host, "::1");
    assert_int_equal(port, 0);
    static const char *const wrong[] = {
        "",      "8080",     "127.0.0.1", "127.0.0.1:",   "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80x",
        ":8080", "::1:8080", "[]:80",     "127.0.0.1: 80"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (web_listen_parse(wrong[i], host, sizeof(host), &port, why, sizeof(why))) fail_msg("taken: %s", wrong[i]);
        assert_non_null(strstr(why, "127.0.0.1:8080"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),   cmocka_unit_test(queries), cmocka_unit_test(hosts),
        cmocka_unit_test(origins), cmocka_unit_test(cookies), cmocka_unit_test(listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
