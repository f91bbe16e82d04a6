/*
 * wecom_cards.c: buttons: a card that follows a message in one-to-one chats. Its task_id carries, for each key it
 * offers, a piece of an HMAC over the chat and the key, under a key that only this bot's store knows: what comes back
 * is believed only where a card of ours offered it there, without remembering any card.
 *
 * task_id: "tb-RUN-<16 hex of chance>-" and 12 hex a button: at most 115 of the 128 bytes.
 */
#include "wecom_internal.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONCE_KEY "wecom/nonce"
#define PROOF 12 /* hex digits */
#define LABEL 10 /* characters of a button */

static bool from_hex(const char *text, unsigned char *bytes, size_t size) {
    if (strlen(text) != 2 * size) return false;
    for (size_t i = 0; i < size; i++) {
        unsigned value;
        if (sscanf(text + 2 * i, "%2x", &value) != 1) return false;
        bytes[i] = (unsigned char)value;
    }
    return true;
}

static void to_hex(const unsigned char *bytes, size_t size, char *text) {
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static void load_nonce(struct wecom *wecom) {
    struct store *store = wecom->channel.bot->ports.store;
    char *value = NULL, text[2 * WECOM_NONCE_BYTES + 1];
    if (wecom->nonce_known) return;
    wecom->nonce_known = true;
    if (store_get(store, NONCE_KEY, &value) == TB_OK && from_hex(value, wecom->nonce, sizeof wecom->nonce)) {
        OPENSSL_cleanse(value, strlen(value));
        free(value);
        return;
    }
    free(value);
    (void)!RAND_bytes(wecom->nonce, sizeof wecom->nonce);
    to_hex(wecom->nonce, sizeof wecom->nonce, text);
    if (store_set(store, NONCE_KEY, text) < 0) wecom->nonce_known = false; /* cards of this moment will not be known */
    OPENSSL_cleanse(text, sizeof text);
}

/* PROOF hex digits for this key on the card whose task_id begins with head. */
static void prove(struct wecom *wecom, const char *chat, const char *head, size_t head_size, const char *key,
                  char *proof) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    char *text = NULL;
    int length = asprintf(&text, "%s\n%.*s\n%s", chat, (int)head_size, head, key);
    load_nonce(wecom);
    memset(digest, 0, sizeof digest);
    if (length > 0)
        HMAC(EVP_sha256(), wecom->nonce, sizeof wecom->nonce, (const unsigned char *)text, (size_t)length, digest,
             &size);
    to_hex(digest, PROOF / 2, proof);
    if (size == 0) memset(proof, '-', PROOF); /* equals no proof */
    free(length > 0 ? text : NULL);
}

bool wecom_card_is_ours(struct wecom *wecom, const char *chat, const char *task_id, const char *key) {
    const char *last = strrchr(task_id, '-');
    char proof[PROOF + 1];
    bool found = false;
    if (strncmp(task_id, "tb-", 3) != 0 || !last || strlen(last + 1) % PROOF != 0) return false;
    prove(wecom, chat, task_id, (size_t)(last - task_id), key, proof);
    for (const char *at = last + 1; *at; at += PROOF)
        found = CRYPTO_memcmp(at, proof, PROOF) == 0 || found;
    return found && proof[0] != '-';
}

struct card {
    struct wecom_button buttons[WECOM_BUTTONS_MAX];
    char labels[WECOM_BUTTONS_MAX][64], keys[WECOM_BUTTONS_MAX][128], task[WECOM_TASK_MAX + 1];
    size_t count;
};

static void add_button(struct card *card, const char *word, int64_t run) {
    size_t i = card->count;
    wecom_button_command(word, run, card->keys[i], sizeof card->keys[i]);
    wecom_title(word, LABEL, card->labels[i], sizeof card->labels[i]);
    for (size_t j = 0; j < i; j++)
        if (strcmp(card->keys[j], card->keys[i]) == 0) return;
    bool stops = strcmp(word, "停止") == 0 || strcmp(word, "stop") == 0;
    card->buttons[i] = (struct wecom_button){.text = card->labels[i], .key = card->keys[i], .style = stops ? 2 : 1};
    card->count++;
}

static void make_task(struct wecom *wecom, struct card *card, const char *chat, int64_t run) {
    unsigned char random[8];
    char hex[17];
    (void)!RAND_bytes(random, sizeof random);
    to_hex(random, sizeof random, hex);
    size_t head = (size_t)snprintf(card->task, sizeof card->task, "tb-%lld-%s", (long long)run, hex), size = head;
    card->task[size++] = '-';
    for (size_t i = 0; i < card->count; i++, size += PROOF)
        prove(wecom, chat, card->task, head, card->keys[i], card->task + size);
    card->task[size] = 0;
}

static void on_offered(void *user, enum wecom_fate fate, const struct wecom_frame *ack) {
    struct wecom *wecom = user;
    if (fate == WECOM_ACKED && ack->errcode != 0) wecom_log_refusal(wecom, "a card of buttons", ack);
}

static bool make_card(struct wecom_job *job, struct card *card) {
    for (const char *line = job->buttons; line && card->count < WECOM_BUTTONS_MAX;) {
        const char *end = strchr(line, '\n');
        size_t size = end ? (size_t)(end - line) : strlen(line);
        char word[64];
        if (size > 0 && size < sizeof word) {
            snprintf(word, sizeof word, "%.*s", (int)size, line);
            add_button(card, word, job->run);
        }
        line = end ? end + 1 : NULL;
    }
    if (card->count > 0) make_task(job->wecom, card, job->chat, job->run);
    return card->count > 0;
}

void wecom_offer_card(struct wecom_job *job) {
    struct wecom *wecom = job->wecom;
    struct wecom_chat *chat = wecom_chat_of_id(wecom, job->chat);
    struct card card = {.count = 0};
    char req_id[WECOM_ID_MAX + 1], title[32];
    int64_t now_ms = wecom_mono_ms();
    if (!chat || wecom_is_group_chat(wecom, chat) || wecom->stopping || !wecom_chat_may_offer(chat, now_ms) ||
        !make_card(job, &card))
        return;
    snprintf(title, sizeof title, "#%lld", (long long)job->run);
    struct wecom_content content = {.kind = WECOM_CARD,
                                    .text = job->title[0] ? job->title : title,
                                    .id = card.task,
                                    .buttons = card.buttons,
                                    .buttons_count = card.count};
    const char *answers = wecom_chat_answers(chat, now_ms);
    struct wecom_out out = {.req_id = req_id, .wants_ack = true, .done = on_offered, .user = wecom};
    if (answers) {
        snprintf(req_id, sizeof req_id, "%s", answers);
        out.text = wecom_encode_respond(req_id, &content);
    } else {
        wecom_link_req_id(wecom->link, "aibot_send_msg", req_id, sizeof req_id);
        out.text = wecom_encode_send(req_id, job->chat, false, &content);
    }
    if (out.text && wecom_link_send(wecom->link, &out) == TB_OK) wecom_chat_count(chat, now_ms);
}
