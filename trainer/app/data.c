/* data.c: see data.h. Each file is read whole and decoded by idx.c; this file knows names, paths and what must agree
 * between files. */
#include "data.h"
#include "collection.h"
#include "idx.h"
#include "number.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define FILE_SIZE_MAX ((off_t)4 << 30)
#define FASHION_TEST_LABELS_CRC 0x242bc73fu

static const char *const digit_names[DATA_CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
static const char *const fashion_names[DATA_CLASSES] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                                        "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
static const char *const fashion_names_zh[DATA_CLASSES] = {"T恤",  "裤子", "套头衫", "连衣裙", "外套",
                                                           "凉鞋", "衬衫", "运动鞋", "包",     "短靴"};

static int file_open(const char *dir, const char *name, char *path, size_t path_size, char *error) {
    int fd = -1;
    for (int gz = 0; gz <= 1 && fd < 0; gz++) {
        snprintf(path, path_size, "%s/%s%s", dir, name, gz ? ".gz" : "");
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 && errno != ENOENT) {
            snprintf(error, APP_ERROR_SIZE, "cannot open %.300s: %s", path, strerror(errno));
            return -1;
        }
    }
    if (fd < 0) snprintf(error, APP_ERROR_SIZE, "no %s[.gz] in the data folder %.300s", name, dir);
    return fd;
}

/* Reads up to `limit` bytes of a regular file; caller frees. */
static uint8_t *file_read(int fd, const char *path, off_t limit, size_t *ret_size, char *error) {
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > FILE_SIZE_MAX) {
        snprintf(error, APP_ERROR_SIZE, "%.300s is not a regular file of reasonable size", path);
        return NULL;
    }
    size_t size = (size_t)(info.st_size < limit ? info.st_size : limit);
    uint8_t *bytes = malloc(size + 1);
    size_t done = 0;
    while (bytes != NULL && done < size) {
        ssize_t n = read(fd, bytes + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        done += (size_t)n;
    }
    if (bytes == NULL || done < size) {
        snprintf(error, APP_ERROR_SIZE, "cannot read %.300s: %s", path, strerror(errno));
        free(bytes);
        return NULL;
    }
    *ret_size = size;
    return bytes;
}

static int idx_load(const char *dir, const char *name, uint32_t magic, struct idx *ret_idx, char *error) {
    char path[COLLECTION_PATH_MAX + 64], why[APP_ERROR_SIZE];
    int fd = file_open(dir, name, path, sizeof path, error);
    if (fd < 0) return -1;
    size_t size = 0;
    uint8_t *bytes = file_read(fd, path, FILE_SIZE_MAX, &size, error);
    close(fd);
    if (bytes == NULL) return -1;
    int rc = idx_decode(bytes, size, magic, ret_idx, why);
    free(bytes);
    if (rc != 0) snprintf(error, APP_ERROR_SIZE, "%.300s: %.180s", path, why);
    return rc;
}

static int set_load(const char *dir, const char *prefix, struct data_set *ret_set, char *error) {
    char name[64];
    struct idx images = {0}, labels = {0};
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", prefix);
    if (idx_load(dir, name, IDX_IMAGES, &images, error) != 0) return -1;
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", prefix);
    if (idx_load(dir, name, IDX_LABELS, &labels, error) != 0) goto fail;
    if (images.count != labels.count) {
        snprintf(error, APP_ERROR_SIZE, "%.300s: %lld %s images but %lld labels", dir, (long long)images.count, prefix,
                 (long long)labels.count);
        goto fail;
    }
    for (int64_t i = 0; i < labels.count; i++) {
        if (labels.values[i] >= DATA_CLASSES) {
            snprintf(error, APP_ERROR_SIZE, "%.300s: %s label %lld is %d; labels are 0 to %d", dir, prefix,
                     (long long)i, labels.values[i], DATA_CLASSES - 1);
            goto fail;
        }
    }
    *ret_set = (struct data_set){.pixels = images.values,
                                 .labels = labels.values,
                                 .count = images.count,
                                 .height = images.height,
                                 .width = images.width};
    return 0;
fail:
    idx_release(&images);
    idx_release(&labels);
    return -1;
}

static uint32_t checksum(const uint8_t *bytes, int64_t size, uint32_t seed) {
    return (uint32_t)crc32_z(seed, bytes, (size_t)size);
}

/* Debian's folder and those named like it, or the very labels of Fashion-MNIST's test set wherever they lie. */
static bool is_fashion(const char *dir, const struct data *data) {
    size_t length = strlen(dir);
    while (length > 0 && dir[length - 1] == '/')
        length--;
    size_t start = length;
    while (start > 0 && dir[start - 1] != '/')
        start--;
    char base[64];
    snprintf(base, sizeof base, "%.*s", (int)(length - start < 63 ? length - start : 63), dir + start);
    return strcasestr(base, "fashion") != NULL ||
           checksum(data->test.labels, data->test.count, 0) == FASHION_TEST_LABELS_CRC;
}

/* The folder that `name` means: a collection's where it is the name of one, else itself. NULL with `error`. */
static const char *folder_of(const char *name, char *path, char *error) {
    struct stat info;
    const struct collection *collection = collection_find(name);
    if (collection != NULL && collection_folder(collection, path, error) != 0) return NULL;
    if (collection == NULL) snprintf(path, COLLECTION_PATH_MAX, "%s", name);
    bool there = stat(path, &info) == 0;
    if (there && S_ISDIR(info.st_mode)) return path;
    snprintf(error, APP_ERROR_SIZE, "no data folder %.300s: %s%s%s", path, there ? "not a folder" : strerror(errno),
             collection != NULL ? "; " : "", collection != NULL ? collection->hint : "");
    return NULL;
}

int data_load(const char *name, struct data *ret_data, char *error) {
    char path[COLLECTION_PATH_MAX];
    const char *dir = folder_of(name, path, error);
    if (dir == NULL) return -1;
    struct data data = {0};
    if (set_load(dir, "train", &data.train, error) != 0 || set_load(dir, "t10k", &data.test, error) != 0) {
        const struct collection *collection = collection_find(name);
        size_t length = strlen(error);
        if (collection != NULL) snprintf(error + length, APP_ERROR_SIZE - length, "; %s", collection->hint);
        data_release(&data);
        return -1;
    }
    bool fashion = is_fashion(dir, &data);
    data.classes = fashion ? fashion_names : digit_names;
    data.classes_zh = fashion ? fashion_names_zh : digit_names;
    int64_t pixels = data.train.count * data.train.height * data.train.width;
    data.checksum = checksum(data.train.labels, data.train.count, checksum(data.train.pixels, pixels, 0));
    *ret_data = data;
    return 0;
}

int64_t data_peek_count(const char *name, char *error) {
    char folder[COLLECTION_PATH_MAX], path[COLLECTION_PATH_MAX + 64];
    const char *dir = folder_of(name, folder, error);
    if (dir == NULL) return -1;
    int fd = file_open(dir, "train-labels-idx1-ubyte", path, sizeof path, error);
    if (fd < 0) return -1;
    size_t size = 0;
    uint8_t *bytes = file_read(fd, path, 512, &size, error);
    close(fd);
    if (bytes == NULL) return -1;
    int64_t count = idx_peek_count(bytes, size, IDX_LABELS);
    free(bytes);
    if (count < 0) snprintf(error, APP_ERROR_SIZE, "%.300s: not an IDX file of labels", path);
    return count;
}

void data_release(struct data *data) {
    free(data->train.pixels);
    free(data->train.labels);
    free(data->test.pixels);
    free(data->test.labels);
    *data = (struct data){0};
}
