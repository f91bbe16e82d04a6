/*
 * Buttons: what is pressed, and the question before a stop. See telegram_state.h. A stop asks by changing the message's
 * own buttons; while the question stands (a minute), edits of that message carry it along, and then the buttons come
 * back.
 */
#include "telegram_state.h"
#include "commands.h"
#include "service_url.h"
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ASK_MS 60000
#define ASKS_MAX 64
#define KEY_NAME "telegram/nonce"

struct telegram_ask {
    int64_t chat, message;
    char text[TELEGRAM_DATA_MAX]; /* "停止 7" */
    char *kept;                   /* the keyboard to come back; NULL: unknown */
    int64_t until_ms;             /* mono */
    struct telegram_ask *next;
};

/* ---- the key ---- */

static bool key_read(const char *hex, unsigned char *key) {
    if (strspn(hex, "0123456789abcdef") != 2 * TELEGRAM_KEY_SIZE || hex[2 * TELEGRAM_KEY_SIZE]) return false;
    for (size_t i = 0; i < TELEGRAM_KEY_SIZE; i++) {
        char byte[3] = {hex[2 * i], hex[2 * i + 1], 0};
        key[i] = (unsigned char)strtoul(byte, NULL, 16);
    }
    return true;
}

int telegram_buttons_load(struct telegram *telegram) {
    struct store *store = telegram->channel.bot->ports.store;
    char *kept = NULL, hex[2 * TELEGRAM_KEY_SIZE + 1];
    bool found = store_get(store, KEY_NAME, &kept) == TB_OK && key_read(kept, telegram->key);
    if (kept) OPENSSL_cleanse(kept, strlen(kept));
    free(kept);
    if (found) return TB_OK;
    if (getrandom(telegram->key, sizeof telegram->key, 0) != sizeof telegram->key) return TB_EIO;
    for (size_t i = 0; i < TELEGRAM_KEY_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", telegram->key[i]);
    /* Not stored: the buttons of this life are good until its end. */
    if (store_set(store, KEY_NAME, hex) < 0)
        bot_log(telegram->channel.bot, 1, "telegram: the buttons' key was not stored");
    OPENSSL_cleanse(hex, sizeof hex);
    return TB_OK;
}

/* ---- questions that stand ---- */

static void ask_free(struct telegram_ask *ask) {
    free(ask->kept);
    free(ask);
}

static struct telegram_ask *ask_find(const struct telegram *telegram, int64_t chat, int64_t message) {
    struct telegram_ask *ask = telegram->asks;
    while (ask && (ask->chat != chat || ask->message != message))
        ask = ask->next;
    return ask;
}

/* Takes it out of the list; NULL: there is none. */
static struct telegram_ask *ask_take(struct telegram *telegram, int64_t chat, int64_t message) {
    struct telegram_ask **at = &telegram->asks;
    while (*at && ((*at)->chat != chat || (*at)->message != message))
        at = &(*at)->next;
    struct telegram_ask *ask = *at;
    if (ask) *at = ask->next;
    return ask;
}

/* Newest first, so the last is the next to end. */
static void asks_timer_set(struct telegram *telegram) {
    struct telegram_ask *last = telegram->asks;
    while (last && last->next)
        last = last->next;
    int64_t wait_ms = last ? last->until_ms - telegram_mono_ms(telegram) : 0;
    if (last)
        uv_timer_start(&telegram->timers[TELEGRAM_ASKS], telegram_asks_timer, (uint64_t)(wait_ms > 0 ? wait_ms : 0), 0);
    else
        uv_timer_stop(&telegram->timers[TELEGRAM_ASKS]);
}

void telegram_asks_free(struct telegram *telegram) {
    for (struct telegram_ask *next; telegram->asks; telegram->asks = next) {
        next = telegram->asks->next;
        ask_free(telegram->asks);
    }
}

/* ---- keyboards ---- */

/* Takes keyboard. */
static void show_keyboard(struct telegram *telegram, int64_t chat, int64_t message, char *keyboard) {
    if (keyboard && telegram_hold_ms(telegram, chat) == 0)
        telegram_side_call(telegram, "editMessageReplyMarkup", chat, telegram_encode_markup(chat, message, keyboard));
    free(keyboard);
}

static char *question(const struct telegram *telegram, const struct telegram_ask *ask) {
    struct telegram_button buttons[2];
    if (!telegram_buttons_confirm(telegram->key, ask->chat, ask->text, buttons)) return NULL;
    return telegram_encode_keyboard(buttons, 2);
}

/* The buttons as they were; where a restart lost them, at least the one that asked. */
static char *former(const struct telegram *telegram, int64_t chat, const char *text, const struct telegram_ask *ask) {
    struct telegram_button button;
    if (ask && ask->kept) return strdup(ask->kept);
    snprintf(button.label, sizeof button.label, "%.*s", (int)strcspn(text, " "), text);
    if (!telegram_data_make(telegram->key, chat, TELEGRAM_PRESS_SAY, text, button.data, sizeof button.data))
        return NULL;
    return telegram_encode_keyboard(&button, 1);
}

char *telegram_keyboard(struct telegram *telegram, int64_t chat, int64_t message, int64_t run, const char *lines,
                        bool *ret_asks) {
    struct telegram_button buttons[TELEGRAM_BUTTONS_MAX];
    if (ret_asks) *ret_asks = false;
    if (!lines) return NULL;
    size_t count = telegram_buttons_make(telegram->key, chat, run, lines, buttons, TELEGRAM_BUTTONS_MAX);
    char *keyboard = telegram_encode_keyboard(buttons, count);
    struct telegram_ask *ask = message ? ask_find(telegram, chat, message) : NULL;
    char *asks = ask && keyboard ? question(telegram, ask) : NULL;
    if (!asks) return keyboard;
    free(ask->kept);
    ask->kept = keyboard;
    if (ret_asks) *ret_asks = true;
    return asks;
}

void telegram_ask_again(struct telegram *telegram, int64_t chat, int64_t message) {
    const struct telegram_ask *ask = ask_find(telegram, chat, message);
    if (ask) show_keyboard(telegram, chat, message, question(telegram, ask));
}

void telegram_asks_timer(uv_timer_t *timer) {
    struct telegram *telegram = timer->data;
    int64_t now_ms = telegram_mono_ms(telegram);
    for (struct telegram_ask **at = &telegram->asks; *at;) {
        struct telegram_ask *ask = *at;
        if (ask->until_ms > now_ms) {
            at = &ask->next;
            continue;
        }
        *at = ask->next;
        show_keyboard(telegram, ask->chat, ask->message, former(telegram, ask->chat, ask->text, ask));
        ask_free(ask);
    }
    asks_timer_set(telegram);
}

/* ---- presses ---- */

static void answer(struct telegram *telegram, const struct telegram_update *update, const char *text) {
    telegram_side_call(telegram, "answerCallbackQuery", 0, telegram_encode_query_answer(update->query, text));
}

static bool ask(struct telegram *telegram, const struct telegram_update *update, const char *text) {
    struct telegram_ask *ask = ask_take(telegram, update->chat, update->message);
    if (!ask && (ask = calloc(1, sizeof *ask))) ask->kept = telegram_encode_kept_keyboard(update->keyboard);
    if (!ask) return false;
    ask->chat = update->chat;
    ask->message = update->message;
    ask->until_ms = telegram_mono_ms(telegram) + service_ms(ASK_MS);
    snprintf(ask->text, sizeof ask->text, "%s", text);
    ask->next = telegram->asks;
    telegram->asks = ask;
    size_t count = 0;
    for (struct telegram_ask **at = &telegram->asks; *at; at = &(*at)->next)
        if (++count > ASKS_MAX) {
            ask_free(*at);
            *at = NULL;
            break;
        }
    asks_timer_set(telegram);
    show_keyboard(telegram, ask->chat, ask->message, question(telegram, ask));
    return true;
}

/* The answer to the question; what stood there before comes back after a "no". */
static void unask(struct telegram *telegram, const struct telegram_update *update, const char *text, bool confirmed) {
    struct telegram_ask *ask = ask_take(telegram, update->chat, update->message);
    char *keyboard = confirmed ? telegram_encode_keyboard(NULL, 0) : former(telegram, update->chat, text, ask);
    show_keyboard(telegram, update->chat, update->message, keyboard);
    if (ask) ask_free(ask);
    asks_timer_set(telegram);
}

bool telegram_pressed(struct telegram *telegram, const struct telegram_update *update, char *text, size_t size) {
    bool zh = telegram->channel.bot->ports.settings->language == LANG_ZH;
    enum telegram_press press;
    char sender[24], line[160];
    if (!update->message) {
        answer(telegram, update,
               zh ? "这条消息太旧了,请直接发命令。" : "That message is too old; please type the command.");
        return false;
    }
    if (!telegram_data_read(telegram->key, update->chat, update->data, &press, text, size)) {
        answer(telegram, update,
               zh ? "这个按钮已经失效,请直接发命令。" : "That button is not valid; please type the command.");
        return false;
    }
    zh = (unsigned char)text[0] >= 0x80;
    if (press == TELEGRAM_PRESS_DECLINE) {
        unask(telegram, update, text, false);
        answer(telegram, update, zh ? "好,不停。" : "All right, it goes on.");
        return false;
    }
    /* Who may not stop is told so by core at once, instead of being asked. */
    snprintf(sender, sizeof sender, "%lld", (long long)update->from);
    bool asks = press == TELEGRAM_PRESS_SAY && telegram_text_stops(text) &&
                access_role(telegram->channel.bot, "telegram", sender) >= ROLE_OPERATOR;
    if (asks && telegram_hold_ms(telegram, update->chat) > 0) {
        answer(telegram, update,
               zh ? "Telegram 要我等一下,请过会儿再按。" : "Telegram wants a pause; please press again later.");
        return false;
    }
    if (asks && ask(telegram, update, text)) {
        answer(telegram, update, zh ? "真的停止吗?请再按一次确认。" : "Really stop? Please confirm.");
        return false;
    }
    if (press == TELEGRAM_PRESS_CONFIRM) unask(telegram, update, text, true);
    snprintf(line, sizeof line, zh ? "收到:%s" : "got it: %s", text);
    answer(telegram, update, line);
    return true;
}
