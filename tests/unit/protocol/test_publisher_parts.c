/* The publisher's pure parts: the sender's pace, the ring, SHA-256, and the backlog between memory and file. */
#include "fixtures.h"
#include "publisher/backlog.h"
#include "publisher/pace.h"
#include "publisher/ring.h"
#include "publisher/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS INT64_C(1000000)

/* Runs the pace against rows at the given times; returns the mean delay, and the looks a row. */
static double run_pace(const int64_t *rows, size_t count, double *ret_looks) {
    struct pace pace = {0};
    int64_t now = 0;
    double delay = 0;
    size_t at = 0, looks = 0;
    while (at < count) {
        bool any = false;
        looks++;
        for (; at < count && rows[at] <= now; at++, any = true)
            delay += (double)(now - rows[at]);
        pace_look(&pace, now, any);
        int64_t sleep = pace_sleep(&pace, now);
        assert_true(sleep > 0 && sleep <= 1000 * MS);
        now += sleep;
    }
    *ret_looks = (double)looks / (double)count;
    return delay / (double)count / 1e6;
}

static void test_pace(void **state) {
    static int64_t rows[2000];
    double looks;
    (void)state;
    for (size_t i = 0; i < 2000; i++)
        rows[i] = (int64_t)(i + 1) * 10 * MS; /* 100 rows/s */
    double delay = run_pace(rows, 2000, &looks);
    if (delay > 1 || looks > 6) fail_msg("regular: %.2f ms, %.1f looks a row", delay, looks);
    for (size_t i = 0; i < 2000; i++)
        rows[i] = (int64_t)(i / 2 + 1) * 10 * MS + (int64_t)(i % 2) * 20000; /* pairs */
    delay = run_pace(rows, 2000, &looks);
    if (delay > 1 || looks > 6) fail_msg("pairs: %.2f ms, %.1f looks a row", delay, looks);
    uint64_t x = 88172645463325252u;
    int64_t now = 0;
    for (size_t i = 0; i < 2000; i++) { /* no rhythm at all */
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        rows[i] = now += (int64_t)(x % (uint64_t)(20 * MS));
    }
    delay = run_pace(rows, 2000, &looks);
    if (delay > 1.5) fail_msg("irregular: %.2f ms", delay);
    struct pace pace = {0};
    pace_look(&pace, 1, true);
    assert_int_equal(pace_sleep(&pace, 3600 * 1000 * MS), PACE_MAX_NS); /* silence costs 20 wake-ups a second */
}

static void test_ring(void **state) {
    struct ring ring;
    size_t put = 0, taken = 0;
    (void)state;
    assert_int_equal(ring_init(&ring), 0);
    for (int round = 0; round < 50; round++) { /* sizes that leave every kind of rest at the end */
        for (struct ring_row *row; (row = ring_reserve(&ring, put % 17)); put++) {
            row->kind = RING_METRICS;
            row->count = (uint16_t)(put % 17);
            row->step = (int64_t)put;
            for (size_t i = 0; i < put % 17; i++)
                row->values[i] = (struct tb_value){"v", (double)put};
            ring_publish(&ring, row);
        }
        size_t leave = (size_t)round * 3;
        for (const struct ring_row *row; put - taken > leave && (row = ring_peek(&ring, ring_published(&ring)));
             taken++) {
            assert_int_equal(row->step, taken);
            assert_int_equal(row->count, taken % 17);
            for (size_t i = 0; i < row->count; i++)
                assert_true(row->values[i].value == (double)taken);
            ring_pop(&ring, row);
        }
    }
    assert_true(put > 50 * 8000);
    ring_release(&ring);
}

static void test_sha256(void **state) {
    char hex[65];
    char *million = malloc(1000000);
    (void)state;
    sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(million, 'a', 1000000);
    sha256_hex(million, 1000000, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

static void add(struct backlog *b, uint64_t seq) {
    char *line = NULL;
    int n = asprintf(&line, "{\"type\":\"event\",\"seq\":%llu,\"x\":\"%0*d\"}\n", (unsigned long long)seq,
                     (int)(seq % 50), 0);
    assert_true(n > 0);
    assert_int_equal(backlog_add(b, line, (size_t)n, seq), 0);
}

/* What a socket that takes `each` bytes at a time would get; returns the seqs of whole lines through `got`. */
static size_t send_all(struct backlog *b, size_t each, size_t limit, uint64_t *got, size_t count, char *carry) {
    const char *bytes;
    for (size_t size; limit && (size = backlog_next(b, &bytes)) > 0;) {
        size_t n = size < each ? size : each;
        if (n > limit) n = limit;
        for (size_t i = 0; i < n; i++) {
            size_t used = strlen(carry);
            carry[used] = bytes[i];
            carry[used + 1] = 0;
            if (bytes[i] != '\n') continue;
            char *seq = strstr(carry, "\"seq\":");
            assert_non_null(seq);
            assert_int_equal(carry[0], '{');
            got[count++] = strtoull(seq + 6, NULL, 10);
            *carry = 0;
        }
        backlog_sent(b, n);
        limit -= n;
    }
    return count;
}

/* Random adds, sends, acks, breaks and disk turns: each link sees a rising run without a hole from the first
 * unacknowledged. */
static void test_backlog_keeps_every_frame(void **state) {
    char dir[] = "/tmp/backlog-XXXXXX", path[64];
    static uint64_t got[200000];
    char carry[512] = "";
    uint64_t x = 1234567, last = 1, received = 1;
    size_t count = 0;
    struct backlog b;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/run/spool", dir);
    backlog_init(&b, strdup(path), 1 << 30);
    backlog_set_hello(&b, "{\"type\":\"hello\"}\n", 17);
    b.last_seq = 1;
    backlog_rewind(&b);
    for (int i = 0; i < 20000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        switch (x % 8) {
        case 0:
        case 1:
        case 2:
            add(&b, ++last);
            break;
        case 3:
        case 4:
            count = send_all(&b, 1 + x % 97, x % 1000, got, 0, carry);
            for (size_t k = 0; k < count; k++) {
                if (got[k] > received + 1)
                    fail_msg("after %llu came %llu", (unsigned long long)received, (unsigned long long)got[k]);
                if (got[k] == received + 1) received = got[k];
            }
            break;
        case 5:
            backlog_ack(&b, received > 3 ? received - x / 8 % 3 : received);
            break;
        case 6:
            if (x / 8 % 4 == 0) backlog_to_disk(&b, x / 32 % 2);
            break;
        default:
            if (x / 8 % 8) break;
            backlog_ack(&b, received); /* welcome */
            backlog_rewind(&b);
            *carry = 0;
        }
    }
    backlog_rewind(&b);
    *carry = 0;
    count = send_all(&b, 4096, SIZE_MAX, got, 0, carry);
    assert_int_equal(got[count - 1], last);
    backlog_ack(&b, last);
    assert_true(backlog_empty(&b));
    backlog_rewind(&b);
    assert_int_equal(access(path, F_OK), -1); /* all acknowledged: the file is gone */
    backlog_release(&b);
    *strrchr(path, '/') = 0;
    rmdir(path);
    assert_int_equal(rmdir(dir), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pace), cmocka_unit_test(test_ring),
                                       cmocka_unit_test(test_sha256), cmocka_unit_test(test_backlog_keeps_every_frame)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
