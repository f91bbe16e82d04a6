#include "scene.h"

char scene_dir[64];
struct weixin *weixin;
static bool closed;

static void on_closed(void *user) {
    *(bool *)user = true;
}

static void start(void) {
    const struct weixin_options options = {.loop = &fake_loop,
                                           .state_dir = scene_dir,
                                           .base_url = "https://ilinkai.weixin.qq.com",
                                           .cdn_base_url = "https://novac2c.cdn.weixin.qq.com/c2c",
                                           .client_version = "2.4.9",
                                           .budget = 10,
                                           .reserve = 3};
    struct channel *channel = NULL;
    char why[300] = "";
    assert_int_equal(weixin_create(&options, &channel), TB_OK);
    weixin = (struct weixin *)channel;
    channel->bot = &core.bot;
    if (channel->ops->start(channel, why, sizeof why) < 0) fail_msg("%s", why);
}

/* msg/notifystop is answered, or there was nobody to tell. */
static void stop(void) {
    closed = false;
    weixin->channel.ops->stop(&weixin->channel, on_closed, &closed);
    struct http_call *call = fake_open("notifystop");
    if (call) fake_answer(call, 200, "{\"ret\":0}");
    fake_until(&closed, "the channel's end");
    weixin = NULL;
}

void scene_save(const char *bot, const char *token) {
    static int64_t saved_ms;
    struct weixin_account account = {.saved_ms = ++saved_ms};
    char why[300];
    assert_int_equal(secret_set(&account.token, token, strlen(token)), TB_OK);
    snprintf(account.bot_id, sizeof account.bot_id, "%s", bot);
    snprintf(account.user_id, sizeof account.user_id, PERSON);
    assert_int_equal(weixin_account_save(scene_dir, &account, why, sizeof why), TB_OK);
    weixin_account_clear(&account);
}

int scene_begin(void **state) {
    (void)state;
    snprintf(scene_dir, sizeof scene_dir, "/tmp/test-weixin-XXXXXX");
    if (!mkdtemp(scene_dir)) return -1;
    uv_loop_init(&fake_loop);
    fake_core_begin();
    fake_started = 0;
    start();
    return 0;
}

int scene_bound(void **state) {
    int status = scene_begin(state);
    if (status < 0) return status;
    scene_save(BOT, "SECRETTOKEN");
    fake_answer(fake_wait("notifystart"), 200, "{\"ret\":0}");
    fake_wait("getupdates");
    return 0;
}

int scene_end(void **state) {
    char command[200];
    (void)state;
    assert_null(strstr(core.log, "SECRET"));
    stop();
    uv_run(&fake_loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fake_loop), 0);
    assert_int_equal(fake_open_count(), 0);
    fake_core_end();
    snprintf(command, sizeof command, "rm -rf %s", scene_dir);
    return system(command);
}

void scene_restart(void) {
    stop();
    start();
}

void scene_poll(const char *body) {
    fake_answer(fake_wait("getupdates"), 200, body);
}

void scene_say(const char *id, const char *text) {
    char body[1000];
    snprintf(
        body, sizeof body,
        "{\"ret\":0,\"msgs\":[{\"message_id\":%s,\"from_user_id\":\"" PERSON
        "\",\"create_time_ms\":%lld,\"message_type\":1,\"item_list\":[{\"type\":1,\"text_item\":{\"text\":\"%s\"}}]"
        ",\"context_token\":\"CTX%s\"}],\"get_updates_buf\":\"cursor-%s\"}",
        id, (long long)core.now_ms, text, id, id);
    scene_poll(body);
}

void scene_send(int64_t message, const char *text, const char *image) {
    char key[32];
    snprintf(key, sizeof key, "tb-%lld", (long long)message);
    const struct outgoing outgoing = {.message = message,
                                      .chat = PERSON,
                                      .text = text,
                                      .image_path = image,
                                      .image_mime = image ? "image/png" : NULL,
                                      .key = key,
                                      .created_ms = 1790000000000 + message};
    weixin->channel.ops->send(&weixin->channel, &outgoing);
}
