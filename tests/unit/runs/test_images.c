/* Pictures in chunks: over restarts, damaged, refused; none of them holds up the rows behind it. */
#include "stage.h"
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define A "0123456789abcdef0123456789abcdef"
#define SIZE 100000

static uint8_t picture[SIZE];
static char picture_hash[65];

static int make_picture(void **state) {
    unsigned char digest[32];
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        picture[i] = (uint8_t)(i * i >> 3);
    if (!EVP_Digest(picture, SIZE, digest, NULL, EVP_sha256(), NULL)) return -1;
    for (size_t i = 0; i < 32; i++)
        snprintf(picture_hash + 2 * i, 3, "%02x", digest[i]);
    return 0;
}

static void begin(struct stage *s, struct stage_peer *peer, const char *id, const char *hash) {
    stage_frame(
        s, peer,
        "\"type\":\"image\",\"id\":\"%s\",\"title\":\"a title\",\"mime\":\"image/png\",\"size\":%d,\"sha256\":\"%s\"",
        id, SIZE, hash);
}

static void chunk_from(struct stage *s, struct stage_peer *peer, const char *id, size_t offset, const uint8_t *bytes) {
    char text[WIRE_CHUNK_MAX * 2];
    size_t size = SIZE - offset < WIRE_CHUNK_MAX ? SIZE - offset : WIRE_CHUNK_MAX;
    EVP_EncodeBlock((unsigned char *)text, bytes + offset, (int)size);
    stage_frame(s, peer, "\"type\":\"chunk\",\"id\":\"%s\",\"offset\":%zu,\"data\":\"%s\"", id, offset, text);
}

static void chunk(struct stage *s, struct stage_peer *peer, const char *id, size_t offset) {
    chunk_from(s, peer, id, offset, picture);
}

static bool see_image(void *user, const struct image_record *image) {
    snprintf(user, 300, "%s", image->path);
    return false;
}

/* The file of image number `id` holds the picture. */
static void assert_kept(struct stage *s, int64_t id) {
    static uint8_t bytes[SIZE + 1];
    char path[300] = "", full[512];
    assert_int_equal(store_image(s->store, id, see_image, path), TB_OK);
    snprintf(full, sizeof full, "%s/%s", s->dir, path);
    FILE *file = fopen(full, "rbe");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof bytes, file), SIZE);
    fclose(file);
    assert_memory_equal(bytes, picture, SIZE);
}

static void test_whole(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    begin(s, peer, "p", picture_hash);
    for (size_t at = 0; at < SIZE; at += WIRE_CHUNK_MAX)
        chunk(s, peer, "p", at);
    stage_turn(s);
    assert_kept(s, 1);
    assert_int_equal(stage_told(&s->talk, "a title"), 1);
}

static void test_same_id_again(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    for (int i = 0; i < 2; i++) {
        begin(s, peer, "p", picture_hash);
        for (size_t at = 0; at < SIZE; at += WIRE_CHUNK_MAX)
            chunk(s, peer, "p", at);
        stage_turn(s);
    }
    assert_kept(s, 1); /* the first one's message shows what it showed */
    assert_kept(s, 2);
    assert_int_equal(stage_told(&s->talk, "a title"), 2);
}

static void test_restart_in_the_middle(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    begin(s, peer, "p", picture_hash);
    chunk(s, peer, "p", 0);
    stage_turn(s);
    stage_restart(s);
    peer = stage_hello(s, 0, A, NULL);
    chunk(s, peer, "p", WIRE_CHUNK_MAX);
    stage_turn(s);
    chunk(s, peer, "p", 2 * WIRE_CHUNK_MAX); /* all is there, and the turn is lost */
    uint64_t seq = peer->seq;
    stage_restart(s);
    peer = stage_hello(s, 0, A, NULL);
    assert_int_equal(stage_acked(peer), seq - 1);
    peer->seq = seq - 1;
    chunk(s, peer, "p", 2 * WIRE_CHUNK_MAX);
    stage_turn(s);
    assert_kept(s, 1);
    assert_int_equal(stage_told(&s->talk, "a title"), 1);
}

static void test_damaged(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    uint8_t *other = malloc(SIZE);
    assert_non_null(other);
    memcpy(other, picture, SIZE);
    other[5] ^= 1;
    begin(s, peer, "p", picture_hash);
    chunk_from(s, peer, "p", 0, other);
    for (size_t at = WIRE_CHUNK_MAX; at < SIZE; at += WIRE_CHUNK_MAX)
        chunk(s, peer, "p", at);
    free(other);
    stage_step(s, peer, 1, "\"loss\":1");
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "a title"), 0);
    assert_int_equal(stage_events(s, 1, "note"), 1);
    assert_int_equal(stage_rows(s, 1), 1);
    assert_int_equal(store_image(s->store, 1, see_image, (char[300]){0}), TB_ENOTFOUND);
}

static void test_refused(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    begin(s, peer, "../../../etc/passwd", picture_hash);
    stage_frame(s, peer,
                "\"type\":\"image\",\"id\":\"p\",\"title\":\"t\",\"mime\":\"text/html\",\"size\":10,\"sha256\":\"%s\"",
                picture_hash);
    chunk(s, peer, "p", 0);
    chunk(s, peer, "never-begun", 0);
    begin(s, peer, "q", picture_hash);
    stage_frame(s, peer, "\"type\":\"chunk\",\"id\":\"q\",\"offset\":99999,\"data\":\"AAAA\""); /* past its end */
    stage_step(s, peer, 1, "\"loss\":1");
    stage_turn(s);
    assert_false(peer->closing);
    assert_int_equal(stage_acked(peer), peer->seq);
    assert_int_equal(stage_events(s, 1, "note"), 2);
    assert_int_equal(stage_rows(s, 1), 1);
}

/* The folder cannot hold a picture: it is let go, and the rows behind it are kept. */
static void test_no_place(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    stage_turn(s);
    stage_write(s, "runs/1/images", "a file where a folder should be");
    begin(s, peer, "p", picture_hash);
    for (size_t at = 0; at < SIZE; at += WIRE_CHUNK_MAX)
        chunk(s, peer, "p", at);
    stage_step(s, peer, 1, "\"loss\":1");
    stage_turn(s);
    assert_false(peer->closing);
    assert_int_equal(stage_rows(s, 1), 1);
    assert_int_equal(stage_events(s, 1, "note"), 1);
}

static void test_of_an_answer(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    stage_step(s, peer, 1, "\"loss\":1");
    stage_turn(s);
    stage_say(s, "recognize 4");
    begin(s, peer, "p", picture_hash);
    for (size_t at = 0; at < SIZE; at += WIRE_CHUNK_MAX)
        chunk(s, peer, "p", at);
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "a title"), 0); /* the answer brings it */
    stage_frame(s, peer, "\"type\":\"result\",\"id\":\"%s\",\"text\":\"four cats\",\"images\":[\"p\",\"none\"]",
                stage_control(peer, "call"));
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "four cats"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_whole),   TEST(test_same_id_again), TEST(test_restart_in_the_middle), TEST(test_damaged),
        TEST(test_refused), TEST(test_no_place),      TEST(test_of_an_answer),
    };
    return cmocka_run_group_tests(tests, make_picture, NULL);
}
