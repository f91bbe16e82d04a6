/* fetch.c: see fetch.h. A mirror that breaks off is asked again for the rest, a few times; one that has not got the
 * file, or sends something else under its name, gives way to the next. */
#include "fetch.h"
#include "download.h"
#include "number.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTEMPTS 4 /* at one mirror */

struct file {
    const struct fetch *fetch;
    const struct collection_file *about;
    char path[COLLECTION_PATH_MAX + 64], part[COLLECTION_PATH_MAX + 64];
    int fd; /* of part */
};

static int folder_make(const char *folder, char *error) {
    char path[COLLECTION_PATH_MAX];
    snprintf(path, sizeof path, "%s", folder);
    for (char *p = path + 1;; p++) {
        if (*p != '/' && *p != '\0') continue;
        char kept = *p;
        *p = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST) {
            snprintf(error, APP_ERROR_SIZE, "cannot make the folder %.300s: %s", path, strerror(errno));
            return -1;
        }
        *p = kept;
        if (kept == '\0') return 0;
    }
}

/* The sum in hexadecimal, of an open file from its start. 0 or -1. */
static int sum_file(int fd, char text[65]) {
    uint8_t bytes[65536], digest[32];
    off_t at = 0;
    ssize_t n = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    while (good && (n = pread(fd, bytes, sizeof bytes, at)) > 0) {
        good = EVP_DigestUpdate(context, bytes, (size_t)n) == 1;
        at += n;
    }
    good = good && n == 0 && EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    for (size_t i = 0; i < sizeof digest && good; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return good ? 0 : -1;
}

static bool is_right(int fd, const struct collection_file *about, char sum[65]) {
    return sum_file(fd, sum) == 0 && strcmp(sum, about->sha256) == 0;
}

/* The file is there already, and right. */
static bool already_there(const struct file *f) {
    char sum[65] = "";
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    bool right = is_right(fd, f->about, sum);
    close(fd);
    if (!right) fprintf(f->fetch->out, "%s is not the published file; it will be replaced\n", f->path);
    return right;
}

static const char *megabytes(double bytes, char *text, size_t size) {
    snprintf(text, size, bytes < 99500 ? "%.1f kB" : "%.1f MB", bytes < 99500 ? bytes / 1e3 : bytes / 1e6);
    return text;
}

static void progress_show(void *user, int64_t bytes, double rate) {
    const struct file *f = user;
    char done[32], all[32], pace[32];
    fprintf(f->fetch->progress, "\r%s: %s of %s, %s/s \033[K", f->about->name,
            megabytes((double)bytes, done, sizeof done), megabytes((double)f->about->size, all, sizeof all),
            megabytes(rate, pace, sizeof pace));
    fflush(f->fetch->progress);
}

static void progress_clear(const struct fetch *fetch) {
    if (fetch->progress == NULL) return;
    fputs("\r\033[K", fetch->progress);
    fflush(fetch->progress);
}

enum mirror_end { MIRROR_GOOD, MIRROR_BAD, MIRROR_LOCAL };

/* One mirror, until the file is whole and right or this mirror will not give it. */
static enum mirror_end mirror_try(struct file *f, const char *mirror, char *error) {
    char url[2048], why[APP_ERROR_SIZE] = "", sum[65] = "";
    size_t length = strlen(mirror);
    while (length > 0 && mirror[length - 1] == '/')
        length--;
    snprintf(url, sizeof url, "%.*s/%s", (int)(length < 1900 ? length : 1900), mirror, f->about->name);
    const struct download download = {.url = url,
                                      .fd = f->fd,
                                      .size_limit = f->about->size,
                                      .progress = f->fetch->progress != NULL ? progress_show : NULL,
                                      .user = f};
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        const off_t before = lseek(f->fd, 0, SEEK_END);
        enum download_end end = download_run(&download, why);
        progress_clear(f->fetch);
        if (end == DOWNLOAD_LOCAL) {
            snprintf(error, APP_ERROR_SIZE, "cannot write %.300s: %.120s", f->part, why);
            return MIRROR_LOCAL;
        }
        if (end == DOWNLOAD_DONE && is_right(f->fd, f->about, sum)) return MIRROR_GOOD;
        if (end == DOWNLOAD_DONE)
            snprintf(why, sizeof why, "what it sends has the SHA-256 %.12s..., not %.12s...; removed", sum,
                     f->about->sha256);
        if (end == DOWNLOAD_CUT && lseek(f->fd, 0, SEEK_END) > 0) continue; /* for the rest */
        if (end == DOWNLOAD_CUT || end == DOWNLOAD_REFUSED) break;          /* what had come before stays */
        if (ftruncate(f->fd, 0) != 0 || before <= 0) break;
        /* its beginning may have been another file's: all of it once more */
    }
    snprintf(error, APP_ERROR_SIZE, "%.100s: %.110s", mirror, why);
    return MIRROR_BAD;
}

/* Each mirror in turn. 0, or -1 with what each of them answered. */
static int mirrors_try(struct file *f, char *error) {
    const struct fetch *fetch = f->fetch;
    const char *const *mirrors = fetch->mirrors_count > 0 ? fetch->mirrors : fetch->collection->mirrors;
    size_t count = fetch->mirrors_count, length = 0;
    while (fetch->mirrors_count == 0 && count < COLLECTION_MIRRORS_MAX && mirrors[count] != NULL)
        count++;
    length = (size_t)snprintf(error, APP_ERROR_SIZE, "cannot fetch %s", f->about->name);
    for (size_t i = 0; i < count; i++) {
        char why[APP_ERROR_SIZE];
        enum mirror_end end = mirror_try(f, mirrors[i], why);
        if (end == MIRROR_GOOD) return 0;
        if (end == MIRROR_LOCAL) {
            snprintf(error, APP_ERROR_SIZE, "%s", why);
            return -1;
        }
        if (i + 1 < count) fprintf(fetch->out, "%s; trying the next\n", why);
        if (length < APP_ERROR_SIZE)
            length += (size_t)snprintf(error + length, APP_ERROR_SIZE - length, "%s %s", i > 0 ? ";" : ":", why);
    }
    return -1;
}

static int file_place(const struct file *f, char *error) {
    if (fsync(f->fd) == 0 && fchmod(f->fd, 0644) == 0 && rename(f->part, f->path) == 0) return 0;
    snprintf(error, APP_ERROR_SIZE, "cannot put %.300s in its place: %s", f->path, strerror(errno));
    return -1;
}

static int file_fetch(struct file *f, char *error) {
    char size[32], left[64] = "";
    if (already_there(f)) {
        fprintf(f->fetch->out, "%s is there already, and right\n", f->path);
        return 0;
    }
    f->fd = open(f->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (f->fd < 0 || flock(f->fd, LOCK_EX | LOCK_NB) != 0) {
        bool busy = f->fd >= 0 && errno == EWOULDBLOCK;
        snprintf(error, APP_ERROR_SIZE, "cannot write %.300s: %s", f->part,
                 busy ? "another fetch is at it" : strerror(errno));
        return -1;
    }
    off_t before = lseek(f->fd, 0, SEEK_END);
    if (before > 0) snprintf(left, sizeof left, ", going on after %s", megabytes((double)before, size, sizeof size));
    bool whole = before == (off_t)f->about->size && is_right(f->fd, f->about, (char[65]){0});
    if (!whole && mirrors_try(f, error) != 0) {
        if (lseek(f->fd, 0, SEEK_END) == 0) unlink(f->part);
        return -1;
    }
    if (file_place(f, error) != 0) return -1;
    fprintf(f->fetch->out, "%s: %s%s, sum right\n", f->path, megabytes((double)f->about->size, size, sizeof size),
            left);
    return 0;
}

int fetch_run(const struct fetch *fetch, char *error) {
    if (folder_make(fetch->folder, error) != 0) return -1;
    for (int i = 0; i < COLLECTION_FILES_MAX && fetch->collection->files[i].name != NULL; i++) {
        struct file f = {.fetch = fetch, .about = &fetch->collection->files[i], .fd = -1};
        snprintf(f.path, sizeof f.path, "%.4000s/%.90s", fetch->folder, f.about->name);
        snprintf(f.part, sizeof f.part, "%.4000s/%.90s.part", fetch->folder, f.about->name);
        int rc = file_fetch(&f, error);
        if (f.fd >= 0) close(f.fd);
        if (rc != 0) return -1;
    }
    return 0;
}
