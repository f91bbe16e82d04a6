/* Buttons and the data that they carry: see telegram_codec.h. */
#include "telegram_codec.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NONCE_SIZE 8 /* hex digits */
#define CONFIRM_MARK '!'
#define DECLINE_MARK '-'

/* Commands that are about one run: pressed later, they must not mean whichever run is newest then. */
static const char *const run_words[] = {"停止",   "stop", "暂停", "pause", "继续",
                                        "resume", "曲线", "plot", "状态",  "status"};
static const char *const stop_words[] = {"停止", "stop"};

/* `marked` is the text with its mark in front. */
static bool nonce(const unsigned char *key, int64_t chat, const char *marked, char *hex) {
    char message[160];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    int length = snprintf(message, sizeof message, "%lld\n%s", (long long)chat, marked);
    if (length < 0 || (size_t)length >= sizeof message) return false;
    if (!HMAC(EVP_sha256(), key, TELEGRAM_KEY_SIZE, (const unsigned char *)message, (size_t)length, digest, &size))
        return false;
    for (size_t i = 0; i < NONCE_SIZE / 2; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return true;
}

bool telegram_data_make(const unsigned char *key, int64_t chat, enum telegram_press press, const char *text, char *data,
                        size_t size) {
    char marked[TELEGRAM_DATA_MAX + 1], hex[NONCE_SIZE + 1];
    const char mark[2] = {press == TELEGRAM_PRESS_CONFIRM   ? CONFIRM_MARK
                          : press == TELEGRAM_PRESS_DECLINE ? DECLINE_MARK
                                                            : '\0',
                          '\0'};
    if (!text[0] || text[0] == CONFIRM_MARK || text[0] == DECLINE_MARK) return false;
    int length = snprintf(marked, sizeof marked, "%s%s", mark, text);
    if (length < 0 || (size_t)length + 1 + NONCE_SIZE > TELEGRAM_DATA_MAX || !nonce(key, chat, marked, hex))
        return false;
    length = snprintf(data, size, "%s|%s", marked, hex);
    return length > 0 && (size_t)length < size;
}

bool telegram_data_read(const unsigned char *key, int64_t chat, const char *data, enum telegram_press *ret_press,
                        char *text, size_t size) {
    const char *bar = strrchr(data, '|');
    char marked[TELEGRAM_DATA_MAX + 1], hex[NONCE_SIZE + 1];
    if (!bar || strlen(data) > TELEGRAM_DATA_MAX || strlen(bar + 1) != NONCE_SIZE) return false;
    snprintf(marked, sizeof marked, "%.*s", (int)(bar - data), data);
    if (!nonce(key, chat, marked, hex) || CRYPTO_memcmp(hex, bar + 1, NONCE_SIZE) != 0) return false;
    bool plain = marked[0] != CONFIRM_MARK && marked[0] != DECLINE_MARK;
    const char *word = plain ? marked : marked + 1;
    if (!word[0] || strlen(word) >= size) return false;
    *ret_press = plain                       ? TELEGRAM_PRESS_SAY
                 : marked[0] == CONFIRM_MARK ? TELEGRAM_PRESS_CONFIRM
                                             : TELEGRAM_PRESS_DECLINE;
    snprintf(text, size, "%s", word);
    return true;
}

size_t telegram_buttons_make(const unsigned char *key, int64_t chat, int64_t run, const char *lines,
                             struct telegram_button *ret_buttons, size_t max) {
    size_t count = 0;
    for (const char *at = lines; *at && count < max;) {
        size_t size = strcspn(at, "\n");
        char text[TELEGRAM_DATA_MAX];
        bool fits = size > 0 && size < sizeof text;
        snprintf(text, sizeof text, "%.*s", fits ? (int)size : 0, at);
        at += size + (at[size] == '\n');
        if (!fits) continue;
        struct telegram_button *button = &ret_buttons[count];
        snprintf(button->label, sizeof button->label, "%s", text);
        for (size_t i = 0; run > 0 && i < sizeof run_words / sizeof *run_words; i++)
            if (strcmp(text, run_words[i]) == 0) {
                snprintf(text, sizeof text, "%s %lld", run_words[i], (long long)run);
                break;
            }
        if (telegram_data_make(key, chat, TELEGRAM_PRESS_SAY, text, button->data, sizeof button->data)) count++;
    }
    return count;
}

bool telegram_text_stops(const char *text) {
    size_t word = strcspn(text, " ");
    for (size_t i = 0; i < sizeof stop_words / sizeof *stop_words; i++)
        if (strlen(stop_words[i]) == word && strncasecmp(text, stop_words[i], word) == 0) return true;
    return false;
}

bool telegram_buttons_confirm(const unsigned char *key, int64_t chat, const char *text,
                              struct telegram_button ret_buttons[2]) {
    bool zh = (unsigned char)text[0] >= 0x80;
    const char *run = strchr(text, ' ');
    snprintf(ret_buttons[0].label, sizeof ret_buttons[0].label, "%s%s%s", zh ? "确认停止" : "confirm stop",
             run ? " #" : "", run ? run + 1 : "");
    snprintf(ret_buttons[1].label, sizeof ret_buttons[1].label, "%s", zh ? "不" : "no");
    return telegram_data_make(key, chat, TELEGRAM_PRESS_CONFIRM, text, ret_buttons[0].data,
                              sizeof ret_buttons[0].data) &&
           telegram_data_make(key, chat, TELEGRAM_PRESS_DECLINE, text, ret_buttons[1].data, sizeof ret_buttons[1].data);
}
