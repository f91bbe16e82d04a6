/* fixtures.c: see fixtures.h. */
#include "fixtures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fixture_lines(const char *name, void (*on_line)(const char *line, void *user), void *user) {
    char path[1024], *line = NULL;
    size_t room = 0;
    int lines = 0;
    const char *source = getenv("TRAINBOT_SOURCE");
    snprintf(path, sizeof path, "%s/tests/unit/protocol/fixtures/%s", source ? source : ".", name);
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("%s cannot be read", path);
    for (ssize_t n; (n = getline(&line, &room, file)) > 0; lines++) {
        if (line[n - 1] == '\n') line[n - 1] = 0;
        on_line(line, user);
    }
    fclose(file);
    free(line);
    assert_true(lines > 0);
}
