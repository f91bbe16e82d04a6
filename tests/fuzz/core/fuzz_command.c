/*
 * Any bytes as a command: the parser must stay within its bounds, its result must be clean text, reading it again must
 * change nothing, and every reader of its tokens must hold what it promises.
 */
#include "near.h"
#include "parse.h"
#include "words.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct parsed first, second;

static void must(bool holds) {
    if (!holds) abort();
}

static void check_token(const char *token) {
    double value = 0;
    int64_t run = 0;
    int from = -1, until = -1;
    enum number_status status = parse_number(token, &value);
    must(status != NUMBER_OK || isfinite(value));
    must(status != NUMBER_HUGE || isinf(value));
    if (parse_run(token, &run)) must(run > 0);
    if (parse_window(token, &from, &until)) must(from >= 0 && from < 1440 && until >= 0 && until < 1440);
    must(near_distance(token, token) == 0);
    must(near_distance(token, "停止") == near_distance("停止", token));
    struct near near;
    near_begin(&near, token);
    near_try(&near, "stop");
    near_try(&near, "取消静音");
    near_pinyin(token);
    must(parse_same(token, token));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct assignment items[8];
    const char *bad = NULL;
    if (parse_text((const char *)data, size, &first) != PARSE_OK) return 0;
    must(first.count > 0 && first.count <= PARSE_TOKENS_MAX && first.tokens[first.count] == NULL);
    must(text_utf8_valid(first.text, strlen(first.text)));
    for (const char *at = first.text; *at; at++)
        must((unsigned char)*at >= 0x20 && *at != 0x7f);
    for (size_t i = 0; i < first.count; i++) {
        must(first.tokens[i][0] && !strchr(first.tokens[i], ' '));
        check_token(first.tokens[i]);
    }
    char rest[64];
    parse_rest(&first, 0, rest, sizeof rest);
    must(text_utf8_valid(rest, strlen(rest)));
    int count = parse_assignments(&first, 0, items, 8, &bad);
    must(count <= 8 && (count >= 0 || bad));
    for (int i = 0; i < count; i++)
        must(parse_is_name(items[i].name) && items[i].value);
    /* What a confirmation keeps is read a second time. */
    if (parse_text(first.text, strlen(first.text), &second) == PARSE_OK) must(second.count <= PARSE_TOKENS_MAX);
    return 0;
}
