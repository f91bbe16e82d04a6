/*
 * idx.h: one IDX file (the format of MNIST and Fashion-MNIST), gzip or plain, from its bytes to an array.
 *
 * Format (http://yann.lecun.com/exdb/mnist): big-endian 32-bit words magic, count, then for images rows and columns,
 * then one unsigned byte a value. Every size is checked before anything is allocated; nothing may follow the data.
 */
#ifndef TRAINER_IDX_H
#define TRAINER_IDX_H

#include <stddef.h>
#include <stdint.h>

#define IDX_LABELS 0x00000801u
#define IDX_IMAGES 0x00000803u
#define IDX_COUNT_MAX 10000000 /* items in one file */

struct idx {
    int64_t count, height, width; /* labels: height and width are 1 */
    uint8_t *values;              /* count × height × width; owned, idx_release frees */
};

/* `magic` is what the file must be; images must be 28 × 28. 0, or -1 with one line in `error` (APP_ERROR_SIZE bytes)
 * that says what is wrong but not where: the caller knows the path. Pure, any thread. */
__attribute__((warn_unused_result)) int idx_decode(const uint8_t *bytes, size_t size, uint32_t magic,
                                                   struct idx *ret_idx, char *error);
/* The count from the head of the file alone; the first 512 bytes are enough. -1: not readable as this kind. */
int64_t idx_peek_count(const uint8_t *bytes, size_t size, uint32_t magic);
void idx_release(struct idx *idx);

#endif
