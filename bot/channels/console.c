/*
 * The console channel and its control socket: see console.h. Always holds: a client of another uid than the daemon's
 * (or root) is turned away; a request whose client leaves is detached, never dropped.
 */
#include "console.h"
#include "commands.h"
#include "console_codec.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HISTORY_MAX 20        /* messages shown to a client that attaches */
#define UNSENT_MAX (4u << 20) /* bytes that may wait for one client */
#define SEEN_KEY "console/seen/"
#define ENDING_LOOK_MS 20 /* a client that has said all: how often we look whether it is answered … */
#define ENDING_LOOKS 600  /* … and how often at most */

struct client {
    union {
        uv_pipe_t pipe;
        uv_tty_t tty;
        uv_stream_t stream;
        uv_handle_t handle;
    } io;
    struct console *console;
    char uid[16];
    char *bytes;
    size_t size, room;
    bool terminal, attached, closing;
    bool ending;           /* it has said all; it goes when it is answered */
    unsigned waits, quiet; /* looks since then; those in a row that found nothing open */
    uint64_t request;      /* open send */
    struct client *next, **at;
};

struct console {
    struct channel channel;
    uv_loop_t *loop;
    uv_pipe_t listener;
    uv_timer_t ending; /* runs while a client is ending */
    char *state_dir, *path;
    bool terminal, closing;
    int handles; /* of our own, open */
    struct client *clients;
    void (*closed)(void *user);
    void *closed_user;
};

/* ---- out ---- */

struct pending_write {
    uv_write_t request;
    char *text;
};

static void client_close(struct client *client);

static void write_done(uv_write_t *request, int status) {
    struct pending_write *pending = (struct pending_write *)request;
    (void)status;
    free(pending->text);
    free(pending);
}

/* Takes text. */
static void client_write(struct client *client, char *text) {
    struct pending_write *pending = text && !client->closing ? malloc(sizeof *pending) : NULL;
    if (!pending || client->io.stream.write_queue_size > UNSENT_MAX) {
        free(text);
        free(pending);
        if (text && !client->closing) client_close(client);
        return;
    }
    pending->text = text;
    uv_buf_t buf = uv_buf_init(text, (unsigned)strlen(text));
    if (uv_write(&pending->request, &client->io.stream, &buf, 1, write_done) < 0) {
        free(text);
        free(pending);
        client_close(client);
    }
}

static void client_send(struct client *client, const struct control_line *line) {
    if (!client->terminal) {
        client_write(client, control_line_encode(line));
        return;
    }
    if (!line->text && !line->image) return;
    char *text = NULL;
    if (asprintf(&text, "%s%s%s\n", line->text ? line->text : "", line->text && line->image ? "\n" : "",
                 line->image ? line->image : "") < 0)
        text = NULL;
    client_write(client, text);
}

static void client_error(struct client *client, const char *why) {
    struct control_line line = {.kind = CONTROL_LINE_ERROR, .text = (char *)(uintptr_t)why};
    client_send(client, &line);
}

struct path_found {
    const char *state_dir;
    char *path;
};

static bool find_path(void *user, const struct image_record *image) {
    struct path_found *found = user;
    if (asprintf(&found->path, "%s/%s", found->state_dir, image->path) < 0) found->path = NULL;
    return false;
}

/* Absolute path of a picture; caller frees; NULL: there is none. */
static char *image_path(struct console *console, int64_t image) {
    struct path_found found = {.state_dir = console->state_dir};
    if (!image || store_image(console->channel.bot->ports.store, image, find_path, &found) < 0) return NULL;
    return found.path;
}

/* ---- one command: `trainbot send` ---- */

static void on_reply(void *user, const struct reply *reply) {
    struct client *client = user;
    struct control_line line = {.kind = CONTROL_LINE_REPLY,
                                .text = (char *)(uintptr_t)reply->text,
                                .image = image_path(client->console, reply->image)};
    client_send(client, &line);
    free(line.image);
}

static void on_done(void *user, bool ok) {
    struct client *client = user;
    client->request = 0;
    struct control_line line = {.kind = CONTROL_LINE_DONE, .ok = ok};
    client_send(client, &line);
}

static void take_send(struct client *client, const struct control_line *line) {
    struct console *console = client->console;
    if (client->request) {
        client_error(client, "one command at a time: the one before is not done");
        return;
    }
    struct asker asker = {.channel = "console",
                          .chat = client->uid,
                          .sender = client->uid,
                          .role = access_role(console->channel.bot, "console", client->uid),
                          .reply = on_reply,
                          .done = on_done,
                          .user = client};
    uint64_t request = request_begin(console->channel.bot, &asker, line->text, line->text_size);
    if (!client->closing) client->request = request;
    if (request && client->closing) request_detach(console->channel.bot, request);
}

/* ---- a conversation: `trainbot chat` and the terminal ---- */

static const char *class_name(enum message_class class) {
    static const char *const names[] = {"inbound", "reply", "alert", "image", "progress"};
    return names[class];
}

static bool send_message(void *user, const struct message_record *message) {
    struct client *client = user;
    if (message->class == MESSAGE_INBOUND) return true;
    struct control_line line = {.kind = CONTROL_LINE_MESSAGE,
                                .id = message->id,
                                .rev = message->rev,
                                .text = (char *)(uintptr_t)message->text,
                                .class = (char *)(uintptr_t)class_name(message->class),
                                .image = image_path(client->console, message->image)};
    client_send(client, &line);
    free(line.image);
    return true;
}

static void note_seen(struct console *console, const char *uid, int64_t rev) {
    char key[64], number[32];
    snprintf(key, sizeof key, SEEN_KEY "%s", uid);
    snprintf(number, sizeof number, "%lld", (long long)rev);
    if (rev > 0 && store_set(console->channel.bot->ports.store, key, number) < 0)
        bot_log(console->channel.bot, 1, "console: what was seen could not be noted");
}

static void attach(struct client *client, int64_t after) {
    struct bot *bot = client->console->channel.bot;
    char key[64], *seen = NULL;
    snprintf(key, sizeof key, SEEN_KEY "%s", client->uid);
    if (after < 0) after = store_get(bot->ports.store, key, &seen) == TB_OK ? strtoll(seen, NULL, 10) : 0;
    free(seen);
    client->attached = session_get(bot, "console", client->uid) != NULL;
    if (store_history(bot->ports.store, "console", client->uid, after, HISTORY_MAX, send_message, client) < 0)
        client_error(client, "what was said before cannot be read");
}

static void take_say(struct client *client, const char *text, size_t size) {
    uint64_t random[2] = {0};
    char id[40];
    if (getrandom(random, sizeof random, 0) != sizeof random) return;
    snprintf(id, sizeof id, "%016llx%016llx", (unsigned long long)random[0], (unsigned long long)random[1]);
    struct inbound inbound = {
        .channel = "console", .chat = client->uid, .sender = client->uid, .service_id = id, .text = text, .size = size};
    if (bot_inbound(client->console->channel.bot, &inbound) < 0)
        client_error(client, "that could not be stored; say it again");
}

static void take_line(struct client *client, const char *text, size_t size) {
    if (client->terminal) {
        if (size > 0) take_say(client, text, size);
        return;
    }
    struct control_line line;
    char why[128];
    if (control_line_decode(text, size, &line, why, sizeof why) < 0) {
        client_error(client, why);
        return;
    }
    if (line.kind == CONTROL_LINE_SEND)
        take_send(client, &line);
    else if (line.kind == CONTROL_LINE_ATTACH)
        attach(client, line.after);
    else if (line.kind == CONTROL_LINE_SAY)
        take_say(client, line.text, line.text_size);
    else
        client_error(client, "type: one of send, attach, say");
    control_line_clear(&line);
}

/* ---- a client that has said all (`echo status | trainbot chat`) ---- */

static void shutdown_done(uv_shutdown_t *request, int status) {
    struct client *client = request->handle->data;
    (void)status;
    free(request);
    if (client->ending) client_close(client);
}

/* Ends a client's session once what was written has left. */
static void client_dismiss(struct client *client) {
    uv_shutdown_t *request = malloc(sizeof *request);
    if (!request || uv_shutdown(request, &client->io.stream, shutdown_done) < 0) {
        free(request);
        client_close(client);
    }
}

/* Answers are written at a turn's end, so there has to be one between two looks that find nothing open. */
static void on_ending(uv_timer_t *timer) {
    struct console *console = timer->data;
    bool more = false;
    for (struct client *client = console->clients, *next; client; client = next) {
        next = client->next;
        if (!client->ending || client->closing || client->waits > ENDING_LOOKS) continue;
        bool busy =
            client->request || (client->attached && commands_busy(console->channel.bot, "console", client->uid));
        client->quiet = busy ? 0 : client->quiet + 1;
        if (client->quiet < 2 && ++client->waits < ENDING_LOOKS) {
            more = true;
            continue;
        }
        client->waits = ENDING_LOOKS + 1;
        client_dismiss(client);
    }
    if (!more) uv_timer_stop(timer);
}

static void client_end(struct client *client) {
    client->ending = true;
    uv_read_stop(&client->io.stream);
    uv_timer_start(&client->console->ending, on_ending, 1, ENDING_LOOK_MS);
}

/* ---- in ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    struct client *client = handle->data;
    (void)suggested;
    if (client->room - client->size < 4096) {
        size_t room = client->room ? client->room * 2 : 8192;
        char *bytes = realloc(client->bytes, room);
        if (bytes) {
            client->bytes = bytes;
            client->room = room;
        }
    }
    *buf = uv_buf_init(client->bytes + client->size, (unsigned)(client->room - client->size));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
    struct client *client = stream->data;
    (void)buf;
    if (count < 0) {
        if (client->terminal)
            uv_read_stop(stream); /* the terminal is gone; the daemon stays */
        else if (count == UV_EOF)
            client_end(client);
        else
            client_close(client);
        return;
    }
    client->size += (size_t)count;
    size_t begin = 0;
    for (char *end; !client->closing && (end = memchr(client->bytes + begin, '\n', client->size - begin));) {
        size_t size = (size_t)(end - client->bytes) - begin;
        take_line(client, client->bytes + begin, size);
        begin += size + 1;
    }
    if (client->closing) return;
    memmove(client->bytes, client->bytes + begin, client->size - begin);
    client->size -= begin;
    if (client->size <= CONTROL_LINE_MAX) return;
    client_error(client, "a line is longer than 4 MiB");
    client->size = 0;
    if (!client->terminal) client_close(client);
}

static void finish_stop(struct console *console) {
    if (!console->closing || console->clients || console->handles) return;
    void (*closed)(void *) = console->closed;
    void *user = console->closed_user;
    free(console->state_dir);
    free(console->path);
    free(console);
    if (closed) closed(user);
}

static void client_closed(uv_handle_t *handle) {
    struct client *client = handle->data;
    struct console *console = client->console;
    *client->at = client->next;
    if (client->next) client->next->at = client->at;
    free(client->bytes);
    free(client);
    finish_stop(console);
}

static void client_close(struct client *client) {
    if (client->closing) return;
    client->closing = true;
    if (client->request) request_detach(client->console->channel.bot, client->request);
    client->request = 0;
    uv_close(&client->io.handle, client_closed);
}

static struct client *client_add(struct console *console) {
    struct client *client = calloc(1, sizeof *client);
    if (!client) return NULL;
    client->console = console;
    client->next = console->clients;
    client->at = &console->clients;
    if (client->next) client->next->at = &client->next;
    console->clients = client;
    client->io.handle.data = client;
    return client;
}

static void client_drop(struct client *client) { /* before its handle was initialised */
    *client->at = client->next;
    if (client->next) client->next->at = client->at;
    free(client);
}

static bool peer_uid(uv_pipe_t *pipe, uid_t *ret_uid) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)pipe, &fd) < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return false;
    *ret_uid = peer.uid;
    return peer.uid == geteuid() || peer.uid == 0;
}

static void on_connection(uv_stream_t *listener, int status) {
    struct console *console = listener->data;
    struct client *client = status < 0 || console->closing ? NULL : client_add(console);
    if (!client) return;
    if (uv_pipe_init(console->loop, &client->io.pipe, 0) < 0) {
        client_drop(client);
        return;
    }
    client->io.handle.data = client;
    uid_t uid = 0;
    bool good = uv_accept(listener, &client->io.stream) == 0 && peer_uid(&client->io.pipe, &uid);
    snprintf(client->uid, sizeof client->uid, "%u", geteuid());
    if (!good || uv_read_start(&client->io.stream, on_alloc, on_read) < 0) {
        client_close(client);
        return;
    }
    struct control_line hello = {.kind = CONTROL_LINE_HELLO, .text = (char *)(uintptr_t)TRAINBOT_VERSION};
    client_send(client, &hello);
}

/* ---- the channel ---- */

static bool terminal_is_ours(void) {
    return isatty(0) && isatty(1) && tcgetpgrp(0) == getpgrp();
}

static void start_terminal(struct console *console) {
    if (!console->terminal || !terminal_is_ours()) return;
    struct client *client = client_add(console);
    if (!client) return;
    if (uv_tty_init(console->loop, &client->io.tty, 0, 1) < 0) {
        client_drop(client);
        return;
    }
    client->io.handle.data = client;
    client->terminal = true;
    snprintf(client->uid, sizeof client->uid, "%u", geteuid());
    attach(client, -1);
    if (uv_read_start(&client->io.stream, on_alloc, on_read) < 0) client_close(client);
}

static void handle_closed(uv_handle_t *handle) {
    struct console *console = handle->data;
    console->handles--;
    finish_stop(console);
}

static int console_start(struct channel *channel, char *why, size_t why_size) {
    struct console *console = (struct console *)channel;
    if (strlen(console->path) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        snprintf(why, why_size, "%s: a socket's path has at most %zu bytes; choose a shorter state_dir", console->path,
                 sizeof((struct sockaddr_un *)0)->sun_path - 1);
        return TB_ERANGE;
    }
    if (uv_pipe_init(console->loop, &console->listener, 0) < 0) return TB_ENOMEM;
    uv_timer_init(console->loop, &console->ending);
    console->listener.data = console->ending.data = console;
    console->handles = 2;
    (void)unlink(console->path);
    mode_t mask = umask(0177);
    int status = uv_pipe_bind(&console->listener, console->path);
    umask(mask);
    if (status == 0) status = uv_listen((uv_stream_t *)&console->listener, 64, on_connection);
    if (status < 0) {
        snprintf(why, why_size, "%s: %s", console->path, uv_strerror(status));
        return TB_EIO; /* stop closes the handles */
    }
    start_terminal(console);
    return TB_OK;
}

static void console_send(struct channel *channel, const struct outgoing *message) {
    struct console *console = (struct console *)channel;
    struct control_line line = {.kind = CONTROL_LINE_MESSAGE,
                                .id = message->message,
                                .rev = message->rev,
                                .text = (char *)(uintptr_t)message->text,
                                .image = (char *)(uintptr_t)message->image_path,
                                .class = (char *)(uintptr_t)class_name((enum message_class)message->message_class)};
    bool seen = false;
    for (struct client *client = console->clients; client; client = client->next) {
        if (!client->attached || client->closing || strcmp(client->uid, message->chat) != 0) continue;
        client_send(client, &line);
        seen = true;
    }
    if (seen && message->message_class != MESSAGE_PROGRESS) note_seen(console, message->chat, message->rev);
    struct sent sent = {.status = SENT_OK};
    outbox_done(channel->bot, message->message, &sent);
}

static void console_logout(struct channel *channel, const char *chat) {
    struct console *console = (struct console *)channel;
    for (struct client *client = console->clients; client; client = client->next) {
        if (strcmp(client->uid, chat) != 0 || client->closing) continue;
        if (client->terminal && channel->bot->ports.quit)
            channel->bot->ports.quit(channel->bot->ports.user);
        else if (client->attached)
            client_end(client); /* after the answer */
    }
}

static void console_describe(const struct channel *channel, enum lang lang, char *text, size_t size) {
    const struct console *console = (const struct console *)channel;
    size_t attached = 0;
    for (const struct client *client = console->clients; client; client = client->next)
        attached += client->attached;
    snprintf(text, size, lang == LANG_ZH ? "接入 %zu 个" : "%zu attached", attached);
}

static void console_stop(struct channel *channel, void (*closed)(void *user), void *user) {
    struct console *console = (struct console *)channel;
    console->closing = true;
    console->closed = closed;
    console->closed_user = user;
    for (struct client *client = console->clients, *next; client; client = next) {
        next = client->next;
        client_close(client);
    }
    if (console->handles == 0)
        finish_stop(console);
    else {
        uv_close((uv_handle_t *)&console->listener, handle_closed);
        uv_close((uv_handle_t *)&console->ending, handle_closed);
    }
}

static const struct channel_ops console_ops = {.name = "console",
                                               .start = console_start,
                                               .send = console_send,
                                               .logout = console_logout,
                                               .describe = console_describe,
                                               .stop = console_stop};

int console_create(uv_loop_t *loop, const char *state_dir, bool terminal, struct channel **ret_channel) {
    struct console *console = calloc(1, sizeof *console);
    if (!console) return TB_ENOMEM;
    console->channel.ops = &console_ops;
    console->channel.traits = (struct channel_traits){.edit = true, .image = true, .buttons = false, .history = true};
    console->loop = loop;
    console->terminal = terminal;
    console->state_dir = strdup(state_dir);
    if (!console->state_dir || asprintf(&console->path, "%s/control.sock", state_dir) < 0) {
        free(console->state_dir);
        free(console);
        return TB_ENOMEM;
    }
    *ret_channel = &console->channel;
    return TB_OK;
}
