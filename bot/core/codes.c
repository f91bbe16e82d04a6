/*
 * codes.c: see codes.h. Always holds: no code stands in the store but as a hash, but for the message that shows it to
 * who asked, and that one loses it when the code dies.
 */
#include "codes.h"
#include "requests.h"
#include "text.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PREFIX "pair/"

static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void hash_form(const char *form, char hex[CODE_HASH_HEX + 1]) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)form, strlen(form), digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* ---- in the store: "TYPED LINK role channel expires tries row rev owner" ---- */

struct reading {
    struct bot *bot;
    struct codes all;
};

static bool take_code(void *user, const char *key, const char *value) {
    struct reading *reading = user;
    struct code code = {.tries = 0};
    int role = 0, owner = 0;
    long long expires = 0, row = 0, rev = 0;
    const char *id = key + strlen(PREFIX);
    if (strlen(id) != sizeof code.id - 1) return true;
    memcpy(code.id, id, sizeof code.id);
    if (sscanf(value, "%64s %64s %d %31s %lld %d %lld %lld %n", code.typed, code.link, &role, code.channel, &expires,
               &code.tries, &row, &rev, &owner) != 8 ||
        owner == 0 || role <= ROLE_NONE || role > ROLE_OWNER)
        return true;
    if (strcmp(code.channel, "*") == 0) code.channel[0] = '\0';
    code.role = (enum role)role;
    code.expires_ms = expires;
    code.row = row;
    code.rev = rev;
    snprintf(code.owner, sizeof code.owner, "%s", value + owner);
    reading->all.items[reading->all.count++] = code;
    return reading->all.count < CODES_MAX;
}

int code_put(struct bot *bot, const struct code *code) {
    char *key = text_print(PREFIX "%s", code->id);
    char *value = text_print("%s %s %d %s %lld %d %lld %lld %s", code->typed, code->link, (int)code->role,
                             code->channel[0] ? code->channel : "*", (long long)code->expires_ms, code->tries,
                             (long long)code->row, (long long)code->rev, code->owner);
    int status = key && value ? store_set(bot->ports.store, key, value) : TB_ENOMEM;
    free(value);
    free(key);
    return status;
}

void codes_load(struct bot *bot, struct codes *ret_codes) {
    struct reading reading = {.bot = bot};
    int64_t now = clock_wall_ms(bot->ports.clock), next_ms = INT64_MAX;
    ret_codes->count = 0;
    int status = store_pairs(bot->ports.store, PREFIX, take_code, &reading);
    if (status < 0) bot_log(bot, 0, "pairing codes cannot be read: %s", tb_error_text(status));
    for (size_t i = 0; i < reading.all.count; i++) {
        const struct code *code = &reading.all.items[i];
        /* A clock that was set back must not make a code live longer. */
        if (code->expires_ms <= now || code->expires_ms > now + CODE_LIVES_MS) {
            status = code_drop(bot, code);
            if (status < 0) bot_log(bot, 0, "a dead pairing code was not removed: %s", tb_error_text(status));
            continue;
        }
        if (code->expires_ms < next_ms) next_ms = code->expires_ms;
        ret_codes->items[ret_codes->count++] = *code;
    }
    bot->requests->codes_live = ret_codes->count > 0;
    bot->requests->codes_due_ms = next_ms == INT64_MAX ? INT64_MAX : clock_mono_ms(bot->ports.clock) + (next_ms - now);
}

void codes_tick(struct bot *bot) {
    struct codes codes;
    if (clock_mono_ms(bot->ports.clock) >= bot->requests->codes_due_ms && bot->store_status == TB_OK)
        codes_load(bot, &codes);
}

/* ---- the message that shows it ---- */

struct shown {
    int64_t id;
    bool found;
    enum message_state state;
};

static bool find_row(void *user, const struct message_record *message) {
    struct shown *shown = user;
    if (message->id != shown->id) return true;
    shown->found = true;
    shown->state = message->state;
    return false;
}

/* The row keeps its delivery's state: nothing is sent again; pages that show the conversation read it anew. */
static int take_out_text(struct bot *bot, const struct code *code) {
    const char *colon = strchr(code->owner, ':');
    char channel[64];
    if (code->row <= 0 || !colon || colon - code->owner >= (ptrdiff_t)sizeof channel) return TB_OK;
    snprintf(channel, sizeof channel, "%.*s", (int)(colon - code->owner), code->owner);
    struct shown shown = {.id = code->row};
    int status = store_history(bot->ports.store, channel, colon + 1, code->rev - 1, 0, find_row, &shown);
    if (status < 0 || !shown.found) return status;
    bool zh = bot->ports.settings->language == LANG_ZH;
    struct message_record row = {.id = code->row,
                                 .text = zh ? "配对码:已失效。" : "Pairing code: no longer valid.",
                                 .buttons = "",
                                 .state = shown.state};
    return store_message_change(bot->ports.store, &row);
}

int code_drop(struct bot *bot, const struct code *code) {
    char *key = text_print(PREFIX "%s", code->id);
    int status = key ? store_set(bot->ports.store, key, NULL) : TB_ENOMEM;
    free(key);
    return status == TB_OK ? take_out_text(bot, code) : status;
}

void codes_void(struct bot *bot, const char *channel) {
    struct codes codes;
    size_t length = strlen(channel);
    if (!bot->requests->codes_live) return;
    codes_load(bot, &codes);
    for (size_t i = 0; i < codes.count; i++) {
        const struct code *code = &codes.items[i];
        if (strncmp(code->owner, channel, length) != 0 || code->owner[length] != ':') continue;
        int status = code_drop(bot, code);
        if (status < 0) bot_log(bot, 0, "a pairing code was not taken back: %s", tb_error_text(status));
    }
    codes_load(bot, &codes);
}

/* ---- drawing, reading, comparing ---- */

int code_draw(struct code *code, struct code_texts *ret_texts) {
    unsigned char random[CODE_TYPED + 16 + 4];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) return TB_EIO;
    for (size_t i = 0; i < CODE_TYPED; i++)
        ret_texts->typed[i] = alphabet[random[i] & 31];
    ret_texts->typed[CODE_TYPED] = '\0';
    const unsigned char *bytes = random + CODE_TYPED;
    uint32_t bits = 0;
    int have = 0;
    for (size_t i = 0, n = 0; i < CODE_LINK; i++) {
        if (have < 6) {
            bits = (bits << 8) | (n < 16 ? bytes[n] : 0u);
            n++;
            have += 8;
        }
        have -= 6;
        ret_texts->link[i] = base64url[(bits >> have) & 63];
    }
    ret_texts->link[CODE_LINK] = '\0';
    const unsigned char *name = bytes + 16;
    snprintf(code->id, sizeof code->id, "%02x%02x%02x%02x", name[0], name[1], name[2], name[3]);
    hash_form(ret_texts->typed, code->typed);
    hash_form(ret_texts->link, code->link);
    OPENSSL_cleanse(random, sizeof random);
    return TB_OK;
}

static bool among(const char *text, const char *letters) {
    return strspn(text, letters) == strlen(text);
}

bool code_looks(const char *text, size_t size, char ret_form[CODE_LINK + 1]) {
    if (size < CODE_TYPED || size > PARSE_TEXT_MAX) return false;
    struct parsed *parsed = malloc(sizeof *parsed);
    bool looks = parsed && parse_text(text, size, parsed) == PARSE_OK && parsed->count == 1;
    size_t length = looks ? strlen(parsed->tokens[0]) : 0;
    looks = length == CODE_TYPED || length == CODE_LINK;
    if (looks) memcpy(ret_form, parsed->tokens[0], length + 1);
    free(parsed);
    for (size_t i = 0; looks && length == CODE_TYPED && i < length; i++)
        if (ret_form[i] >= 'a' && ret_form[i] <= 'z') ret_form[i] = (char)(ret_form[i] - 32);
    return looks && among(ret_form, length == CODE_TYPED ? alphabet : base64url);
}

const struct code *codes_match(const struct codes *codes, const char *form, const char *channel) {
    char hash[CODE_HASH_HEX + 1];
    const struct code *right = NULL;
    hash_form(form, hash);
    for (size_t i = 0; i < codes->count; i++) {
        const struct code *code = &codes->items[i];
        int typed = CRYPTO_memcmp(code->typed, hash, CODE_HASH_HEX);
        int link = CRYPTO_memcmp(code->link, hash, CODE_HASH_HEX); /* both, whatever the first says */
        bool same = typed == 0 || link == 0;
        if (same && (!code->channel[0] || strcmp(code->channel, channel) == 0)) right = code;
    }
    return right;
}

const struct code *codes_find(const struct codes *codes, const char *id) {
    for (size_t i = 0; i < codes->count; i++)
        if (strcmp(codes->items[i].id, id) == 0) return &codes->items[i];
    return NULL;
}
