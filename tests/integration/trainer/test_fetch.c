/* test_fetch.c: a collection from mirrors that break off, know no ranges, send something else or nothing. Whatever
 * happens, what stands under a file's name is the published file. */
#include "fetch.h"
#include "mirror.h"
#include "number.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { BIG = 400000, SMALL = 3000 };

struct stage {
    uint8_t big[BIG], small[SMALL];
    char sums[2][65], folder[64], error[APP_ERROR_SIZE], *told;
    size_t told_size;
    struct mirror_file files[MIRROR_FILES_MAX];
    struct collection collection;
    struct mirror mirror;
};

static void sum_hex(const uint8_t *bytes, size_t size, char text[65]) {
    uint8_t digest[32];
    SHA256(bytes, size, digest);
    for (int i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

static int up(void **state) {
    struct stage *s = calloc(1, sizeof *s);
    unsigned x = 3;
    for (int i = 0; i < BIG; i++)
        s->big[i] = (uint8_t)((x = x * 1103515245u + 12345u) >> 16);
    memcpy(s->small, s->big + 1000, SMALL);
    sum_hex(s->big, BIG, s->sums[0]);
    sum_hex(s->small, SMALL, s->sums[1]);
    s->files[0] = (struct mirror_file){"big.gz", s->big, BIG};
    s->files[1] = (struct mirror_file){"small.gz", s->small, SMALL};
    s->collection =
        (struct collection){.name = "things", .files = {{"big.gz", BIG, s->sums[0]}, {"small.gz", SMALL, s->sums[1]}}};
    snprintf(s->folder, sizeof s->folder, "%s/fetch-XXXXXX", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    if (mkdtemp(s->folder) == NULL) return -1;
    mirror_start(&s->mirror, s->files);
    *state = s;
    return 0;
}

static const char *path(const struct stage *s, const char *name) {
    static char texts[4][160];
    static int at;
    char *text = texts[at++ % 4];
    snprintf(text, sizeof texts[0], "%s/data/%s", s->folder, name);
    return text;
}

static int down(void **state) {
    struct stage *s = *state;
    mirror_stop(&s->mirror);
    static const char *const names[] = {"big.gz", "big.gz.part", "small.gz", "small.gz.part", "."};
    for (size_t i = 0; i < 4; i++)
        unlink(path(s, names[i]));
    rmdir(path(s, "."));
    char data[128];
    snprintf(data, sizeof data, "%s/data", s->folder);
    rmdir(data);
    int rc = rmdir(s->folder); /* nothing else was left behind */
    free(s->told);
    free(s);
    return rc;
}

/* Fetches from one or two ways of the mirror. */
static int fetch(struct stage *s, const char *way, const char *second) {
    char folder[128];
    const char *mirrors[2] = {mirror_url(&s->mirror, way), second != NULL ? mirror_url(&s->mirror, second) : NULL};
    free(s->told);
    s->told = NULL;
    FILE *out = open_memstream(&s->told, &s->told_size);
    snprintf(folder, sizeof folder, "%s/data", s->folder);
    const struct fetch order = {.collection = &s->collection,
                                .folder = folder,
                                .mirrors = mirrors,
                                .mirrors_count = second != NULL ? 2 : 1,
                                .out = out};
    *s->error = '\0';
    atomic_store(&s->mirror.requests, 0);
    atomic_store(&s->mirror.sent, 0);
    int rc = fetch_run(&order, s->error);
    fclose(out);
    return rc;
}

static int64_t size_of(const struct stage *s, const char *name) {
    struct stat info;
    return stat(path(s, name), &info) == 0 ? info.st_size : -1;
}

static void file_is(const struct stage *s, const char *name, const uint8_t *bytes, size_t size) {
    static uint8_t got[BIG + 1];
    FILE *file = fopen(path(s, name), "rb");
    assert_non_null(file);
    assert_int_equal(fread(got, 1, sizeof got, file), size);
    fclose(file);
    assert_memory_equal(got, bytes, size);
}

static void all_right(const struct stage *s) {
    file_is(s, "big.gz", s->big, BIG);
    file_is(s, "small.gz", s->small, SMALL);
    assert_int_equal(size_of(s, "big.gz.part"), -1);
    assert_int_equal(size_of(s, "small.gz.part"), -1);
}

static void part_write(const struct stage *s, const void *bytes, size_t size) {
    mkdir(path(s, "."), 0755);
    char data[128];
    snprintf(data, sizeof data, "%s/data", s->folder);
    mkdir(data, 0755);
    FILE *file = fopen(path(s, "big.gz.part"), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void whole(void **state) {
    struct stage *s = *state;
    assert_int_equal(fetch(s, "good", NULL), 0);
    all_right(s);
    assert_int_equal(s->mirror.requests, 2);
    assert_int_equal(fetch(s, "good", NULL), 0); /* there already: nobody is asked */
    assert_int_equal(s->mirror.requests, 0);
    assert_non_null(strstr(s->told, "is there already, and right"));
}

/* A file of that name that is not the published one is replaced, and said. */
static void replaced(void **state) {
    struct stage *s = *state;
    part_write(s, "nonsense", 8);
    assert_int_equal(rename(path(s, "big.gz.part"), path(s, "big.gz")), 0);
    assert_int_equal(fetch(s, "good", NULL), 0);
    assert_non_null(strstr(s->told, "is not the published file"));
    all_right(s);
}

static void cut_goes_on(void **state) {
    struct stage *s = *state;
    atomic_store(&s->mirror.cuts, 2);
    assert_int_equal(fetch(s, "cut", NULL), 0);
    all_right(s);
    assert_int_equal(s->mirror.requests, 4);
    assert_int_equal(s->mirror.sent, BIG + SMALL); /* no byte came twice */
}

/* The mirror gives up for good; the next command, or the next mirror, goes on with what has come. */
static void cut_for_good(void **state) {
    struct stage *s = *state;
    atomic_store(&s->mirror.cuts, 1000);
    assert_int_equal(fetch(s, "cut", NULL), -1);
    int64_t come = size_of(s, "big.gz.part");
    assert_true(come > BIG / 2 && come < BIG);
    assert_int_equal(size_of(s, "big.gz"), -1);
    assert_non_null(strstr(s->error, "cannot fetch big.gz"));
    assert_int_equal(fetch(s, "missing", "good"), 0);
    assert_int_equal(s->mirror.sent, BIG - come + SMALL);
    assert_non_null(strstr(s->told, "going on after"));
    all_right(s);
}

static void no_ranges(void **state) {
    struct stage *s = *state;
    atomic_store(&s->mirror.cuts, 1);
    assert_int_equal(fetch(s, "cut-plain", NULL), 0);
    all_right(s);
    assert_int_equal(s->mirror.sent, BIG / 2 + BIG + SMALL);
}

static void second_mirror(void **state) {
    static const char *const first[] = {"missing", "wrong", "long", "mute", "moved"};
    struct stage *s = *state;
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        assert_int_equal(fetch(s, first[i], "good"), 0);
        all_right(s);
        assert_non_null(strstr(s->told, "trying the next"));
        unlink(path(s, "big.gz"));
        unlink(path(s, "small.gz"));
    }
}

/* Nothing is left of what is wrong, and both mirrors' answers are told. */
static void wrong_everywhere(void **state) {
    struct stage *s = *state;
    assert_int_equal(fetch(s, "wrong", "missing"), -1);
    assert_non_null(strstr(s->error, "SHA-256"));
    assert_non_null(strstr(s->error, "removed"));
    assert_non_null(strstr(s->error, "404"));
    assert_null(strchr(s->error, '\n'));
    assert_int_equal(size_of(s, "big.gz"), -1);
    assert_int_equal(size_of(s, "big.gz.part"), -1);
}

/* What is left of another file must not spoil the download: other bytes, too many, or a part the server cannot place.
 */
static void foreign_part(void **state) {
    static const char *const ways[] = {"good", "shifted"};
    struct stage *s = *state;
    for (size_t i = 0; i < 2; i++)
        for (int size = 1000; size <= BIG; size += BIG - 1000) {
            static const uint8_t zeros[BIG];
            part_write(s, zeros, (size_t)size);
            assert_int_equal(fetch(s, ways[i], NULL), 0);
            all_right(s);
            unlink(path(s, "big.gz"));
        }
    part_write(s, s->big, BIG); /* whole and right already: only its name was missing */
    assert_int_equal(fetch(s, "good", NULL), 0);
    assert_int_equal(s->mirror.requests, 0);
    all_right(s);
}

static void disk_full(void **state) {
    struct stage *s = *state;
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = fetch(s, "good", "good");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, -1);
    assert_non_null(strstr(s->error, "cannot write"));
    assert_non_null(strstr(s->error, "big.gz.part"));
    assert_int_equal(s->mirror.requests, 1); /* another mirror would help nothing */
    assert_int_equal(size_of(s, "big.gz.part"), 100000);
    assert_int_equal(fetch(s, "good", NULL), 0);
    all_right(s);
}

static void nobody_there(void **state) {
    struct stage *s = *state;
    int port = s->mirror.port;
    s->mirror.port = 1; /* nothing listens there */
    assert_int_equal(fetch(s, "good", NULL), -1);
    s->mirror.port = port;
    assert_non_null(strstr(s->error, "onnect"));
    assert_int_equal(size_of(s, "big.gz.part"), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void) {
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(whole),         TEST(replaced),         TEST(cut_goes_on),  TEST(cut_for_good), TEST(no_ranges),
        TEST(second_mirror), TEST(wrong_everywhere), TEST(foreign_part), TEST(disk_full),    TEST(nobody_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
