/*
 * What goes out: messages, edits, pictures, and what became of them in core's words. See telegram_state.h. Always
 * holds: each message handed over ends in exactly one outbox_done, while the channel lives.
 */
#include "telegram_state.h"
#include "service_url.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define SEND_MS 30000
#define UPLOAD_MS 120000
#define PHOTO_MAX (10u << 20)    /* bytes that sendPhoto takes … */
#define DOCUMENT_MAX (50u << 20) /* … and sendDocument */

struct telegram_send {
    struct telegram *telegram;
    struct outgoing message; /* its texts live until outbox_done */
    char chat_text[24];
    int64_t chat;
    int64_t edits; /* id of the message to change; 0: a new one */
    bool document; /* the picture goes as a file */
    bool asks;     /* carried the question whether to stop */
    int64_t era;
    struct telegram_send *next, **at;
};

/* ---- where it goes ---- */

void telegram_moved(struct telegram *telegram, int64_t from, int64_t to) {
    char from_text[24], to_text[24];
    if (from == to) return;
    telegram->moves[telegram->moves_count++ % TELEGRAM_MOVES_MAX] = (struct telegram_move){from, to};
    snprintf(from_text, sizeof from_text, "%" PRId64, from);
    snprintf(to_text, sizeof to_text, "%" PRId64, to);
    channel_chat_moved(&telegram->channel, from_text, to_text);
}

/* The chat's id now. At most as many steps as there are moves, as a hostile service could name a circle. */
static bool chat_of(const struct telegram *telegram, const char *text, int64_t *ret_chat) {
    if (!telegram_id_parse(text, ret_chat)) return false;
    for (size_t i = 0; i < TELEGRAM_MOVES_MAX && i < telegram->moves_count; i++)
        if (telegram->moves[i].from == *ret_chat) *ret_chat = telegram->moves[i].to;
    return true;
}

/* ---- who has to wait ---- */

int64_t telegram_hold_ms(const struct telegram *telegram, int64_t chat) {
    int64_t now_ms = telegram_mono_ms(telegram), until_ms = telegram->hold_all_ms;
    for (size_t i = 0; i < telegram->holds_count; i++)
        if (telegram->holds[i].chat == chat && telegram->holds[i].until_ms > until_ms)
            until_ms = telegram->holds[i].until_ms;
    return until_ms > now_ms ? until_ms - now_ms : 0;
}

/* 429. A second chat that hears it while another one waits: the limit is the bot's, and all wait. */
void telegram_hold(struct telegram *telegram, int64_t chat, int64_t ms) {
    int64_t now_ms = telegram_mono_ms(telegram), until_ms = now_ms + ms;
    bool others = false;
    size_t kept = 0;
    for (size_t i = 0; i < telegram->holds_count; i++) {
        const struct telegram_hold *held = &telegram->holds[i];
        if (held->until_ms <= now_ms) continue;
        if (held->chat != chat)
            others = true;
        else if (held->until_ms > until_ms)
            until_ms = held->until_ms;
        if (held->chat != chat) telegram->holds[kept++] = *held;
    }
    telegram->holds_count = kept;
    if (kept < TELEGRAM_HOLDS_MAX) telegram->holds[telegram->holds_count++] = (struct telegram_hold){chat, until_ms};
    if (others && until_ms > telegram->hold_all_ms) telegram->hold_all_ms = until_ms;
}

bool telegram_sending_to(const struct telegram *telegram, const char *chat) {
    for (const struct telegram_send *send = telegram->sends; send; send = send->next)
        if (strcmp(send->chat_text, chat) == 0) return true;
    return false;
}

/* ---- the end of a send ---- */

static void send_free(struct telegram_send *send) {
    *send->at = send->next;
    if (send->next) send->next->at = send->at;
    free(send);
}

void telegram_sends_free(struct telegram *telegram) {
    for (struct telegram_send *next; telegram->sends; telegram->sends = next) {
        next = telegram->sends->next;
        free(telegram->sends);
    }
}

/* Frees send. The chat's new id, if it got one, is told after the outcome, so that the message goes there. */
static void finish(struct telegram_send *send, const struct sent *sent, int64_t moved_to) {
    struct telegram *telegram = send->telegram;
    int64_t message = send->message.message, chat = send->chat, edits = send->asks ? 0 : send->edits;
    char to[24];
    snprintf(to, sizeof to, "%s", send->chat_text);
    send_free(send);
    outbox_done(telegram->channel.bot, message, sent);
    if (moved_to) telegram_moved(telegram, chat, moved_to);
    if (edits) telegram_ask_again(telegram, chat, edits);
    if (telegram->leaving_chat[0] && strcmp(telegram->leaving_chat, to) == 0) telegram_left(telegram);
}

static void finish_as(struct telegram_send *send, enum sent_status status, const char *why) {
    const struct sent sent = {.status = status, .why = why};
    finish(send, &sent, 0);
}

static void finish_later(struct telegram_send *send, int64_t retry_ms, const char *why) {
    const struct sent sent = {.status = SENT_RETRY, .retry_ms = retry_ms, .chat_held = retry_ms > 0, .why = why};
    finish(send, &sent, 0);
}

static bool says(const struct telegram_reply *reply, const char *piece) {
    return strcasestr(reply->answer.description, piece) != NULL;
}

/* ---- outcomes ---- */

static void sent_ok(struct telegram_send *send, const struct telegram_reply *reply) {
    char id[24] = "";
    const char *why = NULL;
    int64_t message = send->edits;
    if (!message && telegram_sent_decode(&reply->answer, &message, &why) < 0)
        telegram_complain(send->telegram, "a send", why); /* it was sent all the same; it cannot be changed later */
    if (message) snprintf(id, sizeof id, "%" PRId64, message);
    const struct sent sent = {.status = SENT_OK, .service_id = id[0] ? id : NULL};
    finish(send, &sent, 0);
}

static void sent_limited(struct telegram_send *send, const struct telegram_reply *reply) {
    int64_t wait_ms = reply->answer.retry_after_s > 0 ? service_ms((reply->answer.retry_after_s + 1) * 1000) : 0;
    finish_later(send, wait_ms, reply->why);
}

static int upload(struct telegram_send *send);

/* The picture as a file, which may be larger and of any shape; or not at all. */
static void try_document(struct telegram_send *send, const char *why) {
    int status = TB_EINVAL;
    if (!send->document) {
        send->document = true;
        status = upload(send);
    }
    if (status < 0) finish_as(send, SENT_NO_IMAGE, why);
}

/* Rights may forbid pictures and allow words. */
static bool refuses_image(const struct telegram_reply *reply) {
    return says(reply, "not enough rights to send photos") || says(reply, "not enough rights to send documents") ||
           says(reply, "SEND_PHOTOS_FORBIDDEN") || says(reply, "SEND_DOCS_FORBIDDEN") ||
           says(reply, "SEND_MEDIA_FORBIDDEN");
}

static bool refuses_chat(const struct telegram_reply *reply) {
    return says(reply, "chat not found") || says(reply, "user not found") || says(reply, "PEER_ID_INVALID") ||
           says(reply, "WRITE_FORBIDDEN") || says(reply, "not enough rights") || says(reply, "have no rights") ||
           says(reply, "chat was deleted") || says(reply, "SEND_PLAIN_FORBIDDEN");
}

/* 400: wording changes, so pieces of it are looked for. */
static void sent_bad(struct telegram_send *send, const struct telegram_reply *reply) {
    bool image = send->message.image_path && !send->edits;
    if (reply->answer.migrate_to && send->chat < 0) {
        const struct sent sent = {.status = SENT_RETRY, .retry_ms = 1, .why = reply->why};
        finish(send, &sent, reply->answer.migrate_to);
    } else if (send->edits && says(reply, "message is not modified")) {
        sent_ok(send, reply);
    } else if (send->edits && (says(reply, "message to edit") || says(reply, "can't be edited") ||
                               says(reply, "MESSAGE_ID_INVALID"))) {
        const struct sent sent = {.status = SENT_RETRY, .edit_gone = true, .why = reply->why};
        finish(send, &sent, 0);
    } else if (image && refuses_image(reply)) {
        finish_as(send, SENT_NO_IMAGE, reply->why);
    } else if (image && (says(reply, "PHOTO_INVALID_DIMENSIONS") || says(reply, "too big") ||
                         says(reply, "too large") || says(reply, "IMAGE_PROCESS_FAILED"))) {
        try_document(send, reply->why);
    } else if (refuses_chat(reply)) {
        finish_as(send, SENT_CLOSED, reply->why);
    } else {
        finish_as(send, SENT_REFUSED, reply->why);
    }
}

/* No answer that tells. A message may have been sent; an edit may be repeated whatever became of it. */
static void sent_unclear(struct telegram_send *send, const struct telegram_reply *reply, bool certainly_not) {
    bool again = certainly_not || send->edits;
    const struct sent sent = {.status = again ? SENT_RETRY : SENT_UNCERTAIN, .service_down = true, .why = reply->why};
    finish(send, &sent, 0);
}

/* A picture that the service stumbles over a second time is told in words, as it would hold up all that waits behind
 * it. */
static bool upsets(struct telegram *telegram, int64_t message) {
    for (size_t i = 0; i < TELEGRAM_UPSET_MAX && i < telegram->upset_count; i++)
        if (telegram->upset[i] == message) return true;
    telegram->upset[telegram->upset_count++ % TELEGRAM_UPSET_MAX] = message;
    return false;
}

static void on_sent(struct telegram *telegram, void *user, const struct telegram_reply *reply) {
    struct telegram_send *send = user;
    bool image = send->message.image_path && !send->edits;
    if (reply->reached != HTTP_ANSWERED) {
        sent_unclear(send, reply, reply->reached == HTTP_NOT_SENT);
    } else if (reply->code == 200) {
        sent_ok(send, reply);
    } else if (reply->code == 429) {
        sent_limited(send, reply);
    } else if (reply->code == 401 || reply->code == 404) {
        bool ours = send->era == telegram->era;
        finish_later(send, 0, reply->why);
        if (ours) telegram_token_refused(telegram, reply->code); /* else it was said of an earlier token */
    } else if (image && (reply->code == 413 || (reply->code == 403 && refuses_image(reply)))) {
        if (reply->code == 413)
            try_document(send, reply->why);
        else
            finish_as(send, SENT_NO_IMAGE, reply->why);
    } else if (reply->code == 403) {
        finish_as(send, SENT_CLOSED, reply->why);
    } else if (reply->code >= 500 && image && upsets(telegram, send->message.message)) {
        finish_as(send, SENT_NO_IMAGE, reply->why);
    } else if (reply->code >= 500) {
        sent_unclear(send, reply, false);
    } else {
        sent_bad(send, reply);
    }
}

/* ---- beginning one ---- */

static int say(struct telegram_send *send) {
    struct telegram *telegram = send->telegram;
    const struct outgoing *message = &send->message;
    char *text = telegram_clean(message->text ? message->text : ""), *json = NULL;
    char *keyboard = telegram_keyboard(telegram, send->chat, send->edits, message->run, message->buttons, &send->asks);
    if (text && (keyboard || !message->buttons)) {
        struct telegram_out out = {.chat = send->chat,
                                   .message = send->edits,
                                   .text = text,
                                   .silent = message->message_class == MESSAGE_PROGRESS,
                                   .keyboard = keyboard};
        json = telegram_encode_message(&out);
    }
    free(text);
    free(keyboard);
    struct telegram_request request = {.method = send->edits ? "editMessageText" : "sendMessage",
                                       .json = json,
                                       .timeout_ms = SEND_MS,
                                       .chat = send->chat,
                                       .once = send->edits == 0};
    return telegram_call(telegram, &request, on_sent, send, NULL);
}

/* A whole file of at most DOCUMENT_MAX bytes; caller frees. NULL: it cannot be sent. */
static char *read_image(const char *path, size_t *ret_size) {
    FILE *file = fopen(path, "re");
    struct stat about;
    char *bytes = NULL;
    if (file && fstat(fileno(file), &about) == 0 && about.st_size > 0 && about.st_size <= (off_t)DOCUMENT_MAX)
        bytes = malloc((size_t)about.st_size);
    if (bytes && fread(bytes, 1, (size_t)about.st_size, file) != (size_t)about.st_size) {
        free(bytes);
        bytes = NULL;
    }
    if (bytes) *ret_size = (size_t)about.st_size;
    if (file) fclose(file);
    return bytes;
}

/* "loss.png", "loss.jpg" … The service shows a file's name, and takes for a picture only what is named as one. */
static void name_image(const struct telegram_send *send, char *name, size_t size) {
    const char *mime = send->message.image_mime ? send->message.image_mime : "", *kind = strrchr(mime, '/');
    kind = kind ? kind + 1 : "png";
    if (strcmp(kind, "jpeg") == 0) kind = "jpg";
    size_t letters = strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789");
    snprintf(name, size, "loss.%.*s", letters ? (int)(letters < 8 ? letters : 8) : 3, letters ? kind : "png");
}

static int upload_bytes(struct telegram_send *send, const char *bytes, size_t size) {
    const struct outgoing *message = &send->message;
    char *caption = telegram_clean(message->text ? message->text : ""), name[24];
    char *keyboard = telegram_keyboard(send->telegram, send->chat, 0, message->run, message->buttons, NULL);
    struct http_part parts[4];
    size_t count = 0;
    int status = TB_ENOMEM;
    name_image(send, name, sizeof name);
    if (size > PHOTO_MAX) send->document = true;
    parts[count++] = (struct http_part){.name = "chat_id", .bytes = send->chat_text, .size = strlen(send->chat_text)};
    parts[count++] = (struct http_part){.name = send->document ? "document" : "photo",
                                        .bytes = bytes,
                                        .size = size,
                                        .filename = name,
                                        .content_type = message->image_mime ? message->image_mime : "image/png"};
    if (caption && caption[0])
        parts[count++] = (struct http_part){.name = "caption", .bytes = caption, .size = strlen(caption)};
    if (keyboard)
        parts[count++] = (struct http_part){.name = "reply_markup", .bytes = keyboard, .size = strlen(keyboard)};
    struct telegram_request request = {.method = send->document ? "sendDocument" : "sendPhoto",
                                       .parts = parts,
                                       .parts_count = count,
                                       .timeout_ms = UPLOAD_MS,
                                       .chat = send->chat,
                                       .once = true};
    if (caption && (keyboard || !message->buttons))
        status = telegram_call(send->telegram, &request, on_sent, send, NULL);
    free(caption);
    free(keyboard);
    return status;
}

/* TB_ENOTFOUND: there is no picture that could be sent. */
static int upload(struct telegram_send *send) {
    size_t size = 0;
    char *bytes = read_image(send->message.image_path, &size);
    if (!bytes) return errno == ENOMEM ? TB_ENOMEM : TB_ENOTFOUND;
    int status = upload_bytes(send, bytes, size);
    free(bytes);
    return status;
}

static void begin(struct telegram_send *send) {
    struct telegram *telegram = send->telegram;
    int64_t wait_ms = telegram_hold_ms(telegram, send->chat);
    if (wait_ms > 0) {
        finish_later(send, wait_ms, "the service asked for a pause");
        return;
    }
    bool image = send->message.image_path && !send->edits;
    int status = image ? upload(send) : say(send);
    if (status == TB_ENOTFOUND)
        finish_as(send, SENT_NO_IMAGE, "the picture cannot be read");
    else if (status < 0)
        finish_later(send, 0, tb_error_text(status));
}

void telegram_send(struct channel *channel, const struct outgoing *message) {
    struct telegram *telegram = (struct telegram *)channel;
    struct sent sent = {.status = SENT_RETRY, .why = "out of memory"};
    struct telegram_send *send = calloc(1, sizeof *send);
    int64_t chat = 0, edits = 0;
    if (send && !chat_of(telegram, message->chat, &chat))
        sent = (struct sent){.status = SENT_REFUSED, .why = "the chat's id is not a number"};
    if (!send || chat == 0) {
        free(send);
        outbox_done(channel->bot, message->message, &sent);
        return;
    }
    if (message->edit_of && !telegram_id_parse(message->edit_of, &edits)) edits = 0;
    *send = (struct telegram_send){.telegram = telegram,
                                   .message = *message,
                                   .chat = chat,
                                   .edits = edits,
                                   .era = telegram->era,
                                   .next = telegram->sends};
    snprintf(send->chat_text, sizeof send->chat_text, "%" PRId64, chat);
    send->at = &telegram->sends;
    if (send->next) send->next->at = &send->next;
    telegram->sends = send;
    begin(send);
}

void telegram_typing(struct channel *channel, const char *chat, bool on) {
    struct telegram *telegram = (struct telegram *)channel;
    int64_t id = 0;
    if (!on || !chat_of(telegram, chat, &id) || telegram_hold_ms(telegram, id) > 0) return;
    if (channel->state == CHANNEL_UP)
        telegram_side_call(telegram, "sendChatAction", id, telegram_encode_action(id, "typing"));
}
