/*
 * Pictures that a trainer sends in chunks. They grow in STATE_DIR/runs/N/images/ID-SEQ.png (or jpg, svg), which
 * survives a restart of the bot, and get a row when length and SHA-256 hold; nothing is renamed, so that a chunk can
 * come again. A picture that belongs to a command's answer goes with that answer; any other is told by itself. One that
 * cannot be kept is let go: it never holds up the rows behind it.
 */
#include "outbox.h"
#include "runs_state.h"
#include "text.h"
#include <cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *mime, *suffix;
} kinds[] = {{"image/png", "png"}, {"image/jpeg", "jpg"}, {"image/svg+xml", "svg"}};

static const char *suffix_of(const char *mime) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].mime, mime) == 0) return kinds[i].suffix;
    return NULL;
}

static bool safe_id(const char *id) {
    size_t length = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
    return length > 0 && length <= 64 && id[length] == 0;
}

/* STATE_DIR/runs/N/images/NAME */
static int image_path(struct bot *bot, const struct run *run, const char *name, char *path, size_t size) {
    char dir[3072];
    int status = runs_dir(bot, run->id, dir, sizeof dir);
    if (status < 0) return status;
    snprintf(path, size, "%s/images", dir);
    if (mkdir(path, 0700) < 0 && errno != EEXIST) return TB_EIO;
    snprintf(path, size, "%s/images/%s", dir, name);
    return TB_OK;
}

static void key_of(const struct run *run, const char *what, const char *id, char *key, size_t size) {
    snprintf(key, size, "%s/%lld/%s", what, (long long)run->id, id);
}

static void let_go(struct bot *bot, const struct run *run, const char *why) {
    runs_event(bot, run, run->step, "note", "a picture was dropped: %s", why);
}

static char *head_json(const struct wire_frame *frame, const char *name) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "title", frame->u.image.title ? frame->u.image.title : "");
    cJSON_AddStringToObject(object, "mime", frame->u.image.mime);
    cJSON_AddStringToObject(object, "sha256", frame->u.image.sha256 ? frame->u.image.sha256 : "");
    cJSON_AddStringToObject(object, "file", name);
    cJSON_AddNumberToObject(object, "size", (double)frame->u.image.size);
    char *json = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return json;
}

int images_begin(struct bot *bot, struct run *run, const struct wire_frame *frame) {
    const char *id = frame->u.image.id;
    char path[3300], key[160], name[128];
    if (!safe_id(id) || !suffix_of(frame->u.image.mime) || frame->u.image.size <= 0 ||
        frame->u.image.size > WIRE_IMAGE_MAX) {
        let_go(bot, run, "its id, type or size is not right");
        return TB_OK; /* refused for good: sending it again would change nothing */
    }
    snprintf(name, sizeof name, "%s-%llu.%s", id, (unsigned long long)frame->seq, suffix_of(frame->u.image.mime));
    int status = image_path(bot, run, name, path, sizeof path);
    int fd = status < 0 ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        let_go(bot, run, strerror(errno));
        return TB_OK;
    }
    close(fd);
    char *json = head_json(frame, name);
    key_of(run, "picture", id, key, sizeof key);
    status = json ? store_set(bot->ports.store, key, json) : TB_ENOMEM;
    cJSON_free(json);
    return status;
}

/* The file's SHA-256 as hex. */
static int hash_file(const char *path, char ret_hex[65]) {
    unsigned char digest[EVP_MAX_MD_SIZE], bytes[1 << 14];
    unsigned length = 0;
    FILE *file = fopen(path, "rbe");
    if (!file) return TB_EIO;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    for (size_t count; good && (count = fread(bytes, 1, sizeof bytes, file)) > 0;)
        good = EVP_DigestUpdate(context, bytes, count);
    good = good && !ferror(file) && EVP_DigestFinal_ex(context, digest, &length);
    EVP_MD_CTX_free(context);
    fclose(file);
    if (!good || length != 32) return TB_EIO;
    for (unsigned i = 0; i < 32; i++)
        snprintf(ret_hex + 2 * (size_t)i, 3, "%02x", digest[i]);
    return TB_OK;
}

static const char *member(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static int forget(struct bot *bot, struct run *run, const char *id, const char *path, const char *why) {
    char key[160];
    let_go(bot, run, why);
    (void)unlink(path);
    key_of(run, "picture", id, key, sizeof key);
    return store_set(bot->ports.store, key, NULL);
}

static int complete(struct bot *bot, struct run *run, const char *id, const cJSON *head, const char *path) {
    char hex[65], relative[256], key[160], number[32];
    if (hash_file(path, hex) < 0) return forget(bot, run, id, path, "it could not be read again");
    if (member(head, "sha256")[0] && strcmp(member(head, "sha256"), hex) != 0)
        return forget(bot, run, id, path, "it came damaged");
    snprintf(relative, sizeof relative, "runs/%lld/images/%s", (long long)run->id, member(head, "file"));
    struct image_record record = {.run = run->id,
                                  .t_ms = clock_wall_ms(bot->ports.clock),
                                  .title = member(head, "title"),
                                  .mime = member(head, "mime"),
                                  .path = relative};
    int64_t image = 0;
    key_of(run, "picture", id, key, sizeof key);
    int status = store_image_add(bot->ports.store, &record, &image);
    if (status == TB_OK) status = store_set(bot->ports.store, key, NULL);
    snprintf(number, sizeof number, "%lld", (long long)image);
    key_of(run, "image", id, key, sizeof key);
    if (status == TB_OK) status = store_set(bot->ports.store, key, number);
    if (status < 0) return status;
    if (controls_has(run, CONTROL_CALL)) return TB_OK; /* the command's answer will bring it */
    struct fact fact = {
        .kind = FACT_IMAGE, .run = run, .step = run->step, .text = record.title, .image = image, .cpu_percent = -1};
    runs_fact(bot, &fact);
    return TB_OK;
}

/* One chunk into its place. 1: the last byte is there. */
static int put_chunk(struct bot *bot, struct run *run, const struct wire_frame *frame, const cJSON *head, char *path,
                     size_t path_size) {
    const cJSON *size = cJSON_GetObjectItemCaseSensitive(head, "size");
    int64_t total = cJSON_IsNumber(size) ? (int64_t)size->valuedouble : 0, offset = frame->u.chunk.offset;
    int status = image_path(bot, run, member(head, "file"), path, path_size);
    if (status < 0) return status;
    if (offset < 0 || offset > total || (int64_t)frame->u.chunk.size > total - offset) return 0;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return TB_EIO;
    ssize_t count = pwrite(fd, frame->u.chunk.data, frame->u.chunk.size, (off_t)offset);
    close(fd);
    if (count != (ssize_t)frame->u.chunk.size) return TB_EFULL;
    return offset + (int64_t)frame->u.chunk.size == total;
}

int images_chunk(struct bot *bot, struct run *run, const struct wire_frame *frame) {
    const char *id = frame->u.chunk.id;
    char path[3300] = "", key[160], *json = NULL;
    if (!safe_id(id)) return TB_OK;
    key_of(run, "picture", id, key, sizeof key);
    int status = store_get(bot->ports.store, key, &json);
    if (status < 0) return status == TB_ENOTFOUND ? TB_OK : status; /* it was refused */
    cJSON *head = cJSON_Parse(json);
    free(json);
    status = put_chunk(bot, run, frame, head, path, sizeof path);
    if (status < 0)
        status = forget(bot, run, id, path, tb_error_text(status));
    else if (status > 0)
        status = complete(bot, run, id, head, path);
    cJSON_Delete(head);
    return status;
}

int64_t images_find(struct bot *bot, const struct run *run, const char *wire_id) {
    char key[160], *number = NULL;
    if (!safe_id(wire_id)) return 0;
    key_of(run, "image", wire_id, key, sizeof key);
    if (store_get(bot->ports.store, key, &number) < 0) return 0;
    int64_t image = strtoll(number, NULL, 10);
    free(number);
    return image;
}
