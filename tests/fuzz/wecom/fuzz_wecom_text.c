/* Any text as Markdown, as a message of a group, as a title: bounded, and read back the same but for blanks. */
#include "wecom_codec.h"
#include "wecom_text.h"
#include <stdlib.h>
#include <string.h>

static void holds(bool good) {
    if (!good) abort();
}

/* Without blanks and control characters, escapes undone where `escaped`. */
static size_t bare(const char *from, char *to, bool escaped) {
    size_t size = 0;
    for (; *from; from++) {
        unsigned char c = (unsigned char)*from;
        if (escaped && c == '\\' && from[1] > ' ' && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", from[1]))
            c = (unsigned char)*++from;
        if (c == 0xc2 && (unsigned char)from[1] == 0xa0) {
            from++;
            continue;
        }
        if (c > ' ' || c == '\n') to[size++] = (char)c;
    }
    to[size] = 0;
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1), title[64], line[40], command[32];
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = 0;
    char *made = wecom_markdown(text, SIZE_MAX);
    char *one = malloc(size + 1), *two = made ? malloc(strlen(made) + 1) : NULL;
    if (made && one && two) {
        holds(bare(text, one, false) == bare(made, two, true) && strcmp(one, two) == 0);
        char *cut = wecom_markdown(text, strlen(text));
        holds(cut && strlen(cut) <= strlen(text));
        free(cut);
    }
    const char *rest = wecom_without_mention(text);
    holds(rest >= text && rest <= text + strlen(text) && *rest != '@');
    wecom_title(text, 26, title, sizeof title);
    holds(strlen(title) < sizeof title && !strchr(title, '\n'));
    wecom_one_line(text, line, sizeof line);
    holds(strlen(line) < sizeof line && !strchr(line, '\n'));
    wecom_button_command(title, 7, command, sizeof command);
    free(made);
    free(one);
    free(two);
    free(text);
    return 0;
}
