/*
 * Words a fact for every conversation that hears of runs and queues it. Always holds: alerts reach everybody, muted or
 * not, a person with several conversations in one of them; progress only those that are not muted, as digests where
 * sends are counted; nobody is told twice what a reply told them.
 */
#include "command.h"
#include "digests.h"
#include "fact.h"
#include "outbox.h"
#include "person.h"
#include "render.h"
#include "render_card.h"
#include <stdio.h>
#include <string.h>

enum message_class fact_class(enum fact_kind kind) {
    switch (kind) {
    case FACT_PROGRESS:
        return MESSAGE_PROGRESS;
    case FACT_IMAGE:
        return MESSAGE_IMAGE;
    case FACT_STARTED: /* news that nobody need act on: kept and delivered like an answer, not like an alarm */
    case FACT_PAUSED:
    case FACT_RESUMED:
    case FACT_STOPPED:
    case FACT_STALL_OVER:
    case FACT_NOTE:
    case FACT_STORE_OK:
    case FACT_CHANNEL_BACK:
        return MESSAGE_REPLY;
    default:
        return MESSAGE_ALERT;
    }
}

static bool is_of(const struct session *session, const char *by) {
    size_t length = strlen(session->channel);
    return strncmp(by, session->channel, length) == 0 && by[length] == ':' &&
           strcmp(by + length + 1, session->chat) == 0;
}

/* Whether this conversation's own command made the fact, and its reply says it. */
static bool told_by_reply(const struct fact *fact, const struct session *session) {
    if (fact->answered && is_of(session, fact->run->started_by)) return true;
    if (fact->kind != FACT_STOPPED) return false;
    for (const struct control *control = fact->run->controls; control; control = control->next)
        if (control->kind == CONTROL_STOP && control->by && is_of(session, control->by)) return true;
    return false;
}

static bool wants(struct bot *bot, const struct fact *fact, const struct session *session) {
    if (!bot_channel(bot, session->channel)) return false;
    if (fact->channel && strcmp(session->channel, fact->channel) == 0) return false;
    if (fact->run && told_by_reply(fact, session)) return false;
    enum message_class class = fact_class(fact->kind);
    bool quiet =
        class == MESSAGE_PROGRESS || fact->kind == FACT_NOTE || fact->kind == FACT_RESUMED || class == MESSAGE_IMAGE;
    return !quiet || !session_muted(bot, session, clock_wall_ms(bot->ports.clock));
}

/* Of a person's conversations the first that is open, else the first there is. NULL: none of them wants it, or a reply
 * in one of them tells it. */
static const struct identity *persons_choice(struct bot *bot, const struct fact *fact,
                                             const struct person_settings *person) {
    const struct identity *first = NULL, *open = NULL;
    for (size_t i = 0; i < person->count; i++) {
        const struct identity *identity = &person->identities[i];
        const struct session *session = session_find(bot, identity->channel, identity->id);
        if (session && fact->run && told_by_reply(fact, session)) return NULL;
        if (!session || !session->hears || !wants(bot, fact, session)) continue;
        if (!first) first = identity;
        if (!open && person_reachable(bot, identity->channel, identity->id)) open = identity;
    }
    return open ? open : first;
}

/* Progress and pictures are for every conversation; news and alerts for every one that keeps itself, and of each person
 * for one other. */
static bool is_for(struct bot *bot, const struct fact *fact, const struct session *session) {
    enum message_class class = fact_class(fact->kind);
    if (!wants(bot, fact, session)) return false;
    if (class == MESSAGE_PROGRESS || class == MESSAGE_IMAGE) return true;
    if (bot_channel(bot, session->channel)->traits.history) return true;
    const struct person_settings *person = person_of(bot->ports.settings, session->channel, session->chat);
    const struct identity *identity = person ? persons_choice(bot, fact, person) : NULL;
    return !person ||
           (identity && strcmp(identity->channel, session->channel) == 0 && strcmp(identity->id, session->chat) == 0);
}

/* Progress messages that stand somewhere must not go on promising: they get the run's end, without a time that is left.
 */
static void settle_progress(struct bot *bot, const struct run *run) {
    char text[RENDER_MAX], buttons[256], key[64];
    snprintf(key, sizeof key, "progress:%lld", (long long)run->id);
    for (struct session *session = sessions_first(bot); session; session = session->next) {
        if (digests_for(bot, session) || bot->ports.settings->progress_style == STYLE_CLASSIC) continue;
        enum lang lang = session_lang(bot, session);
        struct words words;
        words_init(&words, text, sizeof text);
        render_status(&words, run, lang);
        words_trim(&words);
        render_buttons(run, lang, buttons, sizeof buttons);
        struct outbox_message message = {.channel = session->channel,
                                         .chat = session->chat,
                                         .class = MESSAGE_PROGRESS,
                                         .text = text,
                                         .run = run->id,
                                         .key = key,
                                         .buttons = buttons};
        outbox_settle(bot, &message);
    }
}

static bool is_end(enum fact_kind kind) {
    return kind == FACT_FINISHED || kind == FACT_STOPPED || kind == FACT_CRASHED || kind == FACT_LOST;
}

void report_fact(struct bot *bot, const struct fact *fact) {
    char text[RENDER_MAX], buttons[256], key[64] = "";
    if (fact->kind == FACT_NOTE || fact->kind == FACT_IMAGE) snprintf(key, sizeof key, OUTBOX_SPARE_KEY);
    if (fact->kind == FACT_PROGRESS) snprintf(key, sizeof key, "progress:%lld", (long long)fact->run->id);
    digests_fact(bot, fact);
    for (struct session *session = sessions_first(bot); session; session = session->next) {
        if (fact->kind == FACT_PROGRESS && digests_for(bot, session)) {
            digests_progress(bot, session, fact->run);
            continue;
        }
        if (!is_for(bot, fact, session)) continue;
        enum lang lang = session_lang(bot, session);
        if (render_fact(fact, lang, bot->ports.settings->progress_style, text, sizeof text) == 0) continue;
        buttons[0] = 0;
        if (fact->run) render_buttons(fact->run, lang, buttons, sizeof buttons);
        struct outbox_message message = {.channel = session->channel,
                                         .chat = session->chat,
                                         .class = fact_class(fact->kind),
                                         .text = text,
                                         .image = fact->image,
                                         .run = fact->run ? fact->run->id : 0,
                                         .key = key,
                                         .buttons = buttons};
        int status = outbox_add(bot, &message, NULL);
        if (status < 0)
            bot_log(bot, 0, "a message for %s could not be queued: %s", session->channel, tb_error_text(status));
    }
    if (fact->run && is_end(fact->kind)) settle_progress(bot, fact->run);
}
