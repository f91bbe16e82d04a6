/*
 * pairing.c: codes that give somebody a role. A code is eight of 32 characters, lives ten minutes, is kept only as a
 * hash, is compared in constant time, works once, and dies after five wrong tries by anybody; the owner hears of that.
 */
#include "requests.h"
#include "outbox.h"
#include "text.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CODE_SIZE 8
#define CODE_LIVES_MS 600000
#define CODE_TRIES 5
#define HINT_EVERY_MS 3600000
#define HASH_HEX (2 * SHA256_DIGEST_LENGTH)
#define PREFIX "pair/"

static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

static void hash_code(const char *code, char hex[HASH_HEX + 1]) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)code, CODE_SIZE, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* One live code as the store keeps it: "HASH role expires_ms tries who-made-it". */
struct code {
    char key[40], hash[HASH_HEX + 1], role[16], owner[200];
    long long expires_ms;
    int tries;
};

struct code_list {
    struct code codes[16];
    size_t count;
};

static bool take_code(void *user, const char *key, const char *value) {
    struct code_list *list = user;
    struct code code = {.tries = 0};
    if (strlen(key) >= sizeof code.key) return true;
    snprintf(code.key, sizeof code.key, "%s", key);
    if (sscanf(value, "%64s %15s %lld %d %199s", code.hash, code.role, &code.expires_ms, &code.tries, code.owner) != 5)
        return true;
    list->codes[list->count++] = code;
    return list->count < sizeof list->codes / sizeof *list->codes;
}

static void put_code(struct bot *bot, const struct code *code, bool live) {
    char value[400];
    snprintf(value, sizeof value, "%s %s %lld %d %s", code->hash, code->role, code->expires_ms, code->tries,
             code->owner);
    int status = store_set(bot->ports.store, code->key, live ? value : NULL);
    if (status < 0) bot_log(bot, 0, "a pairing code was not kept: %s", tb_error_text(status));
}

/* Live codes; expired ones are removed on the way. */
static void load_codes(struct bot *bot, struct code_list *list) {
    struct code_list all = {.count = 0};
    list->count = 0;
    int status = store_pairs(bot->ports.store, PREFIX, take_code, &all);
    if (status < 0) bot_log(bot, 0, "pairing codes cannot be read: %s", tb_error_text(status));
    for (size_t i = 0; i < all.count; i++) {
        if (all.codes[i].expires_ms <= clock_wall_ms(bot->ports.clock))
            put_code(bot, &all.codes[i], false);
        else
            list->codes[list->count++] = all.codes[i];
    }
}

enum verdict cmd_pair(struct request *request, struct parsed *parsed) {
    struct bot *bot = request->bot;
    const char *asked = parsed->count == 2 ? parsed->tokens[1] : "";
    bool is_operator = parse_same(asked, "operator") || parse_same(asked, "操作者");
    if (!is_operator && !parse_same(asked, "viewer") && !parse_same(asked, "查看者")) return refuse_usage(request);
    struct code_list list;
    load_codes(bot, &list);
    if (list.count >= 8)
        return request_refuse(request, "还有 8 个没用的配对码,等它们过期(10 分钟)。",
                              "There are 8 unused codes; wait until they expire (10 minutes).");
    unsigned char random[CODE_SIZE + 4];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return request_refuse(request, "系统给不出随机数。", "The system gives no random numbers.");
    char text[CODE_SIZE + 1] = "";
    for (size_t i = 0; i < CODE_SIZE; i++)
        text[i] = alphabet[random[i] & 31];
    struct code code = {.expires_ms = clock_wall_ms(bot->ports.clock) + CODE_LIVES_MS};
    snprintf(code.key, sizeof code.key, PREFIX "%02x%02x%02x%02x", random[8], random[9], random[10], random[11]);
    snprintf(code.role, sizeof code.role, "%s", is_operator ? "operator" : "viewer");
    snprintf(code.owner, sizeof code.owner, "%s:%.150s", request->channel, request->chat);
    hash_code(text, code.hash);
    put_code(bot, &code, true);
    request_say(request,
                request_zh(request) ? "配对码:%s。十分钟内,让对方把它发给我;用一次就作废。"
                                    : "Code: %s. Within ten minutes the other person sends it to me; it works once.",
                text);
    free(request->said); /* the audit must not hold the code */
    request->said = strdup(code.role);
    OPENSSL_cleanse(text, sizeof text);
    return DONE;
}

static void tell_owner(struct bot *bot, const struct code *code, const char *who) {
    char channel[64], text[400];
    const char *colon = strchr(code->owner, ':');
    if (!colon || colon - code->owner >= (ptrdiff_t)sizeof channel) return;
    snprintf(channel, sizeof channel, "%.*s", (int)(colon - code->owner), code->owner);
    struct session *session = session_find(bot, channel, colon + 1);
    bool zh = (session ? session_lang(bot, session) : bot->ports.settings->language) == LANG_ZH;
    snprintf(text, sizeof text,
             zh ? "⚠ 配对码作废:有人猜错了五次(最后是 %.150s)。"
                : "⚠ The pairing code is void: five wrong tries (the last by %.150s).",
             who);
    struct outbox_message message = {
        .channel = channel, .chat = colon + 1, .class = MESSAGE_ALERT, .text = text, .key = ""};
    int status = outbox_add(bot, &message, NULL);
    if (status < 0) bot_log(bot, 0, "an alert could not be queued: %s", tb_error_text(status));
}

static void answer(struct bot *bot, const struct asker *asker, const char *text) {
    struct outbox_message message = {
        .channel = asker->channel, .chat = asker->chat, .class = MESSAGE_REPLY, .text = text, .key = ""};
    int status = outbox_add(bot, &message, NULL);
    if (status < 0) bot_log(bot, 0, "a reply could not be queued: %s", tb_error_text(status));
}

/* At most once an hour a person; the oldest entry makes room. */
static void hint(struct bot *bot, const struct asker *asker, const char *who) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *at = who; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    if (hash == 0) hash = 1;
    int64_t now = clock_mono_ms(bot->ports.clock);
    struct hint *slot = &bot->requests->hints[0];
    for (size_t i = 0; i < HINTS_MAX; i++) {
        struct hint *at = &bot->requests->hints[i];
        if (at->who == hash) {
            if (now - at->told_ms < HINT_EVERY_MS) return;
            slot = at;
            break;
        }
        if (slot->who != 0 && (at->who == 0 || at->told_ms < slot->told_ms)) slot = at;
    }
    if (slot->who != 0 && slot->who != hash && now - slot->told_ms < HINT_EVERY_MS) return; /* a flood of strangers */
    *slot = (struct hint){.who = hash, .told_ms = now};
    answer(bot, asker,
           bot->ports.settings->language == LANG_ZH
               ? "你还没有权限。请主人发\"配对 operator\",把得到的八位码发给我。"
               : "You have no access yet. Ask the owner for a code (\"pair operator\") and send it to me.");
}

static void give_role(struct bot *bot, const struct asker *asker, const struct code *code, const char *who) {
    char *key = text_print("role/%s", who);
    int status = key ? store_set(bot->ports.store, key, code->role) : TB_ENOMEM;
    free(key);
    put_code(bot, code, false);
    bool zh = bot->ports.settings->language == LANG_ZH, is_operator = strcmp(code->role, "operator") == 0;
    struct audit_record audit = {.t_ms = clock_wall_ms(bot->ports.clock),
                                 .who = who,
                                 .what = "pairing",
                                 .outcome = code->role};
    if (status == TB_OK) status = store_audit_add(bot->ports.store, &audit);
    if (status < 0) {
        bot_log(bot, 0, "a pairing was not kept: %s", tb_error_text(status));
        return;
    }
    if (!session_get(bot, asker->channel, asker->chat)) bot_log(bot, 1, "too many conversations");
    answer(bot, asker,
           zh ? (is_operator ? "配对成功,你是操作者。发\"帮助\"看命令。" : "配对成功,你是查看者。发\"帮助\"看命令。")
              : (is_operator ? "Paired: you are an operator. Send \"help\" for the commands."
                             : "Paired: you are a viewer. Send \"help\" for the commands."));
}

void pairing_try(struct bot *bot, const struct asker *asker, const char *text, size_t size) {
    char *who = text_print("%s:%s", asker->channel, asker->sender);
    if (!who) return;
    char code[CODE_SIZE + 1] = "", hash[HASH_HEX + 1];
    struct parsed *parsed = malloc(sizeof *parsed);
    bool looks = parsed && parse_text(text, size, parsed) == PARSE_OK && parsed->count == 1 &&
                 strlen(parsed->tokens[0]) == CODE_SIZE;
    for (size_t i = 0; looks && i < CODE_SIZE; i++) {
        char c = parsed->tokens[0][i];
        code[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
        looks = memchr(alphabet, code[i], 32) != NULL;
    }
    free(parsed);
    struct code_list list = {.count = 0};
    if (looks) {
        load_codes(bot, &list);
        hash_code(code, hash);
    }
    const struct code *right = NULL;
    for (size_t i = 0; i < list.count; i++)
        if (strlen(list.codes[i].hash) == HASH_HEX && CRYPTO_memcmp(list.codes[i].hash, hash, HASH_HEX) == 0)
            right = &list.codes[i];
    if (right) give_role(bot, asker, right, who);
    for (size_t i = 0; !right && i < list.count; i++) {
        struct code *wrong = &list.codes[i];
        wrong->tries++;
        put_code(bot, wrong, wrong->tries < CODE_TRIES);
        if (wrong->tries >= CODE_TRIES) tell_owner(bot, wrong, who);
    }
    if (!right) hint(bot, asker, who);
    free(who);
}
