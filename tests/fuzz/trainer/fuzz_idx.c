/* fuzz_idx.c: any bytes as an IDX file of either kind: refused with a line, or decoded to exactly what they announce.
 */
#include "idx.h"
#include "number.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one(const uint8_t *data, size_t size, uint32_t magic) {
    struct idx idx;
    char error[APP_ERROR_SIZE] = "";
    if (idx_decode(data, size, magic, &idx, error) != 0) {
        if (error[0] == '\0' || strchr(error, '\n') != NULL) abort();
        return;
    }
    if (idx.count != idx_peek_count(data, size, magic) || idx.count < 1) abort();
    uint8_t sum = 0; /* touches every value that was promised */
    for (int64_t i = 0; i < idx.count * idx.height * idx.width; i++)
        sum = (uint8_t)(sum ^ idx.values[i]);
    volatile uint8_t keep = sum;
    (void)keep;
    idx_release(&idx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    one(data, size, IDX_IMAGES);
    one(data, size, IDX_LABELS);
    return 0;
}
