/* idx.c: see idx.h. A stream hides whether the bytes are gzip; it is drained past the last value, so that gzip's own
 * checksum is verified and trailing bytes are found. */
#include "idx.h"
#include "number.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

struct stream {
    bool gzip, ended;
    z_stream z;
    const uint8_t *bytes; /* plain: what is left */
    size_t size;
};

static int stream_open(struct stream *stream, const uint8_t *bytes, size_t size) {
    *stream = (struct stream){.bytes = bytes, .size = size};
    stream->gzip = size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
    if (!stream->gzip) return 0;
    if (size > UINT32_MAX || inflateInit2(&stream->z, 16 + MAX_WBITS) != Z_OK) return -1;
    stream->z.next_in = (Bytef *)(uintptr_t)bytes;
    stream->z.avail_in = (uInt)size;
    return 0;
}

static void stream_close(struct stream *stream) {
    if (stream->gzip) inflateEnd(&stream->z);
}

/* Fills up to `size` bytes. Returns how many there were, or -1 when the gzip data is damaged or cut short. */
static int64_t stream_read(struct stream *stream, uint8_t *out, size_t size) {
    if (!stream->gzip) {
        size_t n = size < stream->size ? size : stream->size;
        memcpy(out, stream->bytes, n);
        stream->bytes += n;
        stream->size -= n;
        return (int64_t)n;
    }
    size_t done = 0;
    while (done < size && !stream->ended) {
        size_t part = size - done < (1u << 30) ? size - done : (1u << 30);
        stream->z.next_out = out + done;
        stream->z.avail_out = (uInt)part;
        int rc = inflate(&stream->z, Z_NO_FLUSH);
        done += part - stream->z.avail_out;
        if (rc == Z_STREAM_END)
            stream->ended = true;
        else if (rc != Z_OK || (stream->z.avail_in == 0 && stream->z.avail_out > 0))
            return -1;
    }
    return (int64_t)done;
}

/* True when nothing follows: neither in the stream nor behind the gzip data. */
static bool stream_at_end(struct stream *stream, bool *ret_damaged) {
    uint8_t extra;
    int64_t n = stream_read(stream, &extra, 1);
    *ret_damaged = n < 0;
    return n == 0 && (!stream->gzip || stream->z.avail_in == 0);
}

static uint32_t be32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int head_read(struct stream *stream, uint32_t magic, struct idx *idx, char *error) {
    uint8_t head[16] = {0};
    size_t size = magic == IDX_IMAGES ? 16 : 8;
    if (stream_read(stream, head, size) != (int64_t)size) {
        snprintf(error, APP_ERROR_SIZE, "truncated or damaged: no complete IDX header");
        return -1;
    }
    if (be32(head) != magic) {
        snprintf(error, APP_ERROR_SIZE, "not an IDX file of %s: magic 0x%08x instead of 0x%08x",
                 magic == IDX_IMAGES ? "images" : "labels", be32(head), magic);
        return -1;
    }
    uint32_t count = be32(head + 4);
    if (count == 0 || count > IDX_COUNT_MAX) {
        snprintf(error, APP_ERROR_SIZE, "its header says %u items; 1 to %d are possible", count, IDX_COUNT_MAX);
        return -1;
    }
    if (magic == IDX_IMAGES && (be32(head + 8) != 28 || be32(head + 12) != 28)) {
        snprintf(error, APP_ERROR_SIZE, "images are %u x %u; they must be 28 x 28", be32(head + 8), be32(head + 12));
        return -1;
    }
    idx->count = count;
    idx->height = idx->width = magic == IDX_IMAGES ? 28 : 1;
    return 0;
}

static int body_read(struct stream *stream, struct idx *idx, char *error) {
    size_t size = (size_t)(idx->count * idx->height * idx->width);
    /* deflate gives at most 1032 bytes for one: a header may not make us allocate more than the file can hold */
    size_t left = stream->gzip ? stream->z.avail_in : stream->size;
    if (size > (stream->gzip ? left * 1032 + 65536 : left)) {
        snprintf(error, APP_ERROR_SIZE, "truncated: its header says %lld items", (long long)idx->count);
        return -1;
    }
    /* a few megabytes of gzip can claim gigabytes, and memory that is not there is missed only when it is filled */
    if (size / (size_t)sysconf(_SC_PAGESIZE) > (size_t)sysconf(_SC_PHYS_PAGES) / 2) {
        snprintf(error, APP_ERROR_SIZE, "its header says %lld items, %zu MB: more than half of this machine's memory",
                 (long long)idx->count, size / 1000000);
        return -1;
    }
    idx->values = malloc(size);
    if (idx->values == NULL) {
        snprintf(error, APP_ERROR_SIZE, "not enough memory for %zu bytes", size);
        return -1;
    }
    if (stream_read(stream, idx->values, size) != (int64_t)size) {
        snprintf(error, APP_ERROR_SIZE, "truncated or damaged: less data than its header's %lld items",
                 (long long)idx->count);
        return -1;
    }
    bool damaged;
    if (!stream_at_end(stream, &damaged)) {
        snprintf(error, APP_ERROR_SIZE,
                 damaged ? "damaged: the gzip checksum does not hold" : "data follows after its header's %lld items",
                 (long long)idx->count);
        return -1;
    }
    return 0;
}

int idx_decode(const uint8_t *bytes, size_t size, uint32_t magic, struct idx *ret_idx, char *error) {
    struct stream stream;
    if (stream_open(&stream, bytes, size) != 0) {
        snprintf(error, APP_ERROR_SIZE, "cannot be unpacked");
        return -1;
    }
    struct idx idx = {0};
    int rc = head_read(&stream, magic, &idx, error);
    if (rc == 0) rc = body_read(&stream, &idx, error);
    stream_close(&stream);
    if (rc != 0) {
        free(idx.values);
        return -1;
    }
    *ret_idx = idx;
    return 0;
}

int64_t idx_peek_count(const uint8_t *bytes, size_t size, uint32_t magic) {
    struct stream stream;
    if (stream_open(&stream, bytes, size) != 0) return -1;
    struct idx idx = {0};
    char error[APP_ERROR_SIZE];
    int rc = head_read(&stream, magic, &idx, error);
    stream_close(&stream);
    return rc == 0 ? idx.count : -1;
}

void idx_release(struct idx *idx) {
    free(idx->values);
    *idx = (struct idx){0};
}
