/* fuzz_checkpoint.c: any bytes as a checkpoint. The checksum would keep a fuzzer out, so it is made right before the
 * second look; what is then accepted must encode back to the same bytes. */
#include "checkpoint.h"
#include "number.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encodes_back(const struct checkpoint *checkpoint, const uint8_t *data, size_t size) {
    struct checkpoint_bytes b;
    struct checkpoint again;
    char error[APP_ERROR_SIZE];
    if (checkpoint_encode(checkpoint, &b) != 0 || b.file_size != size) abort();
    uint8_t *bytes = malloc(size);
    if (bytes == NULL) abort();
    memcpy(bytes, b.front, b.front_size);
    if (b.values_size > 0) memcpy(bytes + b.front_size, b.values, b.values_size);
    memcpy(bytes + b.front_size + b.values_size, b.digest, sizeof b.digest);
    if (checkpoint_decode(bytes, size, &again, error) != 0) abort();
    if (memcmp(bytes, data, 24) != 0) abort();
    checkpoint_release(&again);
    free(bytes);
    free(b.front);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct checkpoint checkpoint;
    char error[APP_ERROR_SIZE] = "";
    if (checkpoint_decode_head(data, size, size, &checkpoint) == 0 && checkpoint.params_count > CHECKPOINT_PARAMS_MAX)
        abort();
    if (checkpoint_decode(data, size, &checkpoint, error) == 0)
        checkpoint_release(&checkpoint);
    else if (error[0] == '\0')
        abort();
    if (size < 32) return 0;

    uint8_t *fixed = malloc(size);
    if (fixed == NULL) abort();
    memcpy(fixed, data, size);
    EVP_Digest(data, size - 32, fixed + size - 32, NULL, EVP_sha256(), NULL);
    if (checkpoint_decode(fixed, size, &checkpoint, error) == 0) {
        encodes_back(&checkpoint, fixed, size);
        checkpoint_release(&checkpoint);
    }
    free(fixed);
    return 0;
}
