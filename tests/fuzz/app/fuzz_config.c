/* Any bytes as a configuration file, and its first line as a --set word: complained of or taken, never more. */
#include "config.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *said = NULL,
         *word = strndup((const char *)data, strcspn(size && data[size - 1] == 0 ? (const char *)data : "", "\n"));
    size_t said_size = 0;
    struct config_report report = {.out = open_memstream(&said, &said_size)};
    struct config *config = config_create();
    if (!config || !word || !report.out) abort();
    config_read(config, "fuzz", (const char *)data, size, &report);
    config_set(config, word, &report);
    config_finish(config, &report);
    fclose(report.out);
    size_t lines = 0;
    for (const char *at = said; (at = strchr(at, '\n')); at++)
        lines++;
    if (lines < (size_t)report.errors) abort(); /* each error is said */
    if (config->settings.max_running < 1 || config->settings.max_running > 1000) abort();
    config_free(config);
    free(said);
    free(word);
    return 0;
}
