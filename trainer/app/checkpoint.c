/* checkpoint.c: see checkpoint.h. One pair of functions (head_put, head_get) names the fields in the file's order;
 * whatever a file claims is checked against its true size before memory is asked for. */
#include "checkpoint.h"
#include "bytes.h"
#include "number.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 2 /* 1 had no numbers, and is written and read where there are none */
#define PREFIX_SIZE 24
#define DIGEST_SIZE 32
#define HEAD_MAX ((size_t)1 << 20)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(float) == 4,
               "floats are stored as they lie in memory");

static const uint8_t magic[8] = {'T', 'B', 'C', 'K', 'P', 'T', '\n', 0x1a};

void checkpoint_release(struct checkpoint *checkpoint) {
    free(checkpoint->tensors);
    free(checkpoint->values);
    *checkpoint = (struct checkpoint){0};
}

double checkpoint_number(const struct checkpoint *checkpoint, const char *name, double otherwise) {
    for (size_t i = 0; i < checkpoint->numbers_count; i++)
        if (strcmp(checkpoint->numbers[i].name, name) == 0) return checkpoint->numbers[i].value;
    return otherwise;
}

void checkpoint_number_set(struct checkpoint *checkpoint, const char *name, double value) {
    size_t at = 0;
    while (at < checkpoint->numbers_count && strcmp(checkpoint->numbers[at].name, name) != 0)
        at++;
    if (at == CHECKPOINT_NUMBERS_MAX) return;
    snprintf(checkpoint->numbers[at].name, sizeof checkpoint->numbers[at].name, "%s", name);
    checkpoint->numbers[at].value = value;
    if (at == checkpoint->numbers_count) checkpoint->numbers_count++;
}

static void head_put(const struct checkpoint *c, struct bytes_out *out) {
    bytes_put_text(out, c->model);
    bytes_put_text(out, c->numerics);
    bytes_put_text(out, c->lineage);
    const int64_t numbers[] = {c->saved_ms, c->step, c->samples, c->order, c->data_count, c->data_checksum};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        bytes_put_u64(out, (uint64_t)numbers[i]);
    bytes_put_double(out, c->score);
    for (size_t i = 0; i < ENGINE_WORDS; i++)
        bytes_put_u64(out, c->words[i]);
    bytes_put_u64(out, c->params_count);
    for (size_t i = 0; i < c->params_count; i++) {
        bytes_put_text(out, c->params[i].name);
        bytes_put_text(out, c->params[i].text);
    }
    if (c->numbers_count > 0) bytes_put_u64(out, c->numbers_count);
    for (size_t i = 0; i < c->numbers_count; i++) {
        bytes_put_text(out, c->numbers[i].name);
        bytes_put_double(out, c->numbers[i].value);
    }
    bytes_put_u64(out, c->tensors_count);
    for (size_t i = 0; i < c->tensors_count; i++) {
        const struct engine_tensor *t = &c->tensors[i];
        bytes_put_text(out, t->name);
        bytes_put_u64(out, (uint64_t)t->dims_count);
        for (int d = 0; d < t->dims_count; d++)
            bytes_put_u64(out, (uint64_t)t->dims[d]);
    }
}

static bool tensor_get(struct bytes_in *in, struct engine_tensor *ret_tensor) {
    *ret_tensor = (struct engine_tensor){.count = 1};
    bytes_get_text(in, ret_tensor->name, sizeof ret_tensor->name);
    uint64_t dims = bytes_get_u64(in);
    if (in->failed || dims > 4) return false;
    ret_tensor->dims_count = (int)dims;
    for (uint64_t d = 0; d < dims; d++) {
        int64_t dim = bytes_get_i64(in);
        if (in->failed || dim < 1 || (uint64_t)dim > CHECKPOINT_FLOATS_MAX) return false;
        ret_tensor->dims[d] = dim;
        if (__builtin_mul_overflow(ret_tensor->count, (size_t)dim, &ret_tensor->count)) return false;
    }
    return ret_tensor->count <= CHECKPOINT_FLOATS_MAX;
}

static bool numbers_get(struct bytes_in *in, struct checkpoint *c) {
    uint64_t count = bytes_get_u64(in);
    if (in->failed || count < 1 || count > CHECKPOINT_NUMBERS_MAX) return false;
    c->numbers_count = (size_t)count;
    for (size_t i = 0; i < c->numbers_count; i++) {
        bytes_get_text(in, c->numbers[i].name, sizeof c->numbers[i].name);
        c->numbers[i].value = bytes_get_double(in);
    }
    return !in->failed;
}

/* Everything before the tensors' table. */
static bool fields_get(struct bytes_in *in, uint32_t version, struct checkpoint *c) {
    bytes_get_text(in, c->model, sizeof c->model);
    bytes_get_text(in, c->numerics, sizeof c->numerics);
    bytes_get_text(in, c->lineage, sizeof c->lineage);
    int64_t *const numbers[] = {&c->saved_ms, &c->step, &c->samples, &c->order, &c->data_count, &c->data_checksum};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i] = bytes_get_i64(in);
    c->score = bytes_get_double(in);
    for (size_t i = 0; i < ENGINE_WORDS; i++)
        c->words[i] = bytes_get_u64(in);
    uint64_t count = bytes_get_u64(in);
    if (in->failed || count > CHECKPOINT_PARAMS_MAX) return false;
    c->params_count = (size_t)count;
    for (size_t i = 0; i < c->params_count; i++) {
        bytes_get_text(in, c->params[i].name, sizeof c->params[i].name);
        bytes_get_text(in, c->params[i].text, sizeof c->params[i].text);
    }
    return !in->failed && (version < 2 || numbers_get(in, c));
}

static bool tensors_get(struct bytes_in *in, struct checkpoint *c) {
    uint64_t count = bytes_get_u64(in);
    if (in->failed || count > CHECKPOINT_TENSORS_MAX) return false;
    c->tensors = calloc(count + 1, sizeof *c->tensors);
    if (c->tensors == NULL) return false;
    c->tensors_count = (size_t)count;
    for (size_t i = 0; i < c->tensors_count; i++) {
        if (!tensor_get(in, &c->tensors[i])) return false;
        c->values_count += c->tensors[i].count;
        if (c->values_count > CHECKPOINT_FLOATS_MAX) return false;
    }
    return in->at == in->size;
}

static size_t values_offset(size_t head_size) {
    return (PREFIX_SIZE + head_size + 63) / 64 * 64;
}

/* Prefix, head and padding: all that stands before the floats. Caller frees; NULL: too large or no memory. */
static uint8_t *front_build(const struct checkpoint *c, size_t *ret_size, uint64_t *ret_file_size) {
    uint8_t *front = calloc(1, PREFIX_SIZE + HEAD_MAX + 64);
    if (front == NULL) return NULL;
    struct bytes_out head = {.bytes = front + PREFIX_SIZE, .room = HEAD_MAX};
    head_put(c, &head);
    if (head.failed) {
        free(front);
        return NULL;
    }
    size_t offset = values_offset(head.size);
    uint64_t file_size = offset + (uint64_t)c->values_count * sizeof(float) + DIGEST_SIZE;
    struct bytes_out prefix = {.bytes = front, .room = PREFIX_SIZE};
    bytes_put(&prefix, magic, sizeof magic);
    bytes_put_u64(&prefix, (c->numbers_count > 0 ? VERSION : 1) | (uint64_t)head.size << 32);
    bytes_put_u64(&prefix, file_size);
    *ret_size = offset;
    *ret_file_size = file_size;
    return front;
}

int checkpoint_encode(const struct checkpoint *checkpoint, struct checkpoint_bytes *ret_bytes) {
    struct checkpoint_bytes b = {.values = (const uint8_t *)checkpoint->values,
                                 .values_size = checkpoint->values_count * sizeof(float)};
    b.front = front_build(checkpoint, &b.front_size, &b.file_size);
    if (b.front == NULL) return -1;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool good = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(digest, b.front, b.front_size) == 1 &&
                EVP_DigestUpdate(digest, b.values, b.values_size) == 1 &&
                EVP_DigestFinal_ex(digest, b.digest, NULL) == 1;
    EVP_MD_CTX_free(digest);
    if (!good) {
        free(b.front);
        return -1;
    }
    *ret_bytes = b;
    return 0;
}

/* Checks the prefix. Returns the head's size and the version, or 0 with `error`. `size` is the file's. */
static size_t prefix_check(const uint8_t *bytes, size_t have, uint64_t size, uint32_t *ret_version, char *error) {
    if (have < PREFIX_SIZE || memcmp(bytes, magic, sizeof magic) != 0) {
        snprintf(error, APP_ERROR_SIZE, "not a checkpoint of trainbot-train");
        return 0;
    }
    struct bytes_in in = {.bytes = bytes + sizeof magic, .size = PREFIX_SIZE - sizeof magic};
    uint64_t word = bytes_get_u64(&in), claimed = bytes_get_u64(&in);
    uint32_t version = (uint32_t)word;
    size_t head = (size_t)(word >> 32);
    if (version < 1 || version > VERSION) {
        snprintf(error, APP_ERROR_SIZE, "written by another version (format %u; this program reads up to %d)", version,
                 VERSION);
        return 0;
    }
    if (claimed != size) {
        snprintf(error, APP_ERROR_SIZE, "corrupt: %llu bytes instead of %llu", (unsigned long long)size,
                 (unsigned long long)claimed);
        return 0;
    }
    if (head == 0 || head > HEAD_MAX || values_offset(head) + DIGEST_SIZE > size) {
        snprintf(error, APP_ERROR_SIZE, "corrupt: impossible sizes in its head");
        return 0;
    }
    *ret_version = version;
    return head;
}

static bool digest_holds(const uint8_t *bytes, size_t size) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    return EVP_Digest(bytes, size - DIGEST_SIZE, digest, &length, EVP_sha256(), NULL) == 1 && length == DIGEST_SIZE &&
           memcmp(digest, bytes + size - DIGEST_SIZE, DIGEST_SIZE) == 0;
}

int checkpoint_decode(const uint8_t *bytes, size_t size, struct checkpoint *ret_checkpoint, char *error) {
    uint32_t version = 0;
    size_t head = prefix_check(bytes, size, size, &version, error);
    if (head == 0) return -1;
    if (!digest_holds(bytes, size)) {
        snprintf(error, APP_ERROR_SIZE, "corrupt: its checksum does not hold");
        return -1;
    }
    struct checkpoint c = {0};
    struct bytes_in in = {.bytes = bytes + PREFIX_SIZE, .size = head};
    if (!fields_get(&in, version, &c) || !tensors_get(&in, &c) ||
        values_offset(head) + c.values_count * sizeof(float) + DIGEST_SIZE != size) {
        snprintf(error, APP_ERROR_SIZE, "corrupt: its fields make no sense");
        checkpoint_release(&c);
        return -1;
    }
    c.values = malloc(c.values_count * sizeof(float) + 1);
    if (c.values == NULL) {
        snprintf(error, APP_ERROR_SIZE, "not enough memory for its %zu numbers", c.values_count);
        checkpoint_release(&c);
        return -1;
    }
    memcpy(c.values, bytes + values_offset(head), c.values_count * sizeof(float));
    *ret_checkpoint = c;
    return 0;
}

int checkpoint_decode_head(const uint8_t *bytes, size_t have, uint64_t size, struct checkpoint *ret_checkpoint) {
    char error[APP_ERROR_SIZE];
    uint32_t version = 0;
    size_t head = prefix_check(bytes, have, size, &version, error);
    if (head == 0 || head > have - PREFIX_SIZE) return -1;
    struct checkpoint c = {0};
    struct bytes_in in = {.bytes = bytes + PREFIX_SIZE, .size = head};
    if (!fields_get(&in, version, &c)) return -1;
    *ret_checkpoint = c;
    return 0;
}
