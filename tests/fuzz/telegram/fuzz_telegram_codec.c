/* Any bytes as an answer of the Bot API: read as everything it could be, and what comes out holds what the header says.
 */
#include "telegram_codec.h"
#include <stdlib.h>
#include <string.h>

#define ID_MAX 9007199254740991

static void check(bool holds) {
    if (!holds) abort();
}

static bool is_id(int64_t id) {
    return id != 0 && id >= -ID_MAX && id <= ID_MAX;
}

static const unsigned char key[TELEGRAM_KEY_SIZE] = {1, 2, 3};

static void check_update(const struct telegram_update *update, const struct telegram_me *me) {
    if (update->kind == TELEGRAM_BAD) check(update->why && update->why[0]);
    if (update->kind == TELEGRAM_MOVED) check(is_id(update->chat) && is_id(update->moved_to));
    if (update->kind == TELEGRAM_MESSAGE) {
        char *text = NULL;
        check(is_id(update->chat) && update->from > 0 && update->message > 0 && update->sent_ms > 0 && update->text);
        check(telegram_heard(update, me, "help", &text) == TB_OK);
        if (text) check(strlen(text) <= strlen(update->text) + 4);
        free(text);
    }
    if (update->kind == TELEGRAM_PRESS) {
        enum telegram_press press;
        char text[64];
        check(update->query && update->data && update->from > 0);
        check(!telegram_data_read(key, update->chat, update->data, &press, text, sizeof text));
        free(telegram_encode_kept_keyboard(update->keyboard));
    }
}

static void check_texts(const char *text) {
    struct telegram_button buttons[TELEGRAM_BUTTONS_MAX];
    char *clean = telegram_clean(text), *again = telegram_clean(clean ? clean : "");
    check(clean && again && strcmp(clean, again) == 0);
    size_t count = telegram_buttons_make(key, 5, 7, text, buttons, TELEGRAM_BUTTONS_MAX);
    for (size_t i = 0; i < count; i++) {
        enum telegram_press press;
        char said[64];
        check(strlen(buttons[i].data) <= TELEGRAM_DATA_MAX);
        check(telegram_data_read(key, 5, buttons[i].data, &press, said, sizeof said) && press == TELEGRAM_PRESS_SAY);
    }
    struct telegram_out out = {.chat = 5, .text = clean};
    char *json = telegram_encode_message(&out);
    check(json != NULL);
    free(json);
    free(clean);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct telegram_answer answer;
    struct telegram_me me = {.id = 77, .username = "Train_Bot"};
    const char *why = NULL;
    char *text = strndup((const char *)data, size);
    check(text != NULL);
    check_texts(text);
    free(text);
    if (telegram_answer_decode((const char *)data, size, &answer, &why) < 0) {
        check(why && why[0]);
        return 0;
    }
    int64_t id = 0;
    if (telegram_sent_decode(&answer, &id, &why) == TB_OK) check(id > 0 && id <= ID_MAX);
    if (telegram_me_decode(&answer, &me, &why) == TB_OK) check(me.id > 0 && me.username[0]);
    struct telegram_update *updates = NULL;
    size_t count = 0;
    if (telegram_updates_decode(&answer, &updates, &count, &id, &why) == TB_OK)
        for (size_t i = 0; i < count; i++) {
            check(updates[i].id < id || updates[i].id == 0);
            check_update(&updates[i], &me);
        }
    free(updates);
    telegram_answer_clear(&answer);
    return 0;
}
