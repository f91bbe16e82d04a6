/* access_scene.c: see access_scene.h. */
#include "access_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

bool heard(struct scene *s, const char *chat, const char *text) {
    return strstr(scene_heard(&s->chat, chat), text) != NULL;
}

bool pick_code(const char *text, char code[9]) {
    const char *at = strstr(text, "配对码:");
    if (!at) return false;
    snprintf(code, 9, "%s", at + strlen("配对码:"));
    return strlen(code) == 8;
}

/* The owner makes a code of a role. */
void make_code(struct scene *s, const char *command, char code[9]) {
    scene_forget(s);
    assert_int_equal(scene_inbound(s, "boss", "boss", command, false), TB_OK);
    assert_true(pick_code(scene_heard(&s->chat, "boss"), code));
    scene_forget(s);
}

/* ---- everything that the store holds ---- */

struct search {
    const char *text;
    int found;
    int rows;
};
static bool search_message(void *user, const struct message_record *message) {
    struct search *search = user;
    search->rows++;
    if (strstr(message->text, search->text) || strstr(message->key, search->text)) search->found++;
    return true;
}
static bool search_audit(void *user, const struct audit_record *audit) {
    struct search *search = user;
    search->rows++;
    if (strstr(audit->what, search->text) || strstr(audit->outcome, search->text) || strstr(audit->who, search->text))
        search->found++;
    return true;
}
static bool search_pair(void *user, const char *key, const char *value) {
    struct search *search = user;
    search->rows++;
    if (strstr(key, search->text) || strstr(value, search->text)) search->found++;
    return true;
}
int in_history(struct scene *s, const char *channel, const char *chat, const char *text) {
    struct search search = {.text = text};
    assert_int_equal(store_history(s->store, channel, chat, 0, 0, search_message, &search), TB_OK);
    return search.found;
}
int rows_of(struct scene *s, const char *chat) {
    struct search search = {.text = "\x01"};
    assert_int_equal(store_history(s->store, "talk", chat, 0, 0, search_message, &search), TB_OK);
    return search.rows;
}
int in_audit(struct scene *s, const char *text) {
    struct search search = {.text = text};
    assert_int_equal(store_audits(s->store, 100000, search_audit, &search), TB_OK);
    return search.found;
}
int in_pairs(struct scene *s, const char *text) {
    struct search search = {.text = text};
    assert_int_equal(store_pairs(s->store, "", search_pair, &search), TB_OK);
    return search.found;
}
