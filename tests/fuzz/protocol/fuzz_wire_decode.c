/*
 * Any bytes into the decoder. A fault must have a known code and a readable reason; a frame that is taken must encode,
 * and what the encoder wrote must be taken again and encode to the very same bytes.
 */
#include "wire_json.h"
#include "wire_table.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fault(const struct wire_fault *fault) {
    bool known = false;
    for (enum wire_fault_code code = 0; code < WIRE_FAULT_CODES; code++)
        known = known || strcmp(fault->code, wire_fault_name(code)) == 0;
    if (!known || !fault->why[0] || !utf8_valid(fault->why, strlen(fault->why))) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct wire_frame frame, again;
    struct wire_fault fault;
    struct wire_buf one = {0}, two = {0};
    if (wire_decode((const char *)data, size, &frame, &fault) < 0) {
        check_fault(&fault);
        return 0;
    }
    if (wire_encode(&frame, &one) == 0) { /* a line near the limit may grow over it: 1e5 for 100000 is shorter */
        if (wire_decode(one.bytes, one.size - 1, &again, &fault) < 0) abort();
        if (wire_encode(&again, &two) < 0 || one.size != two.size || memcmp(one.bytes, two.bytes, one.size) != 0)
            abort();
        wire_frame_clear(&again);
    } else if (size < WIRE_FRAME_MAX / 4) {
        abort();
    }
    wire_buf_release(&one);
    wire_buf_release(&two);
    wire_frame_clear(&frame);
    return 0;
}
