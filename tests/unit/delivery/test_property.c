/*
 * A random schedule of people, alerts, answers, progress, outcomes, channel states and kills, over thousands of steps,
 * against what must hold whatever happens:
 *   no alert and no answer is lost; none is told twice but after an uncertain outcome or a kill while it was under way;
 *   answers and alerts of a conversation that did not move arrive in order; never more sends than the budget after a
 *   person's message; progress never touches the reserve.
 */
#include "outbox_state.h"
#include "person.h"
#include "stage.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define STEPS 6000
#define ITEMS 8000
#define BUDGET 10
#define RESERVE 3
#define HOUR 3600000LL

static struct identity identities[] = {{"talk", "boss"}, {"side", "s1"}};
static struct person_settings person = {"wei", identities, 2};

enum kind { ALERT, REPLY };
static struct item {
    enum kind kind;
    int delivered;    /* by the service's own account */
    int may_be_twice; /* uncertain outcomes and kills while it was under way */
} items[ITEMS];

static struct world {
    struct stage *stage;
    uint64_t random;
    int count, newest; /* items; the newest that arrived in order */
    int sends_since, sends, merged, kills;
    int64_t heard_ms;
    bool calm;        /* the end: everything succeeds */
    bool store_fails; /* now and then, in place of kills */
    bool may_move;    /* alerts find another conversation */
    int outcomes[8];
} world;

static unsigned roll(unsigned limit) {
    world.random ^= world.random << 13;
    world.random ^= world.random >> 7;
    world.random ^= world.random << 17;
    return (unsigned)(world.random % limit);
}

/* "[17]" for each item that a text holds. */
static int next_item(const char **at) {
    const char *open = strchr(*at, '[');
    if (!open) return -1;
    *at = open + 1;
    return atoi(open + 1);
}

static void each(const char *text, void (*act)(int item)) {
    for (int item; (item = next_item(&text)) >= 0;)
        act(item);
}

static void arrived(int item) {
    assert_in_range(item, 0, world.count - 1);
    items[item].delivered++;
}
static void doubtful(int item) {
    items[item].may_be_twice++;
}

static bool is_progress(const struct outgoing *message) {
    return message->message_class == MESSAGE_PROGRESS;
}

/* In order, where nothing made it come again. What has no row passes the rows that wait in the store alone. */
static void check_order(const char *text) {
    if (world.store_fails) return;
    for (int item; (item = next_item(&text)) >= 0;) {
        if (items[item].may_be_twice || (world.may_move && items[item].kind == ALERT)) continue;
        assert_true(item > world.newest);
        world.newest = item;
    }
}

static enum sent_status pick_outcome(const struct outgoing *message) {
    unsigned n = world.calm ? 0 : roll(100);
    if (n < 60) return SENT_OK;
    if (n < 75) return SENT_RETRY;
    if (n < 85) return SENT_UNCERTAIN;
    if (n < 90) return SENT_CLOSED;
    return message->image_path ? SENT_NO_IMAGE : SENT_OK;
}

/* What a service has taken and not answered yet. */
static struct taken {
    struct stage_chat *chat; /* NULL: nothing */
    struct outgoing message;
    char text[8192];
} taken[2];

static bool is_talk(const struct taken *one) {
    return one == &taken[0];
}

static enum sent_status take(struct stage_chat *chat, const struct outgoing *message) {
    struct taken *one = &taken[chat == &world.stage->talk ? 0 : 1];
    assert_null(one->chat); /* one at a time */
    if (is_talk(one) && world.stage->wall_ms - world.heard_ms >= 24 * HOUR) fail_msg("a send out of the window");
    one->chat = chat;
    one->message = *message;
    snprintf(one->text, sizeof one->text, "%s", message->text);
    return SENT_OK;
}

/* What left, as the service sees it: the sends are counted when they reach the wire. */
static void count_send(const struct outgoing *message, enum sent_status status) {
    if (status == SENT_RETRY || status == SENT_NO_IMAGE || status == SENT_CLOSED) return;
    world.sends++;
    if (++world.sends_since > BUDGET) fail_msg("%d sends after one message", world.sends_since);
    if (is_progress(message) && world.sends_since > BUDGET - RESERVE) fail_msg("progress touched the reserve");
}

static void answer_one(struct stage *s, struct taken *one) {
    struct stage_chat *chat = one->chat;
    if (!chat) return;
    enum sent_status status = pick_outcome(&one->message);
    char text[sizeof one->text];
    memcpy(text, one->text, sizeof text);
    world.outcomes[status]++;
    if (is_talk(one)) count_send(&one->message, status);
    if (status == SENT_OK) {
        if (is_talk(one)) check_order(text);
        each(text, arrived);
    }
    if (status == SENT_UNCERTAIN) {
        if (roll(2)) each(text, arrived);
        each(text, doubtful);
    }
    world.merged += strstr(text, "\n\n") != NULL;
    chat->service_down = !world.calm && roll(4) == 0;
    one->chat = NULL;
    stage_chat_done(s, chat, one->message.message, status, "id");
}

static void answer(struct stage *s) {
    answer_one(s, &taken[0]);
    answer_one(s, &taken[1]);
}

static void kill_bot(struct stage *s) {
    for (int i = 0; i < 2; i++) { /* whether it had left nobody knows */
        if (!taken[i].chat) continue;
        if (i == 0) count_send(&taken[i].message, SENT_UNCERTAIN);
        if (roll(2)) each(taken[i].text, arrived);
        each(taken[i].text, doubtful);
        taken[i].chat = NULL;
    }
    world.kills++;
    stage_restart(s);
}

static void add_item(struct stage *s, enum kind kind) {
    char text[64];
    if (world.count == ITEMS) return;
    int item = world.count++;
    items[item] = (struct item){.kind = kind};
    snprintf(text, sizeof text, "%s [%d] %.*s", kind == ALERT ? "alert" : "reply", item, (int)roll(20),
             "words and more words");
    struct outbox_message message = {.channel = "talk",
                                     .chat = "boss",
                                     .class = kind == ALERT ? MESSAGE_ALERT : MESSAGE_REPLY,
                                     .text = text,
                                     .image = kind == REPLY && roll(8) == 0 ? 1 : 0,
                                     .key = ""};
    assert_int_equal(outbox_add(s->bot, &message, NULL), TB_OK);
    stage_turn(s); /* said in a turn that was committed: from here on it may not be lost */
}

static void add_progress(struct stage *s) {
    char text[64];
    snprintf(text, sizeof text, "figures at %lld", (long long)s->wall_ms);
    struct outbox_message message = {
        .channel = "talk", .chat = "boss", .class = MESSAGE_PROGRESS, .text = text, .key = "progress:9", .run = 9};
    assert_int_equal(outbox_add(s->bot, &message, NULL), TB_OK);
}

static void hear(struct stage *s) {
    world.heard_ms = s->wall_ms;
    world.sends_since = 0;
    outbox_heard(s->bot, "talk", "boss", 0);
    stage_turn(s);
}

static void change_state(struct stage *s) {
    struct stage_chat *chat = roll(2) ? &s->talk : &s->side;
    channel_set_state(&chat->channel, roll(3) ? CHANNEL_UP : CHANNEL_DOWN, "state");
}

static void step(struct stage *s) {
    unsigned n = roll(100);
    if (n < 18)
        add_item(s, ALERT);
    else if (n < 28)
        add_item(s, REPLY);
    else if (n < 45)
        add_progress(s);
    else if (n < 50)
        hear(s);
    else if (n < 54)
        change_state(s);
    else if (n < 57 && world.store_fails)
        stage_commit_fails = 1 + (int)roll(3);
    else if (n < 57)
        kill_bot(s);
    else if (n < 85)
        answer(s);
    else
        stage_pass_at_once(s, roll(50) == 0 ? (int64_t)roll(30) * HOUR : roll(5000));
    stage_turn(s);
}

static void settle(struct stage *s) {
    world.calm = true;
    channel_set_state(&s->talk.channel, CHANNEL_UP, NULL);
    channel_set_state(&s->side.channel, CHANNEL_UP, NULL);
    for (int i = 0; i < 4000; i++) {
        if (i % 20 == 0) hear(s);
        answer(s);
        stage_pass_at_once(s, 2000);
    }
}

static void run_schedule(struct stage *s, uint64_t seed, bool may_move, bool store_fails) {
    memset(items, 0, sizeof items);
    memset(taken, 0, sizeof taken);
    world = (struct world){.stage = s,
                           .random = seed,
                           .heard_ms = s->wall_ms,
                           .newest = -1,
                           .may_move = may_move,
                           .store_fails = store_fails};
    int64_t image = 0;
    struct image_record record = {.title = "cats", .mime = "image/png", .path = "a.png", .t_ms = s->wall_ms};
    assert_int_equal(store_image_add(s->store, &record, &image), TB_OK);
    assert_int_equal(image, 1);
    hear(s);
    for (int i = 0; i < STEPS; i++)
        step(s);
    settle(s);
    int lost = 0, twice = 0, again = 0;
    for (int i = 0; i < world.count; i++) {
        lost += items[i].delivered == 0;
        twice += items[i].delivered > 1 + items[i].may_be_twice;
        again += items[i].delivered > 1;
    }
    print_message(
        "seed %llu: %d answers and alerts, %d sends on the counted service, %d shared, %d kills; outcomes ok %d "
        "retry %d uncertain %d closed %d no image %d; lost %d, twice without cause %d, told again after doubt %d\n",
        (unsigned long long)seed, world.count, world.sends, world.merged, world.kills, world.outcomes[SENT_OK],
        world.outcomes[SENT_RETRY], world.outcomes[SENT_UNCERTAIN], world.outcomes[SENT_CLOSED],
        world.outcomes[SENT_NO_IMAGE], lost, twice, again);
    assert_int_equal(lost, 0);
    assert_int_equal(twice, 0);
    assert_int_equal(outbox_count(s->bot, NULL).queued, 0);
    assert_true(world.merged > 20 && (world.store_fails || world.kills > 50) && world.sends > 200);
}

static void schedule(struct stage *s, uint64_t seed, bool may_move, bool store_fails) {
    s->settings.persons = &person;
    s->settings.persons_count = may_move ? 1 : 0;
    s->with_side = true;
    s->talk.channel.traits = (struct channel_traits){
        .image = true, .budget = BUDGET, .reserve = RESERVE, .window_ms = 24 * HOUR, .text_max_units = 200};
    s->talk.decide = s->side.decide = take;
    s->talk.later = s->side.later = true;
    memset(taken, 0, sizeof taken);
    world.stage = s;
    stage_restart(s);
    run_schedule(s, seed, may_move, store_fails);
}

static void test_one_conversation(void **state) {
    schedule(*state, 88172645463325252ULL, false, false);
}
static void test_two_conversations(void **state) {
    schedule(*state, 2463534242ULL, true, false);
}
static void test_store_fails(void **state) {
    schedule(*state, 362436069ULL, true, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_conversation, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_two_conversations, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_store_fails, stage_setup, stage_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
