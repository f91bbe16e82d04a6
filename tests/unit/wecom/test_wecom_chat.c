/* The bookkeeping of conversations, streams, limits and frames, with a clock that is moved by hand. */
#include "wecom_chat.h"
#include "wecom_frames.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MINUTE 60000
#define REPORT (10 * MINUTE)

static struct wecom_chats chats;

static struct wecom_chat *fresh(void) {
    wecom_chats_clear(&chats);
    return wecom_chat_get(&chats, "zhangsan");
}

static int teardown(void **state) {
    (void)state;
    wecom_chats_clear(&chats);
    return 0;
}

static void test_stream_life(void **state) {
    (void)state;
    struct wecom_chat *chat = fresh();
    int64_t now = 1000000, wait = 0;
    /* Nobody wrote: pushes, ten minutes apart. */
    assert_int_equal(wecom_progress_step(chat, 7, NULL, REPORT, now, &wait), WECOM_STEP_PUSH);
    wecom_progress_seen(chat, 7, now);
    assert_int_equal(wecom_progress_step(chat, 7, NULL, REPORT, now + 1, &wait), WECOM_STEP_WAIT);
    assert_int_equal(wait, REPORT - 1);
    assert_int_equal(wecom_progress_step(chat, 8, NULL, REPORT, now + 1, &wait), WECOM_STEP_PUSH);
    /* Somebody writes: a stream, edited at most every three seconds. */
    wecom_chat_heard(chat, "CB1", now);
    assert_int_equal(wecom_progress_step(chat, 7, NULL, REPORT, now, &wait), WECOM_STEP_OPEN);
    wecom_stream_opened(chat, "st_1", 7, strdup("a"), now);
    assert_int_equal(wecom_progress_step(chat, 7, "st_1", REPORT, now + 1000, &wait), WECOM_STEP_WAIT);
    assert_int_equal(wait, 2000);
    assert_int_equal(wecom_progress_step(chat, 7, "st_1", REPORT, now + 3000, &wait), WECOM_STEP_UPDATE);
    assert_int_equal(wecom_progress_step(chat, 7, NULL, REPORT, now + 3000, &wait), WECOM_STEP_UPDATE);
    wecom_stream_updated(chat, strdup("b"), now + 3000);
    assert_int_equal(wecom_progress_step(chat, 7, "st_1", REPORT, now + 5999, &wait), WECOM_STEP_WAIT);
    /* One stream a chat: another run is pushed. What stood in another stream is gone. */
    assert_int_equal(wecom_progress_step(chat, 9, NULL, REPORT, now + 3000, &wait), WECOM_STEP_PUSH);
    assert_int_equal(wecom_progress_step(chat, 7, "st_0", REPORT, now + 3000, &wait), WECOM_STEP_GONE);
    /* Five minutes: the channel ends it; then pushes again, the first after report_every. */
    assert_true(wecom_stream_due(chat) == now + 5 * MINUTE);
    assert_true(wecom_stream_can_finish(chat, now + 5 * MINUTE));
    assert_false(wecom_stream_can_finish(chat, now + 6 * MINUTE));
    now += 5 * MINUTE;
    wecom_stream_over(chat, now);
    assert_true(wecom_stream_due(chat) == INT64_MAX);
    assert_int_equal(wecom_progress_step(chat, 7, "st_1", REPORT, now, &wait), WECOM_STEP_GONE);
    assert_int_equal(wecom_progress_step(chat, 7, NULL, REPORT, now, &wait), WECOM_STEP_WAIT);
    assert_int_equal(wait, REPORT);
    assert_int_equal(wecom_progress_step(chat, 7, NULL, REPORT, now + REPORT, &wait), WECOM_STEP_PUSH);
    /* A new message, a new stream. */
    wecom_chat_heard(chat, "CB2", now);
    assert_int_equal(wecom_progress_step(chat, 7, NULL, REPORT, now, &wait), WECOM_STEP_OPEN);
}

static void test_stream_again(void **state) {
    (void)state;
    struct wecom_chat *chat = fresh();
    int64_t now = 5, wait = 0;
    wecom_chat_heard(chat, "CB1", now);
    wecom_stream_opened(chat, "st_1", 7, strdup("a"), now);
    wecom_stream_over(chat, now + MINUTE); /* something was said of the run: the next stands below it … */
    assert_int_equal(wecom_progress_step(chat, 7, NULL, 0, now + MINUTE, &wait), WECOM_STEP_OPEN);
    assert_int_equal(wecom_progress_step(chat, 7, NULL, 0, now + 5 * MINUTE, &wait),
                     WECOM_STEP_WAIT); /* … for five minutes */
    /* A day after the message nothing can be answered any more. */
    wecom_chat_heard(chat, "CB2", now);
    assert_string_equal(wecom_chat_answers(chat, now + 86399999), "CB2");
    assert_null(wecom_chat_answers(chat, now + 86400000));
    assert_int_equal(wecom_progress_step(chat, 8, NULL, 0, now + 86400000, &wait), WECOM_STEP_PUSH);
    /* After a lost acknowledgement answers are pushed, until the next message. */
    chat->unsure = true;
    assert_null(wecom_chat_answers(chat, now + 1));
    wecom_chat_heard(chat, "CB3", now + 2);
    assert_string_equal(wecom_chat_answers(chat, now + 2), "CB3");
}

static void test_limits(void **state) {
    (void)state;
    struct wecom_chat *chat = fresh();
    static int64_t sent[20000];
    size_t count = 0;
    for (int64_t now = 1; now < 3 * 3600000LL; now += 250) { /* three hours of sending whatever may go */
        if (wecom_chat_wait(chat, now) > 0) continue;
        wecom_chat_count(chat, now);
        sent[count++] = now;
    }
    assert_true(count > 1900);
    for (size_t i = 0; i + 1 < count; i++) {
        size_t minute = 0, hour = 0;
        for (size_t j = i; j < count && sent[j] < sent[i] + 3600000; j++) {
            hour++;
            minute += sent[j] < sent[i] + MINUTE;
        }
        assert_true(minute <= 30);
        assert_true(hour <= 1000);
    }
    chat = fresh();
    wecom_chat_hold(chat, 1000);
    assert_true(wecom_chat_wait(chat, 1000) >= 60000);
    assert_false(wecom_chat_may_offer(chat, 1000));
    assert_int_equal(wecom_chat_wait(chat, 1000 + 61000), 0);
}

static void test_many_chats(void **state) {
    (void)state;
    struct wecom_chat *chat = fresh();
    char id[32];
    wecom_chat_heard(chat, "CB", 1);
    wecom_stream_opened(chat, "st", 1, strdup("x"), 1);
    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "stranger%d", i);
        assert_non_null(wecom_chat_get(&chats, id));
        assert_true(chats.count <= WECOM_CHATS_MAX);
    }
    assert_non_null(wecom_chat_find(&chats, "zhangsan")); /* its stream must be finished */
    assert_null(wecom_chat_find(&chats, "stranger0"));
    assert_non_null(wecom_chat_find(&chats, "stranger4999"));
    assert_null(wecom_chat_find(&chats, "ZhangSan"));
}

/* ---- frames ---- */

struct fate {
    int calls;
    enum wecom_fate fate;
    int64_t errcode;
    struct wecom_frames *add_to; /* one more from inside */
};

static void note(void *user, enum wecom_fate fate, const struct wecom_frame *ack) {
    struct fate *result = user;
    result->calls++;
    result->fate = fate;
    result->errcode = ack ? ack->errcode : -7;
    if (result->add_to) {
        static struct fate ignored;
        struct wecom_out out = {
            .req_id = "again", .text = strdup("again"), .wants_ack = true, .done = note, .user = &ignored};
        assert_int_equal(wecom_frames_add(result->add_to, &out), TB_OK);
    }
}

static void add(struct wecom_frames *frames, const char *req_id, const char *text, const char *stream,
                struct fate *fate) {
    struct wecom_out out = {.req_id = req_id,
                            .text = strdup(text),
                            .stream = stream,
                            .wants_ack = fate != NULL,
                            .done = note,
                            .user = fate};
    assert_int_equal(wecom_frames_add(frames, &out), TB_OK);
}

static void expect_next(struct wecom_frames *frames, int64_t now, const char *wanted) {
    size_t size = 0;
    assert_int_equal(wecom_frames_ready(frames), wanted != NULL);
    char *text = wecom_frames_next(frames, now, 5000, &size);
    if (!wanted) {
        assert_null(text);
        return;
    }
    assert_non_null(text);
    assert_int_equal(size, strlen(wanted));
    assert_memory_equal(text, wanted, size);
    wecom_frames_free_text(text, size);
}

static void ack(struct wecom_frames *frames, const char *req_id, int64_t errcode, bool known) {
    struct wecom_frame frame = {.kind = WECOM_ACK, .req_id = req_id, .errcode = errcode};
    assert_int_equal(wecom_frames_ack(frames, &frame), known);
}

static void test_frames_order(void **state) {
    (void)state;
    struct wecom_frames *frames = wecom_frames_create();
    struct fate a = {0}, b = {0}, c = {0};
    add(frames, "CB1", "a", NULL, &a);
    add(frames, "CB1", "b", NULL, &b);
    add(frames, "p1", "c", NULL, &c);
    expect_next(frames, 0, "a");
    expect_next(frames, 0, "c"); /* another req_id overlaps */
    expect_next(frames, 0, NULL);
    ack(frames, "nobody", 0, false);
    ack(frames, "p1", 93006, true);
    assert_int_equal(c.errcode, 93006);
    expect_next(frames, 0, NULL);
    ack(frames, "CB1", 0, true);
    assert_int_equal(a.calls, 1);
    assert_int_equal(b.calls, 0);
    expect_next(frames, 10, "b");
    assert_true(wecom_frames_expire(frames, 5009) == 5010);
    assert_int_equal(b.calls, 0);
    assert_true(wecom_frames_expire(frames, 5010) == INT64_MAX);
    assert_int_equal(b.fate, WECOM_UNANSWERED);
    ack(frames, "CB1", 0, false); /* too late */
    assert_int_equal(b.calls, 1);
    assert_int_equal(wecom_frames_count(frames), 0);
    wecom_frames_free(frames);
}

static void test_frames_streams(void **state) {
    (void)state;
    struct wecom_frames *frames = wecom_frames_create();
    struct fate one = {0}, two = {0}, three = {0}, end = {0};
    add(frames, "CB1", "one", "st", &one);
    expect_next(frames, 0, "one");
    add(frames, "CB1", "two", "st", &two);
    add(frames, "CB1", "three", "st", &three); /* two waits: it is stale now; one is on its way and stays */
    assert_int_equal(two.calls, 1);
    assert_int_equal(two.fate, WECOM_STALE);
    assert_int_equal(one.calls, 0);
    add(frames, "CB1", "end", NULL, &end);
    add(frames, "CB1", "other", "st_2", NULL);
    ack(frames, "CB1", 0, true);
    expect_next(frames, 0, "three");
    ack(frames, "CB1", 0, true);
    expect_next(frames, 0, "end");
    ack(frames, "CB1", 0, true);
    assert_int_equal(end.fate, WECOM_ACKED);
    expect_next(frames, 0, "other"); /* wants no acknowledgement: done with */
    assert_int_equal(wecom_frames_count(frames), 0);
    wecom_frames_free(frames);
}

static void test_frames_end(void **state) {
    (void)state;
    struct wecom_frames *frames = wecom_frames_create();
    struct fate sent = {0}, waiting = {.add_to = frames}, left = {0};
    add(frames, "a", "sent", NULL, &sent);
    add(frames, "b", "waiting", NULL, &waiting);
    expect_next(frames, 0, "sent");
    wecom_frames_fail(frames);
    assert_int_equal(sent.fate, WECOM_UNANSWERED);
    assert_int_equal(waiting.fate, WECOM_UNSENT);
    assert_int_equal(wecom_frames_count(frames), 1); /* what was added meanwhile stays */
    expect_next(frames, 0, "again");
    add(frames, "c", "left", NULL, &left);
    wecom_frames_free(frames);
    assert_int_equal(left.calls, 0);
}

static void test_frames_bounds(void **state) {
    (void)state;
    struct wecom_frames *frames = wecom_frames_create();
    char *big = malloc(1000001), *small = strdup("small");
    memset(big, 'x', 1000000);
    big[1000000] = 0;
    add(frames, "big", big, NULL, NULL);
    add(frames, "s", small, NULL, NULL);
    expect_next(frames, 0, "small"); /* nothing short waits behind a picture */
    expect_next(frames, 0, big);
    int taken = 0;
    for (;; taken++) {
        struct wecom_out out = {.req_id = "r", .text = strdup(big)};
        if (wecom_frames_add(frames, &out) == TB_EBUSY) break;
    }
    assert_int_equal(taken, WECOM_FRAMES_BYTES / 1000000);
    wecom_frames_free(frames);
    frames = wecom_frames_create();
    for (int i = 0; i < WECOM_FRAMES_MAX; i++)
        add(frames, "r", "x", NULL, NULL);
    struct wecom_out out = {.req_id = "r", .text = strdup("x")};
    assert_int_equal(wecom_frames_add(frames, &out), TB_EBUSY);
    wecom_frames_free(frames);
    free(big);
    free(small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_stream_life, teardown),
        cmocka_unit_test_teardown(test_stream_again, teardown),
        cmocka_unit_test_teardown(test_limits, teardown),
        cmocka_unit_test_teardown(test_many_chats, teardown),
        cmocka_unit_test(test_frames_order),
        cmocka_unit_test(test_frames_streams),
        cmocka_unit_test(test_frames_end),
        cmocka_unit_test(test_frames_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
