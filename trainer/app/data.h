/*
 * data.h: a data set's folder: training and test images with their labels, as the four IDX files of MNIST and its
 * drop-in successors. What was loaded is consistent: counts of images and labels agree, labels lie in 0..9.
 */
#ifndef TRAINER_DATA_H
#define TRAINER_DATA_H

#include <stdint.h>

#define DATA_DEFAULT_DIR "/usr/share/datasets/fashion-mnist"
#define DATA_CLASSES 10

struct data_set {
    uint8_t *pixels; /* count × height × width */
    uint8_t *labels; /* count */
    int64_t count, height, width;
};

struct data {
    struct data_set train, test;
    const char *const *classes, *const *classes_zh; /* DATA_CLASSES names each; static */
    uint32_t checksum; /* CRC-32 of the training pixels and labels: is it the same data on resume? */
};

/* `dir` may also be the name of a collection (collection.h): "mnist", "fashion-mnist".
 * Reads DIR/{train,t10k}-{images-idx3,labels-idx1}-ubyte, plain or with .gz. 0, or -1 with one line in `error` that
 * names the file. data_release frees. */
__attribute__((warn_unused_result)) int data_load(const char *dir, struct data *ret_data, char *error);
/* Only the number of training samples, from a file's first bytes. -1 with `error`. */
int64_t data_peek_count(const char *dir, char *error);
void data_release(struct data *data);

#endif
