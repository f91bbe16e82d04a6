/* A hundred thousand messages, half of them to twenty thousand strangers, on a service that counts: memory stays. */
#include "outbox_state.h"
#include "stage.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define BUDGET 10
#define RESERVE 3
#define HOUR 3600000LL
#define MESSAGES 100000
#define STRANGERS 20000

static enum sent_status takes_all(struct stage_chat *chat, const struct outgoing *message) {
    chat->count = 0; /* the stage keeps no more than this one */
    return message->message % 1000 == 0 ? SENT_CLOSED : SENT_OK;
}

static void some_messages(struct stage *s, int from, int to) {
    for (int i = from; i < to; i++) {
        char chat[32], text[64];
        bool stranger = i % 2;
        snprintf(chat, sizeof chat, stranger ? "stranger%d" : "boss", i % STRANGERS);
        snprintf(text, sizeof text, "message %d", i);
        outbox_heard(s->bot, "talk", chat, 0);
        struct outbox_message message = {
            .channel = "talk", .chat = chat, .class = MESSAGE_REPLY, .text = text, .key = ""};
        assert_int_equal(outbox_add(s->bot, &message, NULL), TB_OK);
        if (i % 50 == 0) stage_pass_at_once(s, 2000);
    }
    outbox_heard(s->bot, "talk", "boss", 0);
    stage_pass(s, 3000);
}

static void test_memory(void **state) {
    struct stage *s = *state;
    s->talk.decide = takes_all;
    s->talk.channel.traits = (struct channel_traits){
        .budget = BUDGET, .reserve = RESERVE, .window_ms = 24 * HOUR, .text_max_units = 1800, .min_gap_ms = 1000};
    stage_restart(s);
    some_messages(s, 0, 10000);
    size_t before = mallinfo2().uordblks, lines = s->bot->outbox->lines_count;
    some_messages(s, 10000, MESSAGES);
    size_t after = mallinfo2().uordblks;
    print_message("after 10,000 messages %zu KiB and %zu conversations in memory, after %d %zu KiB and %zu\n",
                  before >> 10, lines, MESSAGES, after >> 10, s->bot->outbox->lines_count);
    assert_in_range(s->bot->outbox->lines_count, 1, 1000);
    assert_true(after < before + (1u << 20));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_memory, stage_setup, stage_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
