/*
 * test_messages.c: inbox, outbox, history; and that their queries walk an index.
 */
#include "fixture.h"
#include "statements.h"
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct message_record message_of(enum message_class class, enum message_state state, const char *chat,
                                        const char *text) {
    return (struct message_record){
        .channel = "web",
        .chat = chat,
        .sender = class == MESSAGE_INBOUND ? "alice" : "",
        .class = class,
        .state = state,
        .text = text,
        .key = "",
        .service_id = "",
        .buttons = "",
        .created_ms = 5,
    };
}

struct given {
    char text[400];
    int64_t rev, id;
    struct message_record last; /* its texts are not valid any more */
};

static bool message_given(void *user, const struct message_record *message) {
    struct given *given = user;
    size_t size = strlen(given->text);
    snprintf(given->text + size, sizeof given->text - size, "%s ", message->text);
    given->last = *message;
    given->rev = message->rev;
    given->id = message->id;
    return strcmp(message->text, "stop") != 0;
}

static int64_t add(struct store *store, struct message_record message) {
    int64_t id = 0;
    assert_ok(store_message_insert(store, &message, &id));
    return id;
}

static void expect_history(struct store *store, int64_t after_rev, int64_t limit, const char *want) {
    struct given given = {.text = ""};
    assert_ok(store_history(store, "web", "c", after_rev, limit, message_given, &given));
    assert_string_equal(given.text, want);
}

static bool message_whole(void *user, const struct message_record *m) {
    const struct message_record *want = user;
    assert_int_equal(m->id, want->id);
    assert_string_equal(m->channel, want->channel);
    assert_string_equal(m->chat, want->chat);
    assert_string_equal(m->sender, want->sender);
    assert_int_equal(m->class, want->class);
    assert_int_equal(m->state, want->state);
    assert_string_equal(m->text, want->text);
    assert_int_equal(m->image, want->image);
    assert_int_equal(m->run, want->run);
    assert_string_equal(m->key, want->key);
    assert_string_equal(m->service_id, want->service_id);
    assert_string_equal(m->buttons, want->buttons);
    assert_int_equal(m->created_ms, want->created_ms);
    assert_int_equal(m->next_try_ms, want->next_try_ms);
    assert_int_equal(m->sent_ms, want->sent_ms);
    assert_int_equal(m->attempts, want->attempts);
    return true;
}

static void test_columns(void **state) {
    struct fixture *fixture = *state;
    struct message_record m = {0,      0, "web", "c", "s", MESSAGE_ALERT, MESSAGE_SENDING, "t", 1, 2, "k", "sid",
                               "a\nb", 3, 4,     5,   6};
    assert_ok(store_message_insert(fixture->store, &m, &m.id));
    assert_ok(store_message_by_key(fixture->store, "web", "c", "k", message_whole, &m));
    m.text = "new";
    m.image = 7;
    m.buttons = "";
    m.state = MESSAGE_QUEUED;
    struct message_record other = m; /* what change does not touch */
    other.attempts = 99;
    other.service_id = "no";
    assert_ok(store_message_change(fixture->store, &other));
    assert_ok(store_message_by_key(fixture->store, "web", "c", "k", message_whole, &m));
    m.state = MESSAGE_SENT;
    m.service_id = "sid2";
    m.next_try_ms = 14;
    m.sent_ms = 15;
    m.attempts = 16;
    other = m; /* what state does not touch */
    other.text = "no";
    other.image = 0;
    assert_ok(store_message_state(fixture->store, &other, false));
    assert_ok(store_message_by_key(fixture->store, "web", "c", "k", message_whole, &m));
    m.id++;
    assert_int_equal(store_message_change(fixture->store, &m), TB_ENOTFOUND);
    assert_int_equal(store_message_state(fixture->store, &m, false), TB_ENOTFOUND);
    assert_int_equal(store_message_state(fixture->store, &m, true), TB_ENOTFOUND);
}

static void test_history(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    struct message_record m = message_of(MESSAGE_REPLY, MESSAGE_SENT, "c", "a");
    m.id = add(store, m);
    add(store, message_of(MESSAGE_REPLY, MESSAGE_SENT, "c", "b"));
    add(store, message_of(MESSAGE_REPLY, MESSAGE_SENT, "another", "x"));
    add(store, message_of(MESSAGE_PROGRESS, MESSAGE_SUPERSEDED, "c", "old"));
    add(store, message_of(MESSAGE_INBOUND, MESSAGE_HANDLED, "c", "d"));
    expect_history(store, 0, 0, "a b d ");
    expect_history(store, 0, 2, "b d "); /* the newest */
    struct given given = {.text = ""};
    assert_ok(store_history(store, "web", "c", 0, 0, message_given, &given));
    int64_t rev = given.rev;
    expect_history(store, rev, 0, "");
    m.text = "a2";
    assert_ok(store_message_change(store, &m)); /* comes after rev again */
    expect_history(store, rev, 0, "a2 ");
    expect_history(store, 0, 0, "b d a2 ");
    given = (struct given){.text = ""};
    assert_ok(store_history(store, "web", "c", rev, 0, message_given, &given));
    assert_true(given.rev > rev);
    rev = given.rev;
    assert_ok(store_message_state(store, &m, false));
    expect_history(store, rev, 0, "");
    assert_ok(store_message_state(store, &m, true));
    expect_history(store, rev, 0, "a2 ");
    fixture_reopen(fixture); /* rev goes on from the highest one */
    add(fixture->store, message_of(MESSAGE_REPLY, MESSAGE_SENT, "c", "stop"));
    add(fixture->store, message_of(MESSAGE_REPLY, MESSAGE_SENT, "c", "after"));
    expect_history(fixture->store, 0, 0, "b d a2 stop ");
    given = (struct given){.text = ""};
    assert_ok(store_history(fixture->store, "web", "c", rev, 0, message_given, &given));
    assert_true(given.rev > rev);
}

/* A rev that was rolled back may be given again, but never twice to what stayed. */
static void test_rev_after_rollback(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    add(store, message_of(MESSAGE_REPLY, MESSAGE_SENT, "c", "a"));
    assert_ok(store_commit(store));
    add(store, message_of(MESSAGE_REPLY, MESSAGE_SENT, "c", "lost"));
    store_rollback(store);
    add(store, message_of(MESSAGE_REPLY, MESSAGE_SENT, "c", "b"));
    assert_ok(store_commit(store));
    expect_history(store, 0, 0, "a b ");
}

static void test_receive(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    struct message_record m = message_of(MESSAGE_INBOUND, MESSAGE_NEW, "c", "in");
    m.service_id = "17";
    int64_t id = 0, again = -1;
    assert_ok(store_message_receive(store, &m, &id));
    assert_ok(store_commit(store));
    assert_int_equal(store_message_receive(store, &m, &again), TB_EEXISTS);
    assert_int_equal(again, -1);
    m.channel = "telegram";
    assert_ok(store_message_receive(store, &m, &again)); /* ids are of a channel */
    m.channel = "web";
    m.service_id = "";
    assert_ok(store_message_receive(store, &m, &again)); /* without an id nothing can be told apart */
    assert_ok(store_message_receive(store, &m, &again));
    struct given given = {.text = ""};
    assert_ok(store_messages_unhandled(store, message_given, &given));
    assert_string_equal(given.text, "in in in in ");
    m.id = id;
    m.service_id = "17";
    m.state = MESSAGE_HANDLED;
    assert_ok(store_message_state(store, &m, false));
    given.text[0] = 0;
    assert_ok(store_messages_unhandled(store, message_given, &given));
    assert_string_equal(given.text, "in in in ");
    assert_int_equal(store_message_receive(store, &m, &again), TB_EEXISTS); /* also when handled long ago */
    struct message_record out = message_of(MESSAGE_REPLY, MESSAGE_SENT, "c", "out");
    assert_int_equal(store_message_receive(store, &out, &again), TB_EINVAL);
    out.service_id = "17"; /* an outbound id of the service is another thing */
    add(store, out);
    assert_ok(store_commit(store));
}

static void test_open(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    add(store, message_of(MESSAGE_REPLY, MESSAGE_QUEUED, "c", "queued"));
    add(store, message_of(MESSAGE_ALERT, MESSAGE_SENDING, "d", "sending"));
    add(store, message_of(MESSAGE_ALERT, MESSAGE_SENT, "c", "sent"));
    add(store, message_of(MESSAGE_ALERT, MESSAGE_FAILED, "c", "failed"));
    add(store, message_of(MESSAGE_PROGRESS, MESSAGE_SUPERSEDED, "c", "superseded"));
    add(store, message_of(MESSAGE_INBOUND, MESSAGE_QUEUED, "c", "inbound"));
    struct message_record m = message_of(MESSAGE_IMAGE, MESSAGE_QUEUED, "c", "telegram");
    m.channel = "telegram";
    m.id = add(store, m);
    struct given given = {.text = ""};
    assert_ok(store_messages_open(store, NULL, message_given, &given));
    assert_string_equal(given.text, "queued sending telegram ");
    given.text[0] = 0;
    assert_ok(store_messages_open(store, "web", message_given, &given));
    assert_string_equal(given.text, "queued sending ");
    m.state = MESSAGE_SENT;
    assert_ok(store_message_state(store, &m, true));
    given.text[0] = 0;
    assert_ok(store_messages_open(store, "telegram", message_given, &given));
    assert_string_equal(given.text, "");
}

static void test_by_key(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    struct message_record m = message_of(MESSAGE_PROGRESS, MESSAGE_SENT, "c", "first");
    m.key = "progress:7";
    add(store, m);
    m.text = "second";
    int64_t second = add(store, m);
    m.text = "third";
    m.state = MESSAGE_SUPERSEDED;
    add(store, m);
    struct given given = {.text = ""};
    assert_ok(store_message_by_key(store, "web", "c", "progress:7", message_given, &given));
    assert_string_equal(given.text, "second ");
    assert_int_equal(given.id, second);
    assert_int_equal(store_message_by_key(store, "web", "d", "progress:7", message_given, &given), TB_ENOTFOUND);
    assert_int_equal(store_message_by_key(store, "web", "c", "progress:8", message_given, &given), TB_ENOTFOUND);
    add(store, message_of(MESSAGE_REPLY, MESSAGE_SENT, "c", "no key"));
    assert_int_equal(store_message_by_key(store, "web", "c", "", message_given, &given), TB_ENOTFOUND);
}

/* The plan of a query, its lines joined. */
static void plan_of(sqlite3 *db, const char *sql, char *plan, size_t size) {
    char explain[2000];
    sqlite3_stmt *statement;
    snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
    assert_int_equal(sqlite3_prepare_v2(db, explain, -1, &statement, NULL), SQLITE_OK);
    plan[0] = 0;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        size_t used = strlen(plan);
        snprintf(plan + used, size - used, "%s\n", (const char *)sqlite3_column_text(statement, 3));
    }
    sqlite3_finalize(statement);
}

/* No query but the audit's and the list of all results, which end at their limit, goes through a whole table. */
static void test_plans(void **state) {
    struct fixture *fixture = *state;
    static const struct {
        const char *name, *sql;
    } statements[] = {
#define X(name, sql) {#name, sql},
        STORE_STATEMENTS(X)
#undef X
    };
    static const char *const may_scan[] = {"RESULT_LIST_ALL", "AUDIT_LIST", "MESSAGE_OPEN_ALL", "MESSAGE_UNHANDLED",
                                           "MESSAGE_HISTORY"};
    sqlite3 *db;
    char path[100], plan[2000];
    snprintf(path, sizeof path, "%s/trainbot.db", fixture->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        bool allowed = false;
        for (size_t k = 0; k < sizeof may_scan / sizeof *may_scan; k++)
            allowed |= strcmp(may_scan[k], statements[i].name) == 0;
        plan_of(db, statements[i].sql, plan, sizeof plan);
        if (strstr(plan, "SCAN") && !allowed) fail_msg("%s: %s", statements[i].name, plan);
        if (strncmp(statements[i].name, "MESSAGE_OPEN", 12) == 0) assert_non_null(strstr(plan, "message_open"));
        if (strcmp(statements[i].name, "MESSAGE_UNHANDLED") == 0) assert_non_null(strstr(plan, "message_new"));
        if (strcmp(statements[i].name, "MESSAGE_HISTORY") == 0)
            assert_non_null(strstr(plan, "USING INDEX message_history (channel=? AND chat=? AND rev>?)"));
        if (strcmp(statements[i].name, "MESSAGE_BY_KEY") == 0) assert_non_null(strstr(plan, "message_key"));
    }
    sqlite3_close(db);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(test_columns), T(test_history), T(test_rev_after_rollback), T(test_receive), T(test_open),
        T(test_by_key),  T(test_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
