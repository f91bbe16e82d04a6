/* shelf.c: see shelf.h. "Saved last" goes by the time in the file's head, not by its name or the file system's times:
 * a rewound training has a newer checkpoint with a smaller step, and copies keep their order. */
#include "shelf.h"
#include "number.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct found {
    int64_t step, saved_ms;
    double score;
    char lineage[40];
};

static int folder_make(const char *folder) {
    char path[4096];
    if (strlen(folder) >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf(path, sizeof path, "%s", folder);
    for (char *p = path + 1; *p != '\0'; p++) {
        if (*p != '/') continue;
        *p = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST) return -1;
        *p = '/';
    }
    return mkdir(path, 0777) != 0 && errno != EEXIST ? -1 : 0;
}

/* Step of a file name step-N, or -1. */
static int64_t name_step(const char *name) {
    int64_t step;
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9') return -1;
    return number_parse_int(name + 5, 0, INT64_MAX, &step) && strspn(name + 5, "0123456789") == strlen(name + 5) ? step
                                                                                                                 : -1;
}

static int found_order(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    if (x->saved_ms != y->saved_ms) return x->saved_ms < y->saved_ms ? -1 : 1;
    return x->step < y->step ? -1 : x->step > y->step;
}

/* All readable checkpoints, oldest save first. Caller frees. Returns how many, or -1 with errno. Unreadable ones are
 * counted in *ret_damaged. */
static int folder_scan(const char *folder, struct found **ret_found, int *ret_damaged) {
    DIR *dir = opendir(folder);
    if (dir == NULL) return -1;
    struct found *list = NULL;
    int count = 0;
    *ret_damaged = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        int64_t step = name_step(entry->d_name);
        if (step < 0) continue;
        char path[SHELF_PATH_MAX];
        struct checkpoint head;
        snprintf(path, sizeof path, "%.4000s/step-%lld", folder, (long long)step);
        if (checkpoint_peek(path, &head) != 0) {
            ++*ret_damaged;
            continue;
        }
        struct found *grown = reallocarray(list, (size_t)count + 1, sizeof *list);
        if (grown == NULL) break;
        list = grown;
        list[count] = (struct found){.step = step, .saved_ms = head.saved_ms, .score = head.score};
        memcpy(list[count++].lineage, head.lineage, sizeof head.lineage);
    }
    closedir(dir);
    if (count > 0) qsort(list, (size_t)count, sizeof *list, found_order);
    *ret_found = list;
    return count;
}

static void files_add(struct shelf *shelf, struct shelf_file file) {
    size_t kept = 0;
    for (size_t i = 0; i < shelf->files_count; i++)
        if (shelf->files[i].step != file.step) shelf->files[kept++] = shelf->files[i];
    if (kept == SHELF_FILES_MAX) memmove(shelf->files, shelf->files + 1, --kept * sizeof *shelf->files);
    shelf->files[kept] = file;
    shelf->files_count = kept + 1;
}

int shelf_open(struct shelf *shelf, const char *folder, const char *lineage, char *error) {
    *shelf = (struct shelf){.lock = -1, .asked_step = -1, .kept_step = -1};
    if (folder_make(folder) != 0 || access(folder, R_OK | W_OK | X_OK) != 0) {
        snprintf(error, APP_ERROR_SIZE, "cannot write into the checkpoint folder %.300s: %s", folder, strerror(errno));
        return -1;
    }
    char absolute[PATH_MAX];
    if (realpath(folder, absolute) == NULL || strlen(absolute) > 4000 ||
        (shelf->lock = open(absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        snprintf(error, APP_ERROR_SIZE, "cannot open the checkpoint folder %.300s: %s", folder, strerror(errno));
        return -1;
    }
    snprintf(shelf->folder, sizeof shelf->folder, "%.4000s", absolute);
    if (flock(shelf->lock, LOCK_EX | LOCK_NB) != 0) {
        snprintf(error, APP_ERROR_SIZE, "another training is writing its checkpoints into %.300s", absolute);
        shelf_close(shelf);
        return -1;
    }
    struct found *list = NULL;
    int damaged, count = folder_scan(shelf->folder, &list, &damaged);
    for (int i = 0; i < count; i++)
        if (strcmp(list[i].lineage, lineage) == 0)
            files_add(shelf, (struct shelf_file){list[i].step, list[i].saved_ms, list[i].score});
    free(list);
    return 0;
}

void shelf_close(struct shelf *shelf) {
    if (shelf->lock >= 0) close(shelf->lock);
    shelf->lock = -1;
}

/* Index of the one that is kept, else of the lowest score, or files_count where none has one. */
static size_t best_index(const struct shelf *shelf) {
    size_t best = shelf->files_count;
    for (size_t i = 0; i < shelf->files_count; i++)
        if (shelf->files[i].step == shelf->kept_step) return i;
    for (size_t i = 0; i < shelf->files_count; i++)
        if (isfinite(shelf->files[i].score) &&
            (best == shelf->files_count || shelf->files[i].score < shelf->files[best].score))
            best = i;
    return best;
}

static void best_link(const struct shelf *shelf, size_t best) {
    char target[40];
    snprintf(target, sizeof target, "step-%lld", (long long)shelf->files[best].step);
    unlinkat(shelf->lock, ".best", 0);
    if (symlinkat(target, shelf->lock, ".best") != 0 || renameat(shelf->lock, ".best", shelf->lock, "best") != 0)
        unlinkat(shelf->lock, ".best", 0); /* a file system without links: the link is a convenience */
}

static void prune(struct shelf *shelf) {
    size_t best = best_index(shelf), kept = 0;
    if (best < shelf->files_count) best_link(shelf, best);
    for (size_t i = 0; i < shelf->files_count; i++) {
        const struct shelf_file file = shelf->files[i];
        bool stays = i + SHELF_KEEP >= shelf->files_count || i == best || file.step == shelf->asked_step;
        char name[40];
        snprintf(name, sizeof name, "step-%lld", (long long)file.step);
        if (stays || (unlinkat(shelf->lock, name, 0) != 0 && errno != ENOENT)) shelf->files[kept++] = file;
    }
    shelf->files_count = kept;
}

int shelf_save(struct shelf *shelf, const struct checkpoint *checkpoint, bool asked, char *ret_path, int64_t *ret_bytes,
               char *error) {
    char name[40];
    snprintf(name, sizeof name, "step-%lld", (long long)checkpoint->step);
    if (checkpoint_write(checkpoint, shelf->folder, name, ret_bytes, error) != 0) return -1;
    snprintf(ret_path, SHELF_PATH_MAX, "%.4000s/%s", shelf->folder, name);
    if (asked) shelf->asked_step = checkpoint->step;
    files_add(shelf, (struct shelf_file){checkpoint->step, checkpoint->saved_ms, checkpoint->score});
    prune(shelf);
    return 0;
}

int shelf_latest(const char *folder, char *ret_path, struct checkpoint *ret_checkpoint, int *ret_damaged, char *error) {
    struct found *list = NULL;
    int count = folder_scan(folder, &list, ret_damaged), rc = -1;
    if (count < 0) {
        snprintf(error, APP_ERROR_SIZE, "cannot read the checkpoint folder %.300s: %s", folder, strerror(errno));
        return -1;
    }
    snprintf(error, APP_ERROR_SIZE, "no %scheckpoint in %.300s", *ret_damaged > 0 ? "undamaged " : "", folder);
    for (int i = count - 1; i >= 0 && rc != 0; i--) {
        snprintf(ret_path, SHELF_PATH_MAX, "%.4000s/step-%lld", folder, (long long)list[i].step);
        rc = checkpoint_read(ret_path, ret_checkpoint, error);
        if (rc != 0) ++*ret_damaged;
    }
    free(list);
    return rc;
}
