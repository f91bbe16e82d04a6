/* What is sent to WeChat's bot interface: see weixin_codec.h. weixin_decode.c reads what it answers. */
#include "weixin_codec.h"
#include "words.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOT_AGENT "trainbot/" TRAINBOT_VERSION

/* ---- headers ---- */

bool weixin_version(const char *version, uint32_t *ret_number) {
    static const uint32_t most[3] = {0xffff, 0xff, 0xff};
    uint32_t parts[3] = {0};
    const char *at = version;
    for (int i = 0; i < 3; i++) {
        int digits = 0;
        for (; *at >= '0' && *at <= '9' && digits < 6; at++, digits++)
            parts[i] = parts[i] * 10 + (uint32_t)(*at - '0');
        if (digits == 0 || parts[i] > most[i] || *at != (i < 2 ? '.' : '\0')) return false;
        at++;
    }
    *ret_number = parts[0] << 16 | parts[1] << 8 | parts[2];
    return true;
}

void weixin_uin(uint32_t number, char text[24]) {
    char digits[16];
    int n = snprintf(digits, sizeof digits, "%u", number);
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)digits, n);
}

/* ---- bodies ---- */

/* Takes object. cJSON keeps the first failed addition to itself, so a body is complete or NULL only as far as `good`.
 */
static char *print(cJSON *object, bool good) {
    char *json = good ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    return json;
}

void weixin_body_free(char *body) {
    if (!body) return;
    OPENSSL_cleanse(body, strlen(body));
    cJSON_free(body);
}

static bool add_text(cJSON *object, const char *name, const char *text) {
    return cJSON_AddStringToObject(object, name, text) != NULL;
}
static bool add_number(cJSON *object, const char *name, int64_t value) {
    return cJSON_AddNumberToObject(object, name, (double)value) != NULL;
}

static bool add_base(cJSON *object, const char *version) {
    cJSON *base = cJSON_AddObjectToObject(object, "base_info");
    return base && add_text(base, "channel_version", version) && add_text(base, "bot_agent", BOT_AGENT);
}

char *weixin_encode_code_request(const char *const *tokens, size_t count) {
    cJSON *object = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(object, "local_token_list");
    bool good = list != NULL;
    for (size_t i = 0; good && i < count; i++)
        good = cJSON_AddItemToArray(list, cJSON_CreateString(tokens[i])) != 0;
    return print(object, good);
}

char *weixin_encode_notify(const char *version) {
    cJSON *object = cJSON_CreateObject();
    return print(object, add_base(object, version));
}

char *weixin_encode_poll(const char *version, const char *cursor) {
    cJSON *object = cJSON_CreateObject();
    return print(object, add_text(object, "get_updates_buf", cursor) && add_base(object, version));
}

/* aes_key is base64 of the hex digits, not of the bytes: the app shows a grey picture otherwise. */
static bool add_picture(cJSON *item, const struct weixin_send_body *send) {
    char key[64];
    if (strlen(send->aeskey_hex) != 32) return false;
    EVP_EncodeBlock((unsigned char *)key, (const unsigned char *)send->aeskey_hex, 32);
    cJSON *picture = cJSON_AddObjectToObject(item, "image_item"), *media = cJSON_AddObjectToObject(picture, "media");
    bool good = picture && media && add_text(media, "encrypt_query_param", send->encrypt_query_param) &&
                add_text(media, "aes_key", key) && add_number(media, "encrypt_type", 1) &&
                add_number(picture, "mid_size", send->cipher_bytes);
    OPENSSL_cleanse(key, sizeof key);
    return good;
}

static bool add_item(cJSON *message, const struct weixin_send_body *send) {
    cJSON *list = cJSON_AddArrayToObject(message, "item_list"), *item = cJSON_CreateObject();
    if (!list || !item || !cJSON_AddItemToArray(list, item)) {
        cJSON_Delete(item);
        return false;
    }
    if (!send->text) return add_number(item, "type", 2) && add_picture(item, send);
    cJSON *text = NULL;
    return add_number(item, "type", 1) && (text = cJSON_AddObjectToObject(item, "text_item")) &&
           add_text(text, "text", send->text);
}

char *weixin_encode_send(const char *version, const struct weixin_send_body *send) {
    cJSON *object = cJSON_CreateObject(), *message = cJSON_AddObjectToObject(object, "msg");
    bool good = message && add_text(message, "from_user_id", "") && add_text(message, "to_user_id", send->to) &&
                add_text(message, "client_id", send->client_id) && add_number(message, "message_type", 2) &&
                add_number(message, "message_state", 2) && add_item(message, send) &&
                add_text(message, "context_token", send->context_token) && add_base(object, version);
    return print(object, good);
}

char *weixin_encode_config(const char *version, const char *person, const char *context_token) {
    cJSON *object = cJSON_CreateObject();
    bool good = add_text(object, "ilink_user_id", person) && add_text(object, "context_token", context_token) &&
                add_base(object, version);
    return print(object, good);
}

char *weixin_encode_typing(const char *version, const char *person, const char *ticket, bool on) {
    cJSON *object = cJSON_CreateObject();
    bool good = add_text(object, "ilink_user_id", person) && add_text(object, "typing_ticket", ticket) &&
                add_number(object, "status", on ? 1 : 2) && add_base(object, version);
    return print(object, good);
}

char *weixin_encode_upload(const char *version, const struct weixin_upload_body *upload) {
    cJSON *object = cJSON_CreateObject();
    bool good = add_text(object, "filekey", upload->filekey) && add_number(object, "media_type", 1) &&
                add_text(object, "to_user_id", upload->to) && add_number(object, "rawsize", upload->plain_bytes) &&
                add_text(object, "rawfilemd5", upload->md5_hex) &&
                add_number(object, "filesize", upload->cipher_bytes) &&
                cJSON_AddBoolToObject(object, "no_need_thumb", 1) && add_text(object, "aeskey", upload->aeskey_hex) &&
                add_base(object, version);
    return print(object, good);
}

/* ---- texts and ids ---- */

char *weixin_clean_text(const char *text) {
    size_t size = strlen(text), length = 0;
    char *clean = malloc(size + 1);
    for (size_t i = 0; clean && i < size;) {
        uint32_t code = 0;
        size_t n = utf8_next(text + i, size - i, &code);
        bool control = n > 0 && (code < 0x20 || (code >= 0x7f && code < 0xa0)) && code != '\n' && code != '\t';
        if (n == 0)
            clean[length++] = '?';
        else if (!control) {
            memcpy(clean + length, text + i, n);
            length += n;
        }
        i += n > 0 ? n : 1;
    }
    if (clean) clean[length] = 0;
    return clean;
}

void weixin_client_id(int64_t created_ms, const char *key, char *id, size_t size) {
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)key, strlen(key), hash);
    snprintf(id, size, "trainbot:%lld-%02x%02x%02x%02x", (long long)created_ms, hash[0], hash[1], hash[2], hash[3]);
}

/* ---- what names a message ---- */

static void message_hash(const struct weixin_message *message, unsigned char hash[SHA256_DIGEST_LENGTH]) {
    char head[WEIXIN_ID_MAX + 32];
    int n = snprintf(head, sizeof head, "%s\n%lld\n", message->from, (long long)message->create_time_ms);
    unsigned char both[2 * SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)head, (size_t)n, both);
    SHA256((const unsigned char *)message->text, message->size, both + SHA256_DIGEST_LENGTH);
    SHA256(both, sizeof both, hash);
}

void weixin_message_identity(const struct weixin_message *message, char identity[WEIXIN_IDENTITY_MAX]) {
    if (message->id[0]) {
        snprintf(identity, WEIXIN_IDENTITY_MAX, "%s", message->id);
        return;
    }
    if (message->client_id[0]) {
        snprintf(identity, WEIXIN_IDENTITY_MAX, "client:%s", message->client_id);
        return;
    }
    unsigned char hash[SHA256_DIGEST_LENGTH];
    message_hash(message, hash);
    size_t n = (size_t)snprintf(identity, WEIXIN_IDENTITY_MAX, "hash:");
    for (size_t i = 0; i < 16; i++)
        n += (size_t)snprintf(identity + n, WEIXIN_IDENTITY_MAX - n, "%02x", hash[i]);
}

uint64_t weixin_message_print(const struct weixin_message *message) {
    unsigned char hash[SHA256_DIGEST_LENGTH];
    uint64_t value = 0;
    if (message->create_time_ms <= 0) return 0;
    message_hash(message, hash);
    memcpy(&value, hash, sizeof value);
    return value ? value : 1;
}

int64_t weixin_time_ms(int64_t create_time_ms, int64_t now_ms) {
    int64_t ms = create_time_ms;
    if (ms > 0 && ms < 100000000000) ms *= 1000; /* ten digits: seconds */
    return ms < 1420070400000 || ms > now_ms + 300000 ? 0 : ms;
}
