/*
 * weixin_upload.c: a picture's way to the service: ask where to, post the ciphertext, note what the service calls it.
 * See weixin_media.h. At most three tries of the post; a 4xx is final.
 */
#include "service_url.h"
#include "weixin_codec.h"
#include "weixin_media.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 3
#define POST_MS 60000
#define PARAM_MAX 4000 /* bytes of x-encrypted-param */

struct weixin_upload {
    struct weixin_upload_options options;
    struct http_call *call;
    uv_timer_t pause;
    char *to, *version, *cdn, *url;
    unsigned char *cipher;
    size_t cipher_size;
    char filekey[33], md5[33];
    int64_t plain_bytes;
    struct weixin_media media;
    struct weixin_odd odd;
    int tries;
};

static void upload_free(uv_handle_t *handle) {
    struct weixin_upload *upload = handle->data;
    void (*released)(void *) = upload->options.released;
    void *user = upload->options.released_user;
    weixin_media_clear(&upload->media);
    if (upload->url) OPENSSL_cleanse(upload->url, strlen(upload->url));
    free(upload->url);
    free(upload->to);
    free(upload->version);
    free(upload->cdn);
    free(upload->cipher);
    free(upload);
    if (released) released(user);
}

static void finish(struct weixin_upload *upload, enum weixin_upload_outcome outcome, const char *why) {
    struct weixin_upload_result result = {.outcome = outcome,
                                          .media = &upload->media,
                                          .why = why,
                                          .odd = upload->odd.text};
    upload->options.done(upload->options.user, &result);
    uv_close((uv_handle_t *)&upload->pause, upload_free);
}

void weixin_upload_cancel(struct weixin_upload *upload) {
    http_call_cancel(upload->call);
    upload->call = NULL;
    uv_close((uv_handle_t *)&upload->pause, upload_free);
}

/* ---- the post ---- */

static void post(struct weixin_upload *upload);

static void on_pause(uv_timer_t *timer) {
    post(timer->data);
}

static void post_failed(struct weixin_upload *upload, const struct http_answer *answer, const char *why) {
    static const int64_t pauses[] = {1000, 3000};
    if (answer && answer->reached == HTTP_ANSWERED && answer->status >= 400 && answer->status < 500) {
        finish(upload, WEIXIN_UPLOAD_NEVER, why);
        return;
    }
    if (upload->tries >= TRIES) {
        bool down = answer && answer->reached == HTTP_NOT_SENT;
        finish(upload, down ? WEIXIN_UPLOAD_DOWN : WEIXIN_UPLOAD_RETRY, why);
        return;
    }
    uv_timer_start(&upload->pause, on_pause, (uint64_t)service_ms(pauses[upload->tries - 1]), 0);
}

static void on_posted(void *user, const struct http_answer *answer) {
    struct weixin_upload *upload = user;
    char why[160];
    upload->call = NULL;
    snprintf(why, sizeof why, "picture upload: %s", answer->why[0] ? answer->why : "no name for it came back");
    if (answer->reached != HTTP_ANSWERED || answer->status != 200 || !answer->header || !answer->header[0]) {
        if (answer->reached == HTTP_ANSWERED && answer->status == 200)
            weixin_odd_set(&upload->odd, "upload: x-encrypted-param: missing");
        post_failed(upload, answer, why);
        return;
    }
    size_t size = strlen(answer->header);
    for (size_t i = 0; i < size; i++)
        if (answer->header[i] <= ' ' || answer->header[i] > '~') size = SIZE_MAX - 1;
    if (size > PARAM_MAX) {
        weixin_odd_set(&upload->odd, "upload: x-encrypted-param: malformed");
        post_failed(upload, NULL, "picture upload: its name is malformed");
        return;
    }
    upload->media.param = strdup(answer->header);
    finish(upload, upload->media.param ? WEIXIN_UPLOADED : WEIXIN_UPLOAD_RETRY,
           upload->media.param ? "" : "out of memory");
}

static void post(struct weixin_upload *upload) {
    struct http_call_options options = {.url = upload->url,
                                        .post = true,
                                        .content_type = "application/octet-stream",
                                        .body = upload->cipher,
                                        .body_size = upload->cipher_size,
                                        .timeout_ms = weixin_limit_ms(POST_MS),
                                        .answer_max = 65536,
                                        .header = "x-encrypted-param"};
    upload->tries++;
    int status = http_call_start(upload->options.api->client, &options, on_posted, upload, &upload->call);
    if (status < 0)
        finish(upload, status == TB_EINVAL ? WEIXIN_UPLOAD_NEVER : WEIXIN_UPLOAD_RETRY, tb_error_text(status));
}

/* ---- where to ---- */

/* The address as the service gave it, else made from its parameter. NULL: neither, or one that must not be used. */
static char *address_of(struct weixin_upload *upload, const struct weixin_place *place) {
    if (place->full_url) {
        if (service_url_allowed(place->full_url, weixin_domains, upload->options.base_is_loopback))
            return strdup(place->full_url);
        weixin_odd_set(&upload->odd, "upload_full_url: not an address of the service");
        return NULL;
    }
    char *param = place->param ? service_url_escape(place->param) : NULL, *path = NULL, *url = NULL;
    if (!place->param) weixin_odd_set(&upload->odd, "upload_full_url, upload_param: missing");
    if (param && asprintf(&path, "upload?encrypted_query_param=%s&filekey=%s", param, upload->filekey) >= 0) {
        url = service_url_join(upload->cdn, path);
        OPENSSL_cleanse(path, strlen(path));
        free(path);
    }
    free(param);
    return url;
}

static void take_place(struct weixin_upload *upload, const struct weixin_place *place) {
    int64_t code = place->verdict.code;
    char why[160];
    snprintf(why, sizeof why, "getuploadurl: %lld %s", (long long)code, place->verdict.errmsg);
    if (code == WEIXIN_CODE_DEAD)
        finish(upload, WEIXIN_UPLOAD_DEAD, why);
    else if (code != 0)
        finish(upload, code == WEIXIN_CODE_CLOSED ? WEIXIN_UPLOAD_NEVER : WEIXIN_UPLOAD_RETRY, why);
    else if (!(upload->url = address_of(upload, place)))
        finish(upload, WEIXIN_UPLOAD_NEVER, "getuploadurl: no address that may be used");
    else
        post(upload);
}

static void on_place(void *user, const struct http_answer *answer) {
    struct weixin_upload *upload = user;
    struct weixin_place place;
    char why[160];
    upload->call = NULL;
    snprintf(why, sizeof why, "getuploadurl: %s", answer->why);
    if (answer->reached != HTTP_ANSWERED)
        finish(upload, answer->reached == HTTP_NOT_SENT ? WEIXIN_UPLOAD_DOWN : WEIXIN_UPLOAD_RETRY, why);
    else if (answer->status == 401)
        finish(upload, WEIXIN_UPLOAD_DEAD, why);
    else if (answer->status < 200 || answer->status > 299 || answer->too_large)
        finish(upload, WEIXIN_UPLOAD_RETRY, why);
    else if (weixin_decode_place(answer->body, answer->size, &place, &upload->odd) < 0)
        finish(upload, WEIXIN_UPLOAD_RETRY, "getuploadurl: a malformed answer");
    else {
        take_place(upload, &place);
        weixin_place_clear(&place);
    }
}

/* ---- begin ---- */

static int read_file(const char *path, unsigned char **ret_bytes, size_t *ret_size) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return errno == ENOENT ? TB_ENOTFOUND : TB_EIO;
    int status = TB_OK;
    unsigned char *bytes = NULL;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
        status = TB_EIO;
    else if (info.st_size <= 0 || info.st_size > (off_t)WEIXIN_PICTURE_MAX)
        status = TB_ERANGE;
    else if (!(bytes = malloc((size_t)info.st_size)))
        status = TB_ENOMEM;
    else if (read(fd, bytes, (size_t)info.st_size) != info.st_size)
        status = TB_EIO;
    close(fd);
    if (status < 0) {
        free(bytes);
        return status;
    }
    *ret_bytes = bytes;
    *ret_size = (size_t)info.st_size;
    return TB_OK;
}

static int encrypt_file(struct weixin_upload *upload, const char *path) {
    unsigned char *plain = NULL, random[32];
    size_t size = 0;
    int status = read_file(path, &plain, &size);
    if (status < 0) return status;
    if (RAND_bytes(random, sizeof random) != 1 || !weixin_md5_hex(plain, size, upload->md5)) status = TB_EIO;
    weixin_hex(random, 16, upload->filekey);
    weixin_hex(random + 16, 16, upload->media.aeskey_hex);
    if (status == TB_OK) status = weixin_encrypt(random + 16, plain, size, &upload->cipher, &upload->cipher_size);
    upload->plain_bytes = (int64_t)size;
    upload->media.cipher_bytes = (int64_t)upload->cipher_size;
    OPENSSL_cleanse(random, sizeof random);
    free(plain);
    return status;
}

int weixin_upload_start(const struct weixin_upload_options *options, struct weixin_upload **ret_upload) {
    struct weixin_upload *upload = calloc(1, sizeof *upload);
    if (!upload) return TB_ENOMEM;
    upload->options = *options;
    upload->pause.data = upload;
    upload->to = strdup(options->to);
    upload->version = strdup(options->client_version);
    upload->cdn = strdup(options->cdn_base_url);
    int status = upload->to && upload->version && upload->cdn ? encrypt_file(upload, options->path) : TB_ENOMEM;
    if (status == TB_OK) {
        struct weixin_upload_body body = {.to = upload->to,
                                          .filekey = upload->filekey,
                                          .aeskey_hex = upload->media.aeskey_hex,
                                          .md5_hex = upload->md5,
                                          .plain_bytes = upload->plain_bytes,
                                          .cipher_bytes = upload->media.cipher_bytes};
        struct weixin_request request = {.path = "getuploadurl",
                                         .body = weixin_encode_upload(upload->version, &body),
                                         .timeout_ms = weixin_limit_ms(WEIXIN_SEND_MS)};
        status = weixin_request_start(options->api, &request, on_place, upload, &upload->call);
    }
    if (status < 0) {
        upload->options.released = NULL;
        uv_handle_t none = {.data = upload};
        upload_free(&none);
        return status;
    }
    uv_timer_init(options->loop, &upload->pause);
    upload->pause.data = upload;
    *ret_upload = upload;
    return TB_OK;
}
