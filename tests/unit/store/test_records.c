/*
 * test_records.c: runs, events, changed parameters, results, pictures, audit, named texts.
 */
#include "fixture.h"
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct run_record full = {
    .instance = "0123456789abcdef0123456789abcdef",
    .name = "名字",
    .trainer = "cnn",
    .state = "running",
    .step = 1240,
    .total_steps = 1562,
    .batch = 128,
    .ack = UINT64_MAX,
    .created_ms = 1,
    .started_ms = 2,
    .ended_ms = 3,
    .exit_code = -1,
    .exit_signal = 9,
    .pid = 4711,
    .host = "h",
    .checkpoint = "/c/1240",
    .checkpoint_step = 1240,
    .checkpoint_bytes = INT64_MAX,
    .from_run = 7,
    .started_by = "web:token",
    .hello = "{\"params\":[]}",
    .params = "{\"lr\":0.001}",
    .metrics = "{\"loss\":0.41}",
    .extra = "{\"pause\":null}",
};

static void runs_equal(const struct run_record *a, const struct run_record *b) {
    assert_string_equal(a->instance, b->instance);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->trainer, b->trainer);
    assert_string_equal(a->state, b->state);
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->total_steps, b->total_steps);
    assert_int_equal(a->batch, b->batch);
    assert_true(a->ack == b->ack);
    assert_int_equal(a->created_ms, b->created_ms);
    assert_int_equal(a->started_ms, b->started_ms);
    assert_int_equal(a->ended_ms, b->ended_ms);
    assert_int_equal(a->exit_code, b->exit_code);
    assert_int_equal(a->exit_signal, b->exit_signal);
    assert_int_equal(a->pid, b->pid);
    assert_string_equal(a->host, b->host);
    assert_string_equal(a->checkpoint, b->checkpoint);
    assert_int_equal(a->checkpoint_step, b->checkpoint_step);
    assert_int_equal(a->checkpoint_bytes, b->checkpoint_bytes);
    assert_int_equal(a->from_run, b->from_run);
    assert_string_equal(a->started_by, b->started_by);
    assert_string_equal(a->hello, b->hello);
    assert_string_equal(a->params, b->params);
    assert_string_equal(a->metrics, b->metrics);
    assert_string_equal(a->extra, b->extra);
}

static bool run_equals(void *user, const struct run_record *record) {
    const struct run_record *want = user;
    runs_equal(record, want);
    assert_int_equal(record->id, want->id);
    return true;
}

struct ids {
    int64_t at[100];
    size_t count, stop_after;
};

static bool run_id(void *user, const struct run_record *record) {
    struct ids *ids = user;
    ids->at[ids->count++] = record->id;
    return ids->count != ids->stop_after;
}

static void test_run(void **state) {
    struct fixture *fixture = *state;
    struct run_record record = full;
    assert_ok(store_run_insert(fixture->store, &record, &record.id));
    assert_ok(store_run(fixture->store, record.id, run_equals, &record));
    assert_ok(store_run_by_instance(fixture->store, record.instance, run_equals, &record));
    fixture_reopen(fixture);
    assert_ok(store_run(fixture->store, record.id, run_equals, &record));
    record.state = "stopped";
    record.ack = 99;
    record.hello = "{\"params\":[1]}";
    record.metrics = "";
    assert_ok(store_run_update(fixture->store, &record));
    assert_ok(store_run(fixture->store, record.id, run_equals, &record));
    record.hello = "{\"params\":[]}"; /* back to what it was before */
    assert_ok(store_run_update(fixture->store, &record));
    assert_ok(store_run_update(fixture->store, &record));
    assert_ok(store_commit(fixture->store));
    fixture_reopen(fixture);
    assert_ok(store_run(fixture->store, record.id, run_equals, &record));
    record.id++;
    assert_int_equal(store_run_update(fixture->store, &record), TB_ENOTFOUND);
    assert_int_equal(store_run(fixture->store, record.id, run_equals, &record), TB_ENOTFOUND);
    assert_int_equal(store_run_by_instance(fixture->store, "", run_equals, &record), TB_ENOTFOUND);
    assert_int_equal(store_run_by_instance(fixture->store, "feed", run_equals, &record), TB_ENOTFOUND);
}

/* A hello that was rolled back is written again, though its text did not change. */
static void test_hello_rolled_back(void **state) {
    struct fixture *fixture = *state;
    struct run_record record = fixture_record();
    assert_ok(store_run_insert(fixture->store, &record, &record.id));
    assert_ok(store_commit(fixture->store));
    record.hello = "new";
    assert_ok(store_run_update(fixture->store, &record));
    store_rollback(fixture->store);
    assert_ok(store_run_update(fixture->store, &record));
    assert_ok(store_commit(fixture->store));
    assert_ok(store_run(fixture->store, record.id, run_equals, &record));
}

static void test_runs_list(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 10; i++)
        fixture_run(fixture->store);
    struct ids ids = {0};
    assert_ok(store_runs(fixture->store, 0, 3, run_id, &ids));
    assert_true(ids.count == 3 && ids.at[0] == 10 && ids.at[2] == 8);
    ids.count = 0;
    assert_ok(store_runs(fixture->store, 8, 0, run_id, &ids));
    assert_true(ids.count == 7 && ids.at[0] == 7 && ids.at[6] == 1);
    ids = (struct ids){.stop_after = 2};
    assert_ok(store_runs(fixture->store, 0, 0, run_id, &ids));
    assert_int_equal(ids.count, 2);
}

/* The same query again from within its callback. */
static bool run_nested(void *user, const struct run_record *record) {
    struct fixture *fixture = user;
    char state[32];
    snprintf(state, sizeof state, "%s", record->state);
    struct ids ids = {0};
    assert_ok(store_runs(fixture->store, 0, 0, run_id, &ids));
    assert_int_equal(ids.count, 3);
    assert_string_equal(record->state, state); /* what was lent is still there */
    return true;
}

static void test_nested(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 3; i++)
        fixture_run(fixture->store);
    assert_ok(store_runs(fixture->store, 0, 0, run_nested, fixture));
    assert_ok(store_commit(fixture->store));
}

static bool count_rows(void *user, const struct store_row *row) {
    (void)row;
    ++*(int *)user;
    return true;
}
static bool count_cols(void *user, const char *const *cols, size_t count) {
    (void)cols;
    *(int *)user += 100 * (int)count;
    return true;
}
static bool count_events(void *user, const struct event_record *event) {
    (void)event;
    ++*(int *)user;
    return true;
}
static bool count_results(void *user, const struct result_record *result) {
    (void)result;
    ++*(int *)user;
    return true;
}
static bool count_changes(void *user, const struct param_change_record *change) {
    (void)change;
    ++*(int *)user;
    return true;
}
static bool count_images(void *user, const struct image_record *image) {
    (void)image;
    ++*(int *)user;
    return true;
}
static bool message_forgot(void *user, const struct message_record *message) {
    ++*(int *)user;
    assert_string_equal(message->text, "picture");
    assert_int_equal(message->image, 0);
    return true;
}

static void run_fill(struct store *store, int64_t run, int64_t *image) {
    for (int64_t step = 1; step <= 6000; step++)
        assert_ok(fixture_log(store, run, false, "loss", step, 1));
    assert_ok(store_event_add(store, &(struct event_record){.run = run, .kind = "nan", .text = "t"}));
    assert_ok(store_param_change_add(store, &(struct param_change_record){.run = run, .name = "lr"}));
    assert_ok(store_image_add(store, &(struct image_record){.run = run, .path = "p"}, image));
    assert_ok(store_result_add(store, &(struct result_record){.run = run, .text = "r", .image = *image}));
}

static void run_counts(struct store *store, int64_t run, int *counts) {
    memset(counts, 0, 4 * sizeof *counts);
    assert_ok(store_rows_read(store, run, 0, count_cols, count_rows, &counts[0]));
    assert_ok(store_events(store, run, count_events, &counts[1]));
    assert_ok(store_param_changes(store, run, count_changes, &counts[2]));
    assert_ok(store_results(store, run, 0, count_results, &counts[3]));
}

static void test_run_delete(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    int64_t kept = fixture_run(store), gone = fixture_run(store), kept_image, gone_image, id;
    run_fill(store, kept, &kept_image);
    run_fill(store, gone, &gone_image);
    struct message_record message = {
        .channel = "web", .chat = "c", .class = MESSAGE_IMAGE, .state = MESSAGE_SENT, .text = "picture"};
    message.run = gone;
    message.image = gone_image;
    assert_ok(store_message_insert(store, &message, &id));
    message.run = 0; /* about no run, but with its picture */
    assert_ok(store_message_insert(store, &message, &id));
    assert_ok(store_commit(store));

    assert_ok(store_run_delete(store, gone));
    assert_ok(store_commit(store));
    int counts[4], images = 0, messages = 0;
    run_counts(store, gone, counts);
    assert_true(counts[0] == 0 && counts[1] == 0 && counts[2] == 0 && counts[3] == 0);
    run_counts(store, kept, counts);
    assert_true(counts[0] == 6100 && counts[1] == 1 && counts[2] == 1 && counts[3] == 1);
    assert_int_equal(store_image(store, gone_image, count_images, &images), TB_ENOTFOUND);
    assert_ok(store_image(store, kept_image, count_images, &images));
    assert_ok(store_history(store, "web", "c", 0, 0, message_forgot, &messages));
    assert_int_equal(messages, 2);
    assert_int_equal(store_run_delete(store, gone), TB_ENOTFOUND);
    assert_int_equal(fixture_log(store, gone, false, "loss", 1, 1), TB_ENOTFOUND);
    assert_true(fixture_run(store) > gone);
}

/* An id is not given again, also after the highest one was deleted and the file opened anew. */
static void test_id_not_reused(void **state) {
    struct fixture *fixture = *state;
    int64_t first = fixture_run(fixture->store), second = fixture_run(fixture->store);
    assert_true(second > first);
    assert_ok(store_run_delete(fixture->store, second));
    assert_ok(store_run_delete(fixture->store, first));
    fixture_reopen(fixture);
    assert_true(fixture_run(fixture->store) > second);
}

static bool event_equals(void *user, const struct event_record *event) {
    int *next = user;
    assert_int_equal(event->step, *next);
    assert_int_equal(event->t_ms, 1000 + *next);
    assert_string_equal(event->kind, *next == 2 ? "finished" : "note");
    assert_string_equal(event->text, "with \"quotes\" and 中文");
    ++*next;
    return *next != 3;
}

static void test_events(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 4; i++)
        assert_ok(store_event_add(fixture->store, &(struct event_record){.run = 1,
                                                                         .t_ms = 1000 + i,
                                                                         .step = i,
                                                                         .kind = i == 2 ? "finished" : "note",
                                                                         .text = "with \"quotes\" and 中文"}));
    assert_ok(store_event_add(fixture->store, &(struct event_record){.run = 2, .kind = "x", .text = ""}));
    int next = 0;
    assert_ok(store_events(fixture->store, 1, event_equals, &next));
    assert_int_equal(next, 3); /* it stopped there */
}

static bool change_equals(void *user, const struct param_change_record *change) {
    ++*(int *)user;
    assert_int_equal(change->run, 5);
    assert_int_equal(change->t_ms, 9);
    assert_int_equal(change->step, 8);
    assert_string_equal(change->name, "lr");
    assert_string_equal(change->old_value, "0.001");
    assert_string_equal(change->new_value, "0.0005");
    assert_string_equal(change->by, "web:token");
    return true;
}

static void test_param_changes(void **state) {
    struct fixture *fixture = *state;
    struct param_change_record change = {5, 9, 8, "lr", "0.001", "0.0005", "web:token"};
    assert_ok(store_param_change_add(fixture->store, &change));
    int count = 0;
    assert_ok(store_param_changes(fixture->store, 5, change_equals, &count));
    assert_ok(store_param_changes(fixture->store, 6, change_equals, &count));
    assert_int_equal(count, 1);
}

static bool result_id(void *user, const struct result_record *result) {
    struct ids *ids = user;
    assert_string_equal(result->command, "recognize");
    assert_string_equal(result->text, "7 of 10");
    assert_int_equal(result->image, result->step + 1);
    ids->at[ids->count++] = result->run * 100 + result->step;
    return true;
}

static void test_results(void **state) {
    struct fixture *fixture = *state;
    for (int64_t i = 0; i < 6; i++)
        assert_ok(store_result_add(fixture->store, &(struct result_record){.run = 1 + i % 2,
                                                                           .step = i,
                                                                           .command = "recognize",
                                                                           .text = "7 of 10",
                                                                           .image = i + 1}));
    struct ids ids = {0};
    assert_ok(store_results(fixture->store, 1, 2, result_id, &ids));
    assert_true(ids.count == 2 && ids.at[0] == 104 && ids.at[1] == 102);
    ids.count = 0;
    assert_ok(store_results(fixture->store, 0, 4, result_id, &ids));
    assert_true(ids.count == 4 && ids.at[0] == 205 && ids.at[1] == 104);
}

static bool image_equals(void *user, const struct image_record *image) {
    const struct image_record *want = user;
    assert_true(image->id == want->id && image->run == want->run && image->t_ms == want->t_ms);
    assert_string_equal(image->title, want->title);
    assert_string_equal(image->mime, want->mime);
    assert_string_equal(image->path, want->path);
    return true;
}

static void test_images(void **state) {
    struct fixture *fixture = *state;
    struct image_record image = {0, 3, 4, "曲线", "image/png", "images/1.png"};
    assert_ok(store_image_add(fixture->store, &image, &image.id));
    assert_ok(store_image(fixture->store, image.id, image_equals, &image));
    assert_int_equal(store_image(fixture->store, image.id + 1, image_equals, &image), TB_ENOTFOUND);
}

struct pairs {
    char text[200];
};

static bool pair_given(void *user, const char *key, const char *value) {
    struct pairs *pairs = user;
    size_t size = strlen(pairs->text);
    snprintf(pairs->text + size, sizeof pairs->text - size, "%s=%s ", key, value);
    return strcmp(value, "stop") != 0;
}

static void test_pairs(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    char *value = NULL;
    assert_int_equal(store_get(store, "lang/web:token", &value), TB_ENOTFOUND);
    assert_ok(store_set(store, "lang/web:token", "zh"));
    assert_ok(store_set(store, "lang/web:token", "en"));
    assert_ok(store_set(store, "lang/b", "zh"));
    assert_ok(store_set(store, "lang0", "other"));
    assert_ok(store_set(store, "lan", "other"));
    assert_ok(store_get(store, "lang/web:token", &value));
    assert_string_equal(value, "en");
    free(value);
    struct pairs pairs = {""};
    assert_ok(store_pairs(store, "lang/", pair_given, &pairs));
    assert_string_equal(pairs.text, "lang/b=zh lang/web:token=en ");
    assert_ok(store_set(store, "lang/b", "stop"));
    pairs.text[0] = 0;
    assert_ok(store_pairs(store, "lang/", pair_given, &pairs));
    assert_string_equal(pairs.text, "lang/b=stop ");
    assert_ok(store_set(store, "lang/b", NULL));
    assert_ok(store_set(store, "never there", NULL));
    assert_int_equal(store_get(store, "lang/b", &value), TB_ENOTFOUND);
    assert_ok(store_set(store, "empty", ""));
    assert_ok(store_get(store, "empty", &value));
    assert_string_equal(value, "");
    free(value);
}

static bool audit_given(void *user, const struct audit_record *audit) {
    struct ids *ids = user;
    assert_string_equal(audit->who, "web:token");
    assert_string_equal(audit->what, "stop 7");
    assert_string_equal(audit->outcome, "refused: nothing runs");
    assert_int_equal(audit->run, 7);
    ids->at[ids->count++] = audit->t_ms;
    return true;
}

static void test_audit(void **state) {
    struct fixture *fixture = *state;
    for (int64_t i = 0; i < 5; i++)
        assert_ok(store_audit_add(fixture->store,
                                  &(struct audit_record){i, "web:token", "stop 7", "refused: nothing runs", 7}));
    struct ids ids = {0};
    assert_ok(store_audits(fixture->store, 3, audit_given, &ids));
    assert_true(ids.count == 3 && ids.at[0] == 4 && ids.at[2] == 2);
}

/* store_close keeps what is pending; a rollback does not. */
static void test_close_and_rollback(void **state) {
    struct fixture *fixture = *state;
    char *value = NULL;
    assert_false(store_is_dirty(fixture->store));
    assert_ok(store_commit(fixture->store));
    assert_ok(store_set(fixture->store, "a", "1"));
    assert_true(store_is_dirty(fixture->store));
    store_rollback(fixture->store);
    assert_false(store_is_dirty(fixture->store));
    assert_int_equal(store_get(fixture->store, "a", &value), TB_ENOTFOUND);
    assert_ok(store_set(fixture->store, "b", "2"));
    fixture_reopen(fixture);
    assert_ok(store_get(fixture->store, "b", &value));
    free(value);
    store_close(NULL);
    store_reader_close(NULL);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(test_run),    T(test_hello_rolled_back), T(test_runs_list), T(test_nested),
        T(test_events), T(test_id_not_reused),     T(test_results),   T(test_param_changes),
        T(test_images), T(test_run_delete),        T(test_audit),     T(test_close_and_rollback),
        T(test_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
