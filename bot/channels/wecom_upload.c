/*
 * wecom_upload.c: a picture's way to the service in three steps (init, pieces in order, finish), then as a message that
 * names it. Always holds: nothing of it is seen before that message, so every step may be done again.
 */
#include "service_url.h"
#include "wecom_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BURST 10 /* with the refill below 27 uploads a minute; the service takes 30 */
#define REFILL_MS 3500
#define PIECE_TRIES 3

enum step { INIT, PIECE, FINISH };

struct wecom_upload {
    uint8_t *bytes;
    size_t size;
    char md5[33];
    char *filename, *id;
    bool image;
    enum step step;
    size_t index;
    int tries;      /* of this piece */
    int64_t due_ms; /* the next try; INT64_MAX: an answer is awaited */
};

void wecom_upload_free(struct wecom_upload *upload) {
    if (!upload) return;
    free(upload->bytes);
    free(upload->filename);
    free(upload->id);
    free(upload);
}

int64_t wecom_upload_due(const struct wecom_upload *upload) {
    return upload ? upload->due_ms : INT64_MAX;
}

static size_t pieces(const struct wecom_upload *upload) {
    return (upload->size + WECOM_CHUNK_MAX - 1) / WECOM_CHUNK_MAX;
}

/* ---- the file ---- */

/* 0: it cannot be read, or not sent. */
static size_t read_file(const char *path, uint8_t **ret_bytes) {
    struct stat info;
    size_t done = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size >= WECOM_UPLOAD_MIN &&
                (uint64_t)info.st_size <= WECOM_FILE_MAX;
    uint8_t *bytes = good ? malloc((size_t)info.st_size) : NULL;
    while (bytes && done < (size_t)info.st_size) {
        ssize_t count = read(fd, bytes + done, (size_t)info.st_size - done);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        done += (size_t)count;
    }
    if (fd >= 0) close(fd);
    if (bytes && done == (size_t)info.st_size) {
        *ret_bytes = bytes;
        return done;
    }
    free(bytes);
    return 0;
}

static bool is_picture(const char *mime) {
    return strcmp(mime, "image/png") == 0 || strcmp(mime, "image/jpeg") == 0 || strcmp(mime, "image/gif") == 0;
}

static bool hash(struct wecom_upload *upload) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(upload->bytes, upload->size, digest, &size, EVP_md5(), NULL) != 1 || size != 16) return false;
    for (unsigned i = 0; i < size; i++)
        snprintf(upload->md5 + (size_t)2 * i, 3, "%02x", digest[i]);
    return true;
}

static struct wecom_upload *upload_create(const char *path, const char *mime) {
    struct wecom_upload *upload = calloc(1, sizeof *upload);
    const char *slash = strrchr(path, '/');
    if (!upload) return NULL;
    upload->due_ms = INT64_MAX;
    upload->size = read_file(path, &upload->bytes);
    upload->image = is_picture(mime) && upload->size <= WECOM_IMAGE_MAX;
    upload->filename = strndup(slash ? slash + 1 : path, 200);
    if (upload->size > 0 && upload->filename && hash(upload)) return upload;
    wecom_upload_free(upload);
    return NULL;
}

/* ---- the steps ---- */

static void next_step(struct wecom_job *job);

static void fail(struct wecom_job *job, enum sent_status status, int64_t retry_ms, const char *why) {
    struct sent sent = {.status = status, .retry_ms = retry_ms, .why = why};
    wecom_job_done(job, &sent);
}

/* False: the answer lacks what the next step needs. */
static bool take_answer(struct wecom_job *job, const struct wecom_frame *ack) {
    struct wecom_upload *upload = job->upload;
    upload->tries = 0;
    switch (upload->step) {
    case INIT:
        upload->id = ack->upload_id[0] ? strdup(ack->upload_id) : NULL;
        upload->step = PIECE;
        return upload->id != NULL;
    case PIECE:
        if (++upload->index == pieces(upload)) upload->step = FINISH;
        return true;
    default:
        job->media_id = ack->media_id[0] ? strdup(ack->media_id) : NULL;
        job->media_image = upload->image;
        return job->media_id != NULL;
    }
}

/* A piece is tried again after half a second and a second: the service answers "system error" to many at once. */
static void piece_failed(struct wecom_job *job) {
    struct wecom_upload *upload = job->upload;
    if (++upload->tries >= PIECE_TRIES) {
        fail(job, SENT_NO_IMAGE, 0, "a piece of the picture was refused");
        return;
    }
    upload->due_ms = wecom_mono_ms() + service_ms(upload->tries == 1 ? 500 : 1000);
    wecom_rearm(job->wecom);
}

static void on_step(void *user, enum wecom_fate fate, const struct wecom_frame *ack) {
    struct wecom_job *job = user;
    struct wecom *wecom = job->wecom;
    struct sent down = wecom_down();
    enum wecom_verdict verdict = fate == WECOM_ACKED ? wecom_verdict(ack->errcode, ack->errmsg) : WECOM_BUSY;
    if (fate != WECOM_ACKED && !wecom_link_ready(wecom->link)) {
        wecom_job_done(job, &down);
    } else if (verdict == WECOM_DONE) {
        bool more = job->upload->step != FINISH;
        if (!take_answer(job, ack))
            fail(job, SENT_NO_IMAGE, 0, "the answer to an upload names nothing");
        else if (more)
            next_step(job);
        else
            wecom_job_send(job);
    } else {
        if (fate == WECOM_ACKED) wecom_log_refusal(wecom, "a picture", ack);
        if (verdict == WECOM_LIMIT)
            fail(job, SENT_RETRY, wecom_chat_hold_ms(), "too many uploads");
        else if (job->upload->step == PIECE)
            piece_failed(job);
        else if (verdict == WECOM_BUSY)
            fail(job, SENT_RETRY, 0, "the service is busy");
        else
            fail(job, SENT_NO_IMAGE, 0, "the picture was refused");
    }
}

static void next_step(struct wecom_job *job) {
    static const char *const names[] = {"aibot_upload_media_init", "aibot_upload_media_chunk",
                                        "aibot_upload_media_finish"};
    struct wecom_upload *upload = job->upload;
    struct sent down = wecom_down();
    char req_id[WECOM_REQ_ID_MAX];
    struct wecom_out out = {.req_id = req_id, .wants_ack = true, .done = on_step, .user = job};
    size_t begin = upload->index * WECOM_CHUNK_MAX, left = upload->size - (begin < upload->size ? begin : upload->size);
    struct wecom_upload_head head = {.image = upload->image,
                                     .filename = upload->filename,
                                     .md5 = upload->md5,
                                     .size = (int64_t)upload->size,
                                     .chunks = (int64_t)pieces(upload)};
    upload->due_ms = INT64_MAX;
    wecom_link_req_id(job->wecom->link, names[upload->step], req_id, sizeof req_id);
    if (upload->step == INIT) out.text = wecom_encode_upload_init(req_id, &head);
    if (upload->step == PIECE)
        out.text = wecom_encode_upload_chunk(req_id, upload->id, (int64_t)upload->index, upload->bytes + begin,
                                             left < WECOM_CHUNK_MAX ? left : WECOM_CHUNK_MAX);
    if (upload->step == FINISH) out.text = wecom_encode_upload_finish(req_id, upload->id);
    if (!out.text || wecom_link_send(job->wecom->link, &out) < 0) wecom_job_done(job, &down);
}

void wecom_upload_again(struct wecom_job *job) {
    next_step(job);
}

void wecom_upload_begin(struct wecom_job *job, const char *path, const char *mime) {
    struct wecom *wecom = job->wecom;
    int64_t now_ms = wecom_mono_ms();
    int64_t wait_ms = wecom_bucket_wait(&wecom->uploads, BURST, service_ms(REFILL_MS), now_ms);
    if (wait_ms > 0) {
        fail(job, SENT_RETRY, wait_ms, NULL);
        return;
    }
    job->upload = upload_create(path, mime);
    if (!job->upload) {
        fail(job, SENT_NO_IMAGE, 0, "the picture cannot be read, or is too large");
        return;
    }
    wecom_bucket_take(&wecom->uploads, service_ms(REFILL_MS), now_ms);
    next_step(job);
}
