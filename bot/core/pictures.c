/* pictures.c: see pictures.h. Names carry the time and a count, so that no two pictures share one. */
#include "pictures.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 3300

bool pictures_dir(struct bot *bot, int64_t run, char *path, size_t size) {
    static const char *const levels[] = {"/runs", "", "/images"};
    int n = snprintf(path, size, "%s", bot->ports.settings->state_dir);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (n < 0 || (size_t)n + 40 > size) return false;
        n += i == 1 ? snprintf(path + n, size - (size_t)n, "/%lld", (long long)run)
                    : snprintf(path + n, size - (size_t)n, "%s", levels[i]);
        if (mkdir(path, 0700) < 0 && errno != EEXIST) return false;
    }
    return true;
}

/* "runs/7/images/plot-1700000000000-1.png", below the state directory. */
static void name_of(struct bot *bot, int64_t run, const char *kind, char *name, size_t size) {
    static unsigned count; /* loop thread only; with the time it names a file once */
    snprintf(name, size, "runs/%lld/images/%.20s-%lld-%u.png", (long long)run, kind,
             (long long)clock_wall_ms(bot->ports.clock), ++count);
}

static int64_t add_row(struct bot *bot, int64_t run, const char *title, const char *name) {
    struct image_record image = {
        .run = run, .t_ms = clock_wall_ms(bot->ports.clock), .title = title, .mime = "image/png", .path = name};
    int64_t id = 0;
    int status = store_image_add(bot->ports.store, &image, &id);
    if (status < 0) bot_log(bot, 0, "a picture was not kept: %s", tb_error_text(status));
    return status < 0 ? 0 : id;
}

static bool write_file(const char *path, const uint8_t *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return false;
    size_t done = 0;
    while (done < size) {
        ssize_t n = write(fd, bytes + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        done += (size_t)n;
    }
    bool good = close(fd) == 0 && done == size;
    if (!good) unlink(path);
    return good;
}

int64_t pictures_keep(struct bot *bot, int64_t run, const char *kind, const char *title, const uint8_t *bytes,
                      size_t size) {
    char dir[PATH_SIZE], name[200];
    name_of(bot, run, kind, name, sizeof name);
    char *path = text_print("%s/%s", bot->ports.settings->state_dir, name);
    bool good = path && pictures_dir(bot, run, dir, sizeof dir) && write_file(path, bytes, size);
    if (!good) bot_log(bot, 0, "%s: not written: %s", name, strerror(errno));
    free(path);
    return good ? add_row(bot, run, title, name) : 0;
}

int64_t pictures_take(struct bot *bot, int64_t run, const char *kind, const char *title, const char *from) {
    char name[200];
    struct stat info;
    name_of(bot, run, kind, name, sizeof name);
    char *path = text_print("%s/%s", bot->ports.settings->state_dir, name);
    bool good = path && lstat(from, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= (8 << 20) &&
                rename(from, path) == 0;
    if (!good) bot_log(bot, 1, "%s: not taken as a picture", from);
    free(path);
    return good ? add_row(bot, run, title, name) : 0;
}
