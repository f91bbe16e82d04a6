/* digests.c: see digests.h. */
#include "digests.h"
#include "digest.h"
#include "outbox_state.h"
#include "render.h"
#include "text.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "digest/"
#define WINDOW_LEAD 6 /* of the window the last sixth: 4 of 24 hours */

/* ---- what is kept ---- */

static struct digest **list_of(const struct bot *bot, int64_t run) {
    return &bot->outbox->digests[(uint64_t)run % OUTBOX_DIGESTS];
}

static struct digest *find(const struct bot *bot, int64_t run, const char *channel, const char *chat) {
    for (struct digest *digest = *list_of(bot, run); digest; digest = digest->next)
        if (digest->run == run && strcmp(digest->channel, channel) == 0 && strcmp(digest->chat, chat) == 0)
            return digest;
    return NULL;
}

static void digest_free(struct digest *digest) {
    if (!digest) return;
    free(digest->channel);
    free(digest->chat);
    free(digest);
}

static struct digest *create(struct bot *bot, int64_t run, const char *channel, const char *chat) {
    struct digest *digest = calloc(1, sizeof *digest);
    if (!digest) return NULL;
    digest->run = run;
    digest->channel = strdup(channel);
    digest->chat = strdup(chat);
    if (!digest->channel || !digest->chat) {
        digest_free(digest);
        return NULL;
    }
    struct digest **list = list_of(bot, run);
    digest->next = *list;
    *list = digest;
    bot->outbox->digests_count++;
    return digest;
}

static void store(struct bot *bot, const struct digest *digest, const char *value) {
    if (bot->store_status < 0) return; /* digests_keep writes it */
    char *key = text_print(PREFIX "%lld/%s:%s", (long long)digest->run, digest->channel, digest->chat);
    int status = key ? store_set(bot->ports.store, key, value) : TB_ENOMEM;
    if (status < 0) bot_log(bot, 1, "a digest's state was not kept: %s", tb_error_text(status));
    free(key);
}

static void save(struct bot *bot, const struct digest *digest) {
    char text[DIGEST_TEXT];
    digest_print(digest, text, sizeof text);
    store(bot, digest, text);
}

void digests_keep(struct bot *bot) {
    for (size_t i = 0; i < OUTBOX_DIGESTS; i++)
        for (const struct digest *digest = bot->outbox->digests[i]; digest; digest = digest->next)
            save(bot, digest);
}

static bool load_one(void *user, const char *key, const char *value) {
    struct bot *bot = user;
    char *end = NULL;
    long long run = strtoll(key + strlen(PREFIX), &end, 10);
    const char *colon = *end == '/' ? strchr(end, ':') : NULL;
    char *channel = colon ? strndup(end + 1, (size_t)(colon - end - 1)) : NULL;
    struct digest *digest = channel ? create(bot, run, channel, colon + 1) : NULL;
    free(channel);
    if (!digest || digest_parse(digest, value)) return true;
    *list_of(bot, run) = digest->next; /* not ours */
    bot->outbox->digests_count--;
    digest_free(digest);
    return true;
}

int digests_load(struct bot *bot) {
    bot->outbox->digests_due_ms = 0;
    return store_pairs(bot->ports.store, PREFIX, load_one, bot);
}

void digests_free(struct bot *bot) {
    for (size_t i = 0; i < OUTBOX_DIGESTS; i++)
        for (struct digest *digest; (digest = bot->outbox->digests[i]);) {
            bot->outbox->digests[i] = digest->next;
            digest_free(digest);
        }
}

/* ---- queued, renewed, withdrawn ---- */

static struct line *line_for(struct bot *bot, const char *channel_name, const char *chat) {
    struct channel *channel = bot_channel(bot, channel_name);
    return channel && channel->traits.budget > 0 ? outbox_line(bot, channel, chat) : NULL;
}

static void name_key(char *key, size_t size, int64_t run) {
    snprintf(key, size, "progress:%lld", (long long)run);
}

static void withdraw(struct bot *bot, struct line *line, struct digest *digest) {
    char key[40];
    name_key(key, sizeof key, digest->run);
    struct entry *entry = line ? line_find_waiting(bot, line, digest->run, key) : NULL;
    if (entry && !entry->under_way) line_withdraw(bot, line, entry);
    digest->waits = digest->window = false;
}

static bool under_way(struct line *line, const struct digest *digest) {
    char key[40];
    name_key(key, sizeof key, digest->run);
    const struct entry *entry = line_waiting(line, digest->run, key);
    return entry && entry->under_way;
}

/* Writes the newest figures into the text that waits, or queues one. What is under way stays as it is. */
static void write_text(struct bot *bot, struct line *line, struct digest *digest, const struct run *run,
                       const struct digest_figures *now) {
    char key[40], text[RENDER_MAX], buttons[256] = "";
    name_key(key, sizeof key, run->id);
    struct entry *entry = line_waiting(line, run->id, key);
    if (entry && entry->under_way) {
        digest->again = true;
        return;
    }
    struct session *session = session_find(bot, digest->channel, digest->chat);
    enum lang lang = session ? session_lang(bot, session) : bot->ports.settings->language;
    struct budget_rules rules = line_rules(line);
    int64_t until_ms = digest->window ? budget_until_ms(&line->budget, &rules, now->t_ms) : 0;
    struct words words;
    words_init(&words, text, sizeof text);
    render_digest(&words, digest, run, now, until_ms, lang);
    if (line->channel->traits.buttons) render_buttons(run, lang, buttons, sizeof buttons);
    struct outbox_message message = {.channel = digest->channel,
                                     .chat = digest->chat,
                                     .class = MESSAGE_PROGRESS,
                                     .text = text,
                                     .run = run->id,
                                     .key = key,
                                     .buttons = buttons};
    int status = outbox_add(bot, &message, NULL);
    if (status < 0) {
        bot_log(bot, 0, "a digest for %s could not be queued: %s", digest->channel, tb_error_text(status));
        return;
    }
    digest_wrote(digest, now);
    save(bot, digest);
}

/* The window is about to close while there is something to report: once, in one of the digests. */
static bool window_ends(struct bot *bot, struct line *line, int64_t now_ms) {
    struct budget_rules rules = line_rules(line);
    int64_t until_ms = budget_until_ms(&line->budget, &rules, now_ms);
    if (until_ms == 0 || line->told_window_ms == line->budget.heard_ms) return false;
    if (until_ms - now_ms > rules.window_ms / WINDOW_LEAD) return false;
    line->told_window_ms = line->budget.heard_ms;
    line_keep(bot, line);
    return !line->closed && budget_allows(&line->budget, &rules, now_ms, true);
}

static void look(struct bot *bot, struct line *line, struct digest *digest, const struct run *run, bool renew) {
    struct digest_figures now = digest_figures(run, outbox_wall(bot));
    struct session *session = session_find(bot, digest->channel, digest->chat);
    bool ends = window_ends(bot, line, now.t_ms), due = digest_due(digest, &now, line_pace(line)->progress_every_ms);
    if (!session || !session->hears || session_muted(bot, session, now.t_ms)) {
        if (digest->waits || due) {
            withdraw(bot, line, digest);
            save(bot, digest);
        }
        return;
    }
    if (digest->window && line->told_window_ms != line->budget.heard_ms) digest->window = false; /* an answer came */
    if (ends) digest->window = true;
    if (due || ends || (digest->waits && renew && !under_way(line, digest))) write_text(bot, line, digest, run, &now);
}

bool digests_for(struct bot *bot, const struct session *session) {
    struct channel *channel = bot_channel(bot, session->channel);
    return channel && channel->traits.budget > 0;
}

void digests_progress(struct bot *bot, const struct session *session, const struct run *run) {
    struct line *line = line_for(bot, session->channel, session->chat);
    struct digest *digest = line ? find(bot, run->id, session->channel, session->chat) : NULL;
    if (!line || !run_state_live(run->state)) return;
    if (!digest) {
        digest = create(bot, run->id, session->channel, session->chat);
        if (!digest) return;
        struct digest_figures figures = digest_figures(run, outbox_wall(bot));
        digest_begin(digest, &figures, run->from_run > 0);
        save(bot, digest);
        bot->outbox->digests_due_ms = 0;
    }
    bool best = digest_best(digest, run);
    look(bot, line, digest, run, true);
    if (best && !digest->waits) save(bot, digest);
}

static void forget(struct bot *bot, struct digest **at) {
    struct digest *digest = *at;
    withdraw(bot, line_for(bot, digest->channel, digest->chat), digest);
    store(bot, digest, NULL);
    *at = digest->next;
    bot->outbox->digests_count--;
    digest_free(digest);
}

void digests_fact(struct bot *bot, const struct fact *fact) {
    if (!fact->run || fact_class(fact->kind) == MESSAGE_PROGRESS) return;
    bool over = !run_state_live(fact->run->state);
    for (struct digest **at = list_of(bot, fact->run->id); *at;) {
        struct digest *digest = *at;
        if (digest->run == fact->run->id && over) {
            forget(bot, at);
            continue;
        }
        if (digest->run == fact->run->id && fact_class(fact->kind) == MESSAGE_ALERT) {
            digest->alerts++;
            save(bot, digest);
        }
        at = &digest->next;
    }
}

/* ---- by time ---- */

static int64_t due_ms(struct bot *bot, struct line *line, const struct digest *digest, const struct run *run) {
    struct digest_figures now = digest_figures(run, outbox_wall(bot));
    struct budget_rules rules = line_rules(line);
    int64_t next_ms = digest_next_ms(digest, &now, line_pace(line)->progress_every_ms);
    int64_t until_ms = budget_until_ms(&line->budget, &rules, now.t_ms);
    if (until_ms > 0 && line->told_window_ms != line->budget.heard_ms) {
        int64_t ends_ms = until_ms - rules.window_ms / WINDOW_LEAD;
        if (ends_ms < next_ms) next_ms = ends_ms;
    }
    return next_ms == INT64_MAX ? next_ms : next_ms - now.t_ms + outbox_now(bot);
}

/* One list of them; returns when the next may be due (mono). */
static int64_t tick_list(struct bot *bot, struct digest **at) {
    int64_t next_ms = INT64_MAX;
    const struct run *run = NULL;
    while (*at) {
        struct digest *digest = *at;
        if (!run || run->id != digest->run) run = runs_find(bot, digest->run);
        if (!run || !run_state_live(run->state)) {
            forget(bot, at);
            continue;
        }
        struct line *line = line_for(bot, digest->channel, digest->chat);
        if (line) {
            look(bot, line, digest, run, false);
            int64_t at_ms = due_ms(bot, line, digest, run);
            if (at_ms < next_ms) next_ms = at_ms;
        }
        at = &digest->next;
    }
    return next_ms;
}

void digests_tick(struct bot *bot) {
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < OUTBOX_DIGESTS; i++) {
        int64_t at_ms = tick_list(bot, &bot->outbox->digests[i]);
        if (at_ms < next_ms) next_ms = at_ms;
    }
    bot->outbox->digests_due_ms = next_ms;
}

/* ---- what became of one ---- */

static struct digest *of_entry(struct bot *bot, const struct line *line, const struct entry *entry) {
    if (line->channel->traits.budget <= 0 || entry->row.run <= 0) return NULL;
    return find(bot, entry->row.run, line->channel->ops->name, line->chat);
}

void digests_sent(struct bot *bot, struct line *line, const struct entry *entry) {
    struct digest *digest = of_entry(bot, line, entry);
    if (!digest) return;
    digest_sent(digest);
    if (digest->again) digest->waits = true; /* the next row writes it */
    digest->again = false;
    save(bot, digest);
}

void digests_refused(struct bot *bot, struct line *line, const struct entry *entry) {
    struct digest *digest = of_entry(bot, line, entry);
    if (!digest) return;
    digest->waits = digest->window = false;
    save(bot, digest);
}
