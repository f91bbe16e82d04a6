/* Addresses that services, or people who would like to be one, hand over. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "service_url.h"
#include <stdlib.h>
#include <string.h>

static const char *const domains[] = {"weixin.qq.com", "wechat.com", NULL};

static void test_parse(void **state) {
    (void)state;
    static const struct {
        const char *text, *scheme, *host;
        int port;
        const char *path;
        bool secure, loopback;
    } good[] = {
        {"https://weixin.qq.com", "https", "weixin.qq.com", 443, "", true, false},
        {"https://weixin.qq.com/", "https", "weixin.qq.com", 443, "/", true, false},
        {"HTTPS://Weixin.QQ.Com:8443/A?b=c@d:e", "https", "weixin.qq.com", 8443, "/A?b=c@d:e", true, false},
        {"http://127.0.0.1:1/x", "http", "127.0.0.1", 1, "/x", false, true},
        {"http://127.255.0.9", "http", "127.255.0.9", 80, "", false, true},
        {"http://128.0.0.1", "http", "128.0.0.1", 80, "", false, false},
        {"ws://LocalHost:65535/a", "ws", "localhost", 65535, "/a", false, true},
        {"wss://[::1]/p", "wss", "::1", 443, "/p", true, true},
        {"wss://[0:0:0:0:0:0:0:1]:99/p", "wss", "::1", 99, "/p", true, true},
        {"https://[2001:DB8::1]", "https", "2001:db8::1", 443, "", true, false},
        {"http://[::ffff:127.0.0.1]/", "http", "::ffff:127.0.0.1", 80, "/", false, false},
        {"https://xn--fiqs8s.example", "https", "xn--fiqs8s.example", 443, "", true, false},
        {"https://localhost.example.com/", "https", "localhost.example.com", 443, "/", true, false},
        {"https://127.0.0.1.example.com/", "https", "127.0.0.1.example.com", 443, "/", true, false},
        {"https://a/b//c?d#", NULL, NULL, 0, NULL, false, false},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct service_url url = {.port = -7};
        bool ok = service_url_parse(good[i].text, &url);
        assert_int_equal(ok, good[i].scheme != NULL);
        if (!ok) {
            assert_int_equal(url.port, -7); /* untouched */
            continue;
        }
        assert_string_equal(url.scheme, good[i].scheme);
        assert_string_equal(url.host, good[i].host);
        assert_int_equal(url.port, good[i].port);
        assert_string_equal(url.path, good[i].path);
        assert_int_equal(url.secure, good[i].secure);
        assert_int_equal(url.loopback, good[i].loopback);
    }
}

static void test_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "/",
                                      "weixin.qq.com",
                                      "//weixin.qq.com",
                                      "https:weixin.qq.com",
                                      "https:/weixin.qq.com",
                                      "https://",
                                      "https:///x",
                                      "https://?x",
                                      "https://:443/",
                                      "ftp://weixin.qq.com",
                                      "httpss://weixin.qq.com",
                                      " https://a.b",
                                      "https://a.b ",
                                      "https://a b/",
                                      "https://a.b/x y",
                                      "https://a\tb/",
                                      "https://a.b/\n",
                                      "https://a.b/\x01",
                                      "https://a.b/\x7f",
                                      "https://user@weixin.qq.com",
                                      "https://user:pw@weixin.qq.com/",
                                      "https://weixin.qq.com@evil.com/",
                                      "https://@weixin.qq.com/",
                                      "https://weixin.qq.com\\@evil.com",
                                      "https://evil.com\\.weixin.qq.com",
                                      "https:\\\\weixin.qq.com",
                                      "https://a.b/\\x",
                                      "https://weixin.qq.com./",
                                      "https://.weixin.qq.com",
                                      "https://weixin..qq.com",
                                      "https://a.b:0/",
                                      "https://a.b:70000/",
                                      "https://a.b:65536",
                                      "https://a.b:/",
                                      "https://a.b:-1/",
                                      "https://a.b:+1/",
                                      "https://a.b:1x/",
                                      "https://a.b:000443/",
                                      "https://a.b:4 /",
                                      "https://weixin%2eqq.com/",
                                      "https://%77eixin.qq.com",
                                      "https://evil.com%2f.weixin.qq.com",
                                      "https://weixin.qq.com%00.evil.com",
                                      "https://\xe4\xb8\xad\xe6\x96\x87.com",
                                      "https://weixin\xe3\x80\x82qq.com",
                                      "https://a.b/\xe4\xb8\xad",
                                      "https://weixin.qq.com#@evil.com",
                                      "https://weixin.qq.com?@evil.com",
                                      "https://a.b?x",
                                      "https://a.b/#x",
                                      "https://127.1/",
                                      "https://2130706433/",
                                      "https://0x7f000001/",
                                      "https://0x7f.1/",
                                      "https://0177.0.0.1/",
                                      "https://127.0.0.01/",
                                      "https://127.0.0.256/",
                                      "https://1.2.3.4.5/",
                                      "https://a.0x/",
                                      "https://[::1",
                                      "https://::1/",
                                      "https://[]/",
                                      "https://[::1]x/",
                                      "https://[::1]@a/",
                                      "https://[fe80::1%25eth0]/",
                                      "https://[fe80::1%eth0]/",
                                      "https://[127.0.0.1]/",
                                      "https://[::1]:/",
                                      "https://[a.b]/",
                                      "https://a[::1]/",
                                      "https://a,b/",
                                      "https://a;b/",
                                      "https://a'b/",
                                      "https://a!b/",
                                      "https://(a)/",
                                      "https://a=b/",
                                      "https://a*b/",
                                      "javascript://weixin.qq.com",
                                      "https://1234567890123456789012345678901234567890123456789012345678901234.com/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct service_url url;
        if (service_url_parse(bad[i], &url)) fail_msg("%s was taken, as %s", bad[i], url.host);
        assert_false(service_url_allowed(bad[i], domains, true));
    }
    struct service_url url;
    assert_false(service_url_parse(NULL, &url));
    char *text = malloc(4098);
    memset(text, 'a', 4097);
    memcpy(text, "https://a/", 10);
    text[4096] = 0;
    assert_true(service_url_parse(text, &url));
    text[4096] = 'a';
    text[4097] = 0;
    assert_false(service_url_parse(text, &url));
    memset(text + 8, 'a', 300);
    for (size_t i = 8 + 60; i < 308; i += 60)
        text[i] = '.';
    text[308] = 0;
    assert_false(service_url_parse(text, &url)); /* a host of 300 */
    text[8 + 253] = 0;
    assert_true(service_url_parse(text, &url));
    free(text);
}

static void test_allowed(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool usual, at_loopback;
    } cases[] = {
        {"https://weixin.qq.com/x", true, true},
        {"https://WEIXIN.qq.COM", true, true},
        {"https://novac2c.cdn.weixin.qq.com:8080/c2c?x=1", true, true},
        {"wss://a.wechat.com/", true, true},
        {"http://weixin.qq.com/x", false, false},
        {"ws://weixin.qq.com/x", false, false},
        {"https://weixin.qq.com.evil.com/", false, false},
        {"https://evilweixin.qq.com/", false, false},
        {"https://qq.com/", false, false},
        {"https://evil.com/weixin.qq.com", false, false},
        {"https://evil.com/?.weixin.qq.com", false, false},
        {"https://weixin.qq.com-evil.com", false, false},
        {"https://127.0.0.1/", false, true},
        {"http://127.0.0.1:99/", false, true},
        {"http://localhost/", false, true},
        {"http://[::1]/", false, true},
        {"http://localhost.evil.com/", false, false},
        {"http://10.0.0.1/", false, false},
        {"https://169.254.169.254/", false, false},
        {"http://[::ffff:127.0.0.1]/", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (service_url_allowed(cases[i].text, domains, false) != cases[i].usual ||
            service_url_allowed(cases[i].text, domains, true) != cases[i].at_loopback)
            fail_msg("%s", cases[i].text);
    }
    static const char *const none[] = {"", NULL};
    assert_false(service_url_allowed("https://a.b/", none, false));
}

static void test_base(void **state) {
    (void)state;
    char why[256] = "";
    assert_true(service_url_base("https://api.telegram.org", NULL, why, sizeof why));
    assert_true(service_url_base("https://weixin.qq.com", domains, why, sizeof why));
    assert_true(service_url_base("http://127.0.0.1:9", domains, why, sizeof why));
    assert_true(service_url_base("ws://localhost:9/x", NULL, why, sizeof why));
    assert_string_equal(why, "");
    assert_false(service_url_base("http://api.telegram.org", NULL, why, sizeof why));
    assert_non_null(strstr(why, "https://api.telegram.org is"));
    assert_false(service_url_base("ws://a.wechat.com", domains, why, sizeof why));
    assert_non_null(strstr(why, "wss://a.wechat.com is"));
    assert_false(service_url_base("https://example.org", domains, why, sizeof why));
    assert_non_null(strstr(why, "weixin.qq.com, wechat.com"));
    assert_false(service_url_base("https://me:word@weixin.qq.com", domains, why, sizeof why));
    assert_null(strstr(why, "word@"));
    char small[8];
    assert_false(service_url_base("https://example.org", domains, small, sizeof small));
    assert_int_equal(strlen(small), 7);
}

static void check_join(const char *base, const char *path, const char *wanted) {
    char *text = service_url_join(base, path);
    assert_string_equal(text, wanted);
    free(text);
}

static void test_join_and_escape(void **state) {
    (void)state;
    check_join("https://a", "b", "https://a/b");
    check_join("https://a/", "/b", "https://a/b");
    check_join("https://a//", "//b?c=/", "https://a/b?c=/");
    check_join("https://a/p/", "b/c", "https://a/p/b/c");
    check_join("https://a", "", "https://a/");
    char *text = service_url_escape("aZ09-._~ /?#&=+%\n\x7f\xe4\xb8\xad");
    assert_string_equal(text, "aZ09-._~%20%2F%3F%23%26%3D%2B%25%0A%7F%E4%B8%AD");
    free(text);
    text = service_url_escape("");
    assert_string_equal(text, "");
    free(text);
}

static void test_speed(void **state) {
    (void)state;
    static const struct {
        const char *speed;
        int64_t ms, wanted;
    } cases[] = {{NULL, 35000, 35000},
                 {"", 35000, 35000},
                 {"100", 35000, 350},
                 {"1", 5, 5},
                 {"2.5", 10, 4},
                 {"1000", 10, 1},
                 {"1e300", INT64_MAX, 1},
                 {"0.5", 10, 10},
                 {"-3", 10, 10},
                 {"nan", 10, 10},
                 {"inf", 10, 10},
                 {"10x", 10, 10},
                 {"fast", 10, 10},
                 {"10", 0, 0},
                 {"10", -50, -50},
                 {"0", 10, 10},
                 {NULL, INT64_MAX, INT64_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].speed)
            setenv("TRAINBOT_TEST_SPEED", cases[i].speed, 1);
        else
            unsetenv("TRAINBOT_TEST_SPEED");
        assert_int_equal(service_ms(cases[i].ms), cases[i].wanted);
    }
    unsetenv("TRAINBOT_TEST_SPEED");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse), cmocka_unit_test(test_refused),         cmocka_unit_test(test_allowed),
        cmocka_unit_test(test_base),  cmocka_unit_test(test_join_and_escape), cmocka_unit_test(test_speed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
