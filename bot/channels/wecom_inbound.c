/*
 * wecom_inbound.c: what people say and press. Always holds: what core could not store is kept, in order, and given
 * again each second: the gateway does not send it a second time. Pictures, files and videos have no words: they renew
 * the chat's answers and are ignored otherwise, as somebody who sends one expects no command to come of it.
 */
#include "commands.h"
#include "service_url.h"
#include "wecom_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 1000
#define KEPT_MS 1000
#define GROUP_KEY "wecom/group/"

/* ---- to core ---- */

static void kept_free(struct wecom_kept *kept) {
    free(kept->chat);
    free(kept->sender);
    free(kept->service_id);
    free(kept->text);
    free(kept);
}

static void keep(struct wecom *wecom, const struct inbound *inbound) {
    struct wecom_kept *kept = wecom->kept_count < KEPT_MAX ? calloc(1, sizeof *kept) : NULL;
    if (!kept) {
        bot_log(wecom->channel.bot, 0, "wecom: too much waits for the database: a message is lost");
        return;
    }
    kept->chat = strdup(inbound->chat);
    kept->sender = strdup(inbound->sender);
    kept->service_id = strdup(inbound->service_id);
    kept->text = strndup(inbound->text, inbound->size);
    kept->sent_ms = inbound->sent_ms;
    kept->group = inbound->group;
    if (!kept->chat || !kept->sender || !kept->service_id || !kept->text) {
        kept_free(kept);
        return;
    }
    *wecom->kept_last = kept;
    wecom->kept_last = &kept->next;
    wecom->kept_count++;
    wecom->kept_due_ms = wecom_mono_ms() + service_ms(KEPT_MS);
    wecom_rearm(wecom);
}

static void hand_in(struct wecom *wecom, const struct inbound *inbound) {
    if (wecom->kept || bot_inbound(wecom->channel.bot, inbound) < 0) keep(wecom, inbound);
}

void wecom_retry_kept(struct wecom *wecom) {
    wecom->kept_due_ms = INT64_MAX;
    for (struct wecom_kept *kept; (kept = wecom->kept);) {
        struct inbound inbound = {.channel = WECOM_NAME,
                                  .chat = kept->chat,
                                  .sender = kept->sender,
                                  .service_id = kept->service_id,
                                  .text = kept->text,
                                  .size = strlen(kept->text),
                                  .sent_ms = kept->sent_ms,
                                  .group = kept->group};
        if (bot_inbound(wecom->channel.bot, &inbound) < 0) {
            wecom->kept_due_ms = wecom_mono_ms() + service_ms(KEPT_MS);
            return;
        }
        wecom->kept = kept->next;
        if (!wecom->kept) wecom->kept_last = &wecom->kept;
        wecom->kept_count--;
        kept_free(kept);
    }
}

void wecom_forget_kept(struct wecom *wecom) {
    for (struct wecom_kept *kept; (kept = wecom->kept);) {
        wecom->kept = kept->next;
        kept_free(kept);
    }
    wecom->kept_last = &wecom->kept;
    wecom->kept_count = 0;
}

/* ---- messages ---- */

/* What must be known of the chat before its answer: the callback that may be answered, and whether it is a group. */
static void note_chat(struct wecom *wecom, const struct wecom_frame *frame, bool known) {
    struct wecom_chat *chat = wecom_chat_of_id(wecom, wecom_chat_of(frame));
    char key[sizeof GROUP_KEY + WECOM_ID_MAX];
    if (!chat) return;
    chat->group = frame->group;
    chat->group_known = true;
    /* In a group a stranger's message is not answered, so it is not what answers refer to either. */
    if (known || !frame->group) wecom_chat_heard(chat, frame->req_id, wecom_mono_ms());
    if (!frame->group || !known || chat->group_noted) return;
    snprintf(key, sizeof key, GROUP_KEY "%s", frame->chatid);
    chat->group_noted = store_set(wecom->channel.bot->ports.store, key, "1") == TB_OK;
}

static void take_message(struct wecom *wecom, const struct wecom_frame *frame) {
    bool known = access_role(wecom->channel.bot, WECOM_NAME, frame->userid) != ROLE_NONE;
    note_chat(wecom, frame, known);
    if (!frame->text) return;
    const char *text = frame->group ? wecom_without_mention(frame->text) : frame->text;
    struct inbound inbound = {.channel = WECOM_NAME,
                              .chat = wecom_chat_of(frame),
                              .sender = frame->userid,
                              .service_id = frame->msgid,
                              .text = text,
                              .size = strlen(text),
                              .sent_ms = frame->sent_ms,
                              .group = frame->group};
    hand_in(wecom, &inbound);
}

/* ---- events ---- */

static void on_small_answer(void *user, enum wecom_fate fate, const struct wecom_frame *ack) {
    struct wecom *wecom = user;
    if (fate == WECOM_ACKED && ack->errcode != 0) wecom_log_refusal(wecom, "the answer to an event", ack);
}

/* Takes text. Within 5 s of the event or never. */
static void answer_event(struct wecom *wecom, const struct wecom_frame *frame, char *text) {
    struct wecom_out out = {
        .req_id = frame->req_id, .text = text, .wants_ack = true, .done = on_small_answer, .user = wecom};
    if (text && wecom_link_send(wecom->link, &out) < 0)
        bot_log(wecom->channel.bot, 2, "wecom: an event went unanswered");
}

static void take_enter(struct wecom *wecom, const struct wecom_frame *frame) {
    if (frame->group || access_role(wecom->channel.bot, WECOM_NAME, frame->userid) == ROLE_NONE) return;
    answer_event(wecom, frame,
                 wecom_encode_welcome(frame->req_id,
                                      wecom_say(wecom, "发\"帮助\"看命令。", "Send \"help\" for the commands.")));
}

static void take_button(struct wecom *wecom, const struct wecom_frame *frame) {
    struct wecom_chat *chat = wecom_chat_of_id(wecom, wecom_chat_of(frame));
    char key[128], text[160], title[96];
    if (frame->group || !wecom_card_is_ours(wecom, frame->userid, frame->task_id, frame->event_key)) {
        wecom_one_line(frame->event_key, key, sizeof key);
        bot_log(wecom->channel.bot, 1, "wecom: a button that was not offered there is ignored: %s", key);
        return;
    }
    snprintf(text, sizeof text, "%s%s", wecom_say(wecom, "已收到:", "Taken: "), frame->event_key);
    wecom_title(text, 26, title, sizeof title);
    answer_event(wecom, frame, wecom_encode_card_taken(frame->req_id, frame->task_id, title));
    if (chat) wecom_chat_touched(chat);
    struct inbound inbound = {.channel = WECOM_NAME,
                              .chat = frame->userid,
                              .sender = frame->userid,
                              .service_id = frame->msgid[0] ? frame->msgid : frame->req_id,
                              .text = frame->event_key,
                              .size = strlen(frame->event_key),
                              .sent_ms = frame->sent_ms};
    hand_in(wecom, &inbound);
}

void wecom_take(struct wecom *wecom, const struct wecom_frame *frame) {
    if (frame->kind == WECOM_MESSAGE)
        take_message(wecom, frame);
    else if (frame->event == WECOM_EVENT_ENTER)
        take_enter(wecom, frame);
    else if (frame->event == WECOM_EVENT_BUTTON)
        take_button(wecom, frame);
}
