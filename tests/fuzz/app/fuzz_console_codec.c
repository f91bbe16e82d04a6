/* Any bytes as a line of the control socket; what was read is written and read back the same. */
#include "console_codec.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct control_line line, again;
    char why[128] = "";
    if (control_line_decode((const char *)data, size, &line, why, sizeof why) < 0) {
        if (!why[0]) abort();
        return 0;
    }
    char *text = control_line_encode(&line);
    if (!text) abort();
    if (control_line_decode(text, strlen(text) - 1, &again, why, sizeof why) < 0) abort();
    if (again.kind != line.kind || strcmp(again.text ? again.text : "", line.text ? line.text : "") != 0) abort();
    control_line_clear(&line);
    control_line_clear(&again);
    free(text);
    return 0;
}
