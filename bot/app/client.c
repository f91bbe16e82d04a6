/*
 * `trainbot send` and `trainbot chat`: plain blocking clients of the daemon's control socket. Answers go to stdout, why
 * there are none goes to stderr.
 */
#include "app.h"
#include "console_codec.h"
#include "text.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct client {
    int fd;
    char *bytes;
    size_t size, room;
};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int client_open(struct client *client, const struct app_options *options) {
    struct config *config = app_config(options);
    if (!config) return EXIT_REFUSED;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock", config->settings.state_dir);
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int code = EXIT_DONE;
    if (length < 0 || (size_t)length >= sizeof address.sun_path || client->fd < 0 ||
        connect(client->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        fprintf(stderr, "trainbot: no bot answers at %s/control.sock (%s); trainbot serve starts one\n",
                config->settings.state_dir, strerror(errno));
        code = EXIT_NO_BOT;
    }
    config_free(config);
    return code;
}

static void client_shut(struct client *client) {
    if (client->fd >= 0) close(client->fd);
    free(client->bytes);
}

static int client_write(struct client *client, const struct control_line *line) {
    char *text = control_line_encode(line);
    size_t size = text ? strlen(text) : 0, sent = 0;
    while (sent < size) {
        ssize_t count = send(client->fd, text + sent, size - sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        sent += (size_t)count;
    }
    free(text);
    return size > 0 && sent == size ? 0 : -1;
}

/* Reads what is there. 0: the bot went away. */
static int client_fill(struct client *client) {
    if (client->room - client->size < 4096) {
        size_t room = client->room ? client->room * 2 : 16384;
        char *bytes = room > 2 * (size_t)CONTROL_LINE_MAX ? NULL : realloc(client->bytes, room);
        if (!bytes) return -1;
        client->bytes = bytes;
        client->room = room;
    }
    ssize_t count = recv(client->fd, client->bytes + client->size, client->room - client->size, 0);
    if (count < 0 && errno == EINTR) return 1;
    if (count <= 0) return 0;
    client->size += (size_t)count;
    return 1;
}

/* The next whole line as a struct; false: none yet. */
static bool client_next(struct client *client, struct control_line *ret_line) {
    char why[128];
    for (char *end; client->size && (end = memchr(client->bytes, '\n', client->size));) {
        size_t size = (size_t)(end - client->bytes);
        int status = control_line_decode(client->bytes, size, ret_line, why, sizeof why);
        client->size -= size + 1;
        memmove(client->bytes, end + 1, client->size);
        if (status == TB_OK) return true;
    }
    return false;
}

static void print_answer(const char *text, const char *image) {
    if (text && text[0]) printf("%s\n", text);
    if (image) printf("%s\n", image);
    fflush(stdout);
}

/* Negative: go on; else the exit code. */
static int send_step(const struct control_line *line, void (*answer)(const char *text, const char *image)) {
    if (line->kind == CONTROL_LINE_REPLY) answer(line->text, line->image);
    if (line->kind == CONTROL_LINE_DONE) return line->ok ? EXIT_DONE : EXIT_REFUSED;
    if (line->kind == CONTROL_LINE_ERROR) {
        fprintf(stderr, "trainbot: %s\n", line->text ? line->text : "");
        return EXIT_REFUSED;
    }
    return -1;
}

static int send_wait(struct client *client, int64_t timeout_s, void (*answer)(const char *text, const char *image)) {
    int64_t until_ms = timeout_s ? now_ms() + timeout_s * 1000 : 0;
    for (;;) {
        struct control_line line;
        while (client_next(client, &line)) {
            int code = send_step(&line, answer);
            control_line_clear(&line);
            if (code >= 0) return code;
        }
        int64_t left_ms = until_ms ? until_ms - now_ms() : -1;
        if (until_ms && left_ms <= 0) {
            fprintf(stderr, "trainbot: no outcome within %lld s; the command stands, its outcome follows in the chat\n",
                    (long long)timeout_s);
            return EXIT_TIME;
        }
        struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
        int ready = poll(&poll_fd, 1, (int)left_ms);
        if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
        if (client_fill(client) <= 0) {
            fprintf(stderr, "trainbot: the bot went away before the outcome was known\n");
            return EXIT_NO_BOT;
        }
    }
}

int client_ask(const struct app_options *options, const char *text,
               void (*answer)(const char *text, const char *image)) {
    struct client client = {.fd = -1};
    struct control_line line = {.kind = CONTROL_LINE_SEND, .text = (char *)(uintptr_t)text};
    int code = client_open(&client, options);
    if (code == EXIT_DONE && client_write(&client, &line) < 0) {
        fprintf(stderr, "trainbot: the command could not be sent: %s\n", strerror(errno));
        code = EXIT_NO_BOT;
    }
    if (code == EXIT_DONE) code = send_wait(&client, options->timeout_s, answer);
    client_shut(&client);
    return code;
}

int send_main(const struct app_options *options) {
    if (options->words_count == 0) {
        fprintf(stderr, "trainbot: send what? As in: trainbot send status\n");
        return EXIT_USAGE;
    }
    size_t size = 1;
    for (size_t i = 0; i < options->words_count; i++)
        size += strlen(options->words[i]) + 1;
    char *text = calloc(1, size);
    for (size_t i = 0; text && i < options->words_count; i++) {
        if (i) strcat(text, " ");
        strcat(text, options->words[i]);
    }
    int code = text ? client_ask(options, text, print_answer) : EXIT_REFUSED;
    free(text);
    return code;
}

/* ---- chat ---- */

/* On a terminal a progress message is rewritten in place of a scroll of them: only what is newest of each class shows.
 */
static void chat_print(struct client *client) {
    struct control_line line;
    while (client_next(client, &line)) {
        if (line.kind == CONTROL_LINE_ERROR)
            fprintf(stderr, "trainbot: %s\n", line.text ? line.text : "");
        else if (line.kind == CONTROL_LINE_MESSAGE || line.kind == CONTROL_LINE_REPLY)
            print_answer(line.text, line.image);
        control_line_clear(&line);
    }
}

/* Whole lines of standard input; false at its end. */
static bool chat_say(struct client *client) {
    char *text = NULL;
    size_t room = 0;
    ssize_t size = getline(&text, &room, stdin);
    if (size <= 0) {
        free(text);
        return false;
    }
    while (size && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        text[--size] = 0;
    struct control_line line = {.kind = CONTROL_LINE_SAY, .text = text};
    bool good = size == 0 || client_write(client, &line) == 0;
    free(text);
    return good;
}

int chat_main(const struct app_options *options) {
    struct client client = {.fd = -1};
    int code = client_open(&client, options);
    struct control_line attach = {.kind = CONTROL_LINE_ATTACH, .after = -1};
    if (code == EXIT_DONE && client_write(&client, &attach) < 0) code = EXIT_NO_BOT;
    setvbuf(stdin, NULL, _IONBF, 0); /* poll and stdio must agree on what is still unread */
    bool input = true;
    while (code == EXIT_DONE) {
        struct pollfd fds[2] = {{.fd = client.fd, .events = POLLIN}, {.fd = input ? 0 : -1, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR) break;
        if (fds[1].revents && !chat_say(&client)) {
            input = false;
            shutdown(client.fd, SHUT_WR);
        }
        if (!fds[0].revents) continue;
        int filled = client_fill(&client);
        chat_print(&client);
        if (filled <= 0) {
            if (input) fprintf(stderr, "trainbot: the bot went away\n");
            code = input ? EXIT_NO_BOT : EXIT_DONE;
            break;
        }
    }
    client_shut(&client);
    return code;
}
