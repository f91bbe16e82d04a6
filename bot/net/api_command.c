/*
 * api_command.c: POST /api/command. The answer waits for the outcome, at most 10 s; what comes later reaches the asker
 * as messages. The call outlives its request: when the client leaves, the answers go to the chat.
 */
#include "commands.h"
#include "http_internal.h"
#include "web_body.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_WAIT_MS 10000

struct call {
    struct http_server *server;
    struct http_request *request; /* NULL: nobody waits any more */
    uint64_t id;                  /* of the open request; 0 none */
    uv_timer_t timer;
    struct json_out replies;
    char channel[64], sender[200];
    bool begun, done, ok, detached;
};

static void call_closed(uv_handle_t *handle) {
    struct call *call = handle->data;
    call->server->handles--;
    json_out_release(&call->replies);
    free(call);
}

static void call_end(struct call *call) {
    uv_close((uv_handle_t *)&call->timer, call_closed);
}

static void call_reply(void *user, const struct reply *reply) {
    struct call *call = user;
    struct json_out *out = &call->replies;
    json_open(out, '{');
    if (reply->text) {
        json_key(out, "text");
        json_string(out, reply->text);
    }
    if (reply->image) {
        char path[40];
        snprintf(path, sizeof(path), "/api/images/%lld", (long long)reply->image);
        json_key(out, "image");
        json_string(out, path);
    }
    json_close(out, '}');
}

static void call_answer(struct call *call) {
    struct json_out out = {0};
    json_open(&out, '{');
    json_key(&out, "ok");
    json_bool(&out, call->ok);
    json_key(&out, "replies");
    json_open(&out, '[');
    if (call->replies.bytes) json_raw(&out, call->replies.bytes, call->replies.size);
    out.failed |= call->replies.failed;
    json_close(&out, ']');
    json_close(&out, '}');
    json_text(&out, "\n");
    http_reply_json(call->request, 200, &out);
    call->request = NULL;
}

/* Once request_begin has returned and the outcome is known. */
static void call_finish(struct call *call) {
    if (call->request) call_answer(call);
    call_end(call);
}

static void call_done(void *user, bool ok) {
    struct call *call = user;
    call->done = true;
    call->ok = ok;
    if (call->begun && !call->detached) call_finish(call);
}

static void call_detach(struct call *call) {
    call->detached = true;
    request_detach(http_bot(call->server), call->id);
    call_end(call);
}

static void call_timeout(uv_timer_t *timer) {
    struct call *call = timer->data;
    const struct reply reply = {.text = commands_pending_text(http_bot(call->server), call->id)};
    call_reply(call, &reply);
    call->ok = true;
    if (call->request) call_answer(call);
    call_detach(call);
}

static void call_cancel(void *data) {
    struct call *call = data;
    call->request = NULL;
    if (!call->detached) call_detach(call);
}

static struct call *call_create(struct http_request *request, const struct web_command *command) {
    struct call *call = calloc(1, sizeof(*call));
    if (!call) return NULL;
    const char *as = command->as[0] ? command->as : "web:" WEB_CHAT;
    size_t size = strcspn(as, ":");
    if (size >= sizeof(call->channel)) {
        free(call);
        return NULL;
    }
    memcpy(call->channel, as, size);
    snprintf(call->sender, sizeof(call->sender), "%s", as + size + 1);
    call->server = request->server;
    call->request = request;
    call->server->handles++;
    uv_timer_init(call->server->loop, &call->timer);
    call->timer.data = call;
    return call;
}

static void audit_as(struct bot *bot, const struct web_command *command, int64_t wall_ms) {
    char what[512];
    snprintf(what, sizeof(what), "as %s: %.200s", command->as, command->text);
    const struct audit_record audit = {.t_ms = wall_ms, .who = "web:" WEB_CHAT, .what = what, .outcome = "handed on"};
    if (store_audit_add(bot->ports.store, &audit) < 0) bot_log(bot, 1, "web: an audit row was not written");
}

static void call_begin(struct call *call, const char *text, bool on_behalf) {
    struct bot *bot = http_bot(call->server);
    const struct asker asker = {
        .channel = call->channel,
        .chat = call->sender,
        .sender = call->sender,
        .role = access_role(bot, call->channel, call->sender),
        .reply = call_reply,
        .done = call_done,
        .user = call,
        .on_behalf = on_behalf,
    };
    uint64_t id = request_begin(bot, &asker, text, strlen(text));
    call->begun = true;
    if (call->done || !id) {
        call_finish(call);
        return;
    }
    call->id = id;
    http_wait(call->request, call, call_cancel);
    uv_timer_start(&call->timer, call_timeout, COMMAND_WAIT_MS, 0);
}

void api_command(struct http_request *request) {
    struct web_command command = {0};
    char why[200];
    if (!web_command_parse(request->body ? request->body : "", request->body_size, &command, why, sizeof(why))) {
        http_error(request, 400, "%s", why);
        return;
    }
    struct call *call = call_create(request, &command);
    if (!call) {
        http_error(request, command.as[0] ? 400 : 500, command.as[0] ? "\"as\" names no channel" : "out of memory");
    } else {
        if (command.as[0]) audit_as(http_bot(request->server), &command, http_wall_ms(request->server));
        call_begin(call, command.text, command.as[0] != 0);
    }
    web_command_release(&command);
}
