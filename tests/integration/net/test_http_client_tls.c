/*
 * Whom the client trusts: openssl's own server with certificates of a CA made for the test. Nothing is sent to a server
 * that cannot show that it is the one asked for.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "net_calls.h"
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static struct net_fixture net;
static char dir[32], ca_file[64];

static int set_up(void **state) {
    (void)state;
    net_begin(&net);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    net_end(&net);
    return 0;
}

static int shell(const char *format, ...) {
    char command[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof command, format, list);
    va_end(list);
    return system(command); /* fixed words and the folder that mkdtemp named */
}

/* `ca` signs itself, and a certificate for this address, one for another name, and one that is out of date. */
static int make_certificates(void **state) {
    (void)state;
    strcpy(dir, "/tmp/net-tls-XXXXXX");
    if (!mkdtemp(dir)) return -1;
    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", dir);
    int failed =
        shell("cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=test-ca "
              "-days 2 -keyout ca.key -out ca.pem 2>log",
              dir);
    static const char *const names[][3] = {{"right", "IP:127.0.0.1,DNS:localhost", "2"},
                                           {"other", "DNS:example.test", "2"},
                                           {"old", "IP:127.0.0.1", "-1"}};
    for (size_t i = 0; i < 3 && !failed; i++)
        failed =
            shell("cd %s && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%s -keyout %s.key "
                  "-out %s.csr 2>>log && echo 'subjectAltName=%s' >%s.ext && openssl x509 -req -in %s.csr -CA ca.pem "
                  "-CAkey ca.key -CAcreateserial -days %s -extfile %s.ext -out %s.pem 2>>log",
                  dir, names[i][0], names[i][0], names[i][0], names[i][1], names[i][0], names[i][0], names[i][2],
                  names[i][0], names[i][0]);
    return failed ? -1 : 0;
}

static int remove_certificates(void **state) {
    (void)state;
    return shell("rm -r %s", dir);
}

struct tls_server {
    pid_t pid;
    FILE *said;
    char url[64];
};

/* openssl s_server with a certificate; `more` is one further option. -www answers every GET with a page. */
static void server_start(struct tls_server *server, const char *name, const char *more) {
    char cert[64], key[64], line[256];
    int pipe_ends[2];
    snprintf(cert, sizeof cert, "%s/%s.pem", dir, name);
    snprintf(key, sizeof key, "%s/%s.key", dir, name);
    char *argv[] = {"openssl", "s_server",           "-accept", "127.0.0.1:0", "-www", "-cert", cert, "-key",
                    key,       (char *)(size_t)more, NULL,      NULL,          NULL};
    if (more && strcmp(more, "-tls1_1") == 0) argv[10] = "-cipher", argv[11] = "DEFAULT@SECLEVEL=0";
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawnp(&server->pid, "openssl", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_ends[1]);
    server->said = fdopen(pipe_ends[0], "r");
    server->url[0] = 0;
    while (!server->url[0] && fgets(line, sizeof line, server->said)) {
        int port;
        if (sscanf(line, "ACCEPT 127.0.0.1:%d", &port) == 1)
            snprintf(server->url, sizeof server->url, "https://127.0.0.1:%d/", port);
    }
    assert_true(server->url[0]);
}

static void server_stop(struct tls_server *server) {
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    fclose(server->said);
}

static void use_ca(const char *path) {
    net_close_client(&net);
    struct http_client_options options = {.loop = &net.loop, .ca_file = path};
    assert_int_equal(http_client_create(&options, &net.client), TB_OK);
}

static void check(const char *name, const char *more, const char *ca, enum http_reached reached, const char *why) {
    struct tls_server server;
    server_start(&server, name, more);
    use_ca(ca);
    for (int once = 0; once < 2; once++) {
        struct net_kept kept = net_call(&net, (struct http_call_options){.url = server.url, .once = once});
        if (kept.reached != reached) print_error("%s: %s\n", name, kept.why);
        assert_int_equal(kept.reached, reached);
        assert_string_equal(kept.why, why);
        assert_int_equal(kept.status, reached == HTTP_ANSWERED ? 200 : 0);
        assert_false(kept.timed_out);
    }
    server_stop(&server);
}

#define DISTRUSTED "the server's certificate is not one to trust"

static void test_trusted(void **state) {
    (void)state;
    check("right", NULL, ca_file, HTTP_ANSWERED, "");
    check("right", "-tls1_2", ca_file, HTTP_ANSWERED, "");
    check("right", "-tls1_3", ca_file, HTTP_ANSWERED, "");
}

static void test_not_trusted(void **state) {
    (void)state;
    check("right", NULL, NULL, HTTP_NOT_SENT, DISTRUSTED); /* the system knows nothing of this CA */
    check("other", NULL, ca_file, HTTP_NOT_SENT, DISTRUSTED);
    check("old", NULL, ca_file, HTTP_NOT_SENT, DISTRUSTED);
}

static void test_old_protocol(void **state) {
    (void)state;
    check("right", "-tls1_1", ca_file, HTTP_NOT_SENT, "no encrypted connection could be made");
}

static void test_no_ca_file(void **state) {
    (void)state;
    check("right", NULL, "/nowhere/ca.pem", HTTP_NOT_SENT, "the file of trusted certificates (ca_file) cannot be read");
}

/* No TLS on the other side, or none that comes to an end. */
static void test_no_tls(void **state) {
    (void)state;
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/ok", net.server.port);
    net.server.on_accept = NET_CLOSE;
    struct net_kept kept = net_call(&net, (struct http_call_options){.url = url});
    assert_int_equal(kept.reached, HTTP_NOT_SENT);
    net.server.on_accept = NET_SILENT;
    struct http_call_options late = {.url = url, .connect_timeout_ms = 150};
    kept = net_call(&net, late);
    assert_int_equal(kept.reached, HTTP_NOT_SENT);
    assert_true(kept.timed_out);
    assert_string_equal(kept.why, "no connection in time");
    struct tls_server server;
    server_start(&server, "right", NULL);
    memmove(server.url + 4, server.url + 5, strlen(server.url + 5) + 1); /* http:// to a TLS port */
    kept = net_call(&net, (struct http_call_options){.url = server.url});
    assert_int_not_equal(kept.reached, HTTP_NOT_SENT);
    server_stop(&server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_trusted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_trusted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_old_protocol, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_ca_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_tls, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
