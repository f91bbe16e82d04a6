/*
 * fashion.c: reads the gzip IDX files of Debian's dataset-fashion-mnist.
 */
#include "fashion.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define FOLDER "/usr/share/datasets/fashion-mnist"
#define IMAGE_BYTES (28 * 28)

static uint8_t *read_file(const char *path, unsigned skip, size_t bytes) {
    gzFile file = gzopen(path, "rb");
    if (file == NULL) return NULL;
    uint8_t *content = malloc(bytes);
    if (content != NULL &&
        (gzseek(file, (z_off_t)skip, SEEK_SET) < 0 || gzread(file, content, (unsigned)bytes) != (int)bytes)) {
        free(content);
        content = NULL;
    }
    gzclose(file);
    return content;
}

int fashion_load(const char *split, size_t most, struct fashion *ret_data) {
    size_t all = split[1] == '1' ? 10000 : 60000;
    size_t count = most == 0 || most > all ? all : most;
    char images[128], labels[128];
    snprintf(images, sizeof images, FOLDER "/%s-images-idx3-ubyte.gz", split);
    snprintf(labels, sizeof labels, FOLDER "/%s-labels-idx1-ubyte.gz", split);
    struct fashion data = {.count = count,
                           .pixels = read_file(images, 16, count * IMAGE_BYTES),
                           .labels = read_file(labels, 8, count)};
    if (data.pixels == NULL || data.labels == NULL) {
        fashion_release(&data);
        return -1;
    }
    *ret_data = data;
    return 0;
}

void fashion_release(struct fashion *data) {
    free(data->pixels);
    free(data->labels);
    *data = (struct fashion){0};
}
