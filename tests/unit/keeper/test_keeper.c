/* The keeper's parts one by one: last lines, the record's text, out-of-memory counters, the bounded log. */
#include "lines.h"
#include "oom.h"
#include "output_log.h"
#include "record.h"
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void expect_lines(const char *output, size_t size, const char *expected) {
    static struct lines lines;
    const char *got[LINES_MAX];
    char text[1000] = "";
    lines_init(&lines);
    lines_add(&lines, output, size);
    size_t count = lines_get(&lines, got);
    for (size_t i = 0; i < count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "[%s]", got[i]);
    assert_string_equal(text, expected);
}
#define EXPECT_LINES(output, expected) expect_lines(output, sizeof(output) - 1, expected)

static void last_lines(void **state) {
    (void)state;
    EXPECT_LINES("", "");
    EXPECT_LINES("a\n\n  \nb", "[a][b]");
    EXPECT_LINES("a\r\nb\r\n", "[a][b]");
    EXPECT_LINES("10%\r100%\rdone\r", "[done]");
    EXPECT_LINES("\x1b[1;31mred\x1b[0m \x1b]0;title\x07t\x1b]8;;x\x1b\\u \x1b(Bv\n", "[red tu v]");
    EXPECT_LINES("cut\x1b[31", "[cut]");
    EXPECT_LINES("\x1b]never ended\nnext\n", "[next]");
    EXPECT_LINES("abc\b\bd\te\x07\n", "[ad e]");
    EXPECT_LINES("a\xff\xfe"
                 "b\0c",
                 "[a\xef\xbf\xbd"
                 "bc]");
    EXPECT_LINES("\xe5\xbc\x80\xe5\xa7", "[\xe5\xbc\x80]"); /* a character still to come */
    EXPECT_LINES("\xed\xa0\x80|\xc0\x80|\xf4\x90\x80\x80\n", "[\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd]");
    EXPECT_LINES("x\xc2\x9b"
                 "31my",
                 "[x31my]"); /* a C1 control */
}

static void long_lines(void **state) {
    (void)state;
    static struct lines lines;
    const char *got[LINES_MAX];
    lines_init(&lines);
    for (int i = 0; i < 400; i++)
        lines_add(&lines, "x", 1);
    assert_int_equal(lines_get(&lines, got), 1);
    assert_int_equal(strlen(got[0]), 400);
    assert_string_equal(got[0] + 397, "xxx"); /* fits whole */
    for (int i = 0; i < 1000; i++)
        lines_add(&lines, "x", 1);
    lines_get(&lines, got);
    assert_int_equal(strlen(got[0]), 400);
    assert_string_equal(got[0] + 396, "x\xe2\x80\xa6");
    lines_add(&lines, "\rshort\n", 7);
    for (int i = 0; i < 25; i++) {
        char line[16];
        lines_add(&lines, line, (size_t)snprintf(line, sizeof line, "%d\n", i));
    }
    lines_add(&lines, "now", 3);
    assert_int_equal(lines_get(&lines, got), 20);
    assert_string_equal(got[0], "6");
    assert_string_equal(got[18], "24");
    assert_string_equal(got[19], "now");
}

static void record_text(void **state) {
    (void)state;
    static char text[RECORD_BYTES_MAX], line[LINES_BYTES + 1];
    memset(line, 'x', LINES_BYTES);
    struct record record = {.started = true,
                            .oom = true,
                            .exit_code = -1,
                            .signal = 9,
                            .ended_ms = 1732154400123,
                            .dropped = 5,
                            .lines_count = LINES_MAX},
                  got;
    for (size_t i = 0; i < LINES_MAX; i++)
        record.lines[i] = i == 3 ? "end" : line;
    size_t size = record_format(&record, text);
    assert_true(size < RECORD_BYTES_MAX);
    for (size_t part = 0; part < size; part += 97) /* as a socket may deliver it */
        assert_int_equal(record_parse(text, part, &got), 0);
    assert_int_equal(record_parse(text, size, &got), 1);
    assert_true(got.started && got.oom && got.exit_code == -1 && got.signal == 9 && got.ended_ms == 1732154400123 &&
                got.dropped == 5 && got.lines_count == LINES_MAX);
    assert_string_equal(got.lines[3], "end");
    assert_string_equal(got.lines[19], line);
    static const char *const refused[] = {"trainbot-watcher 1\nend\n", "trainbot-keeper x\nend\n",
                                          "trainbot-keeper 1\nexit 99999999999\nend\n",
                                          "trainbot-keeper 1\nexit one\nend\n"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        snprintf(text, sizeof text, "%s", refused[i]);
        assert_int_equal(record_parse(text, strlen(text), &got), -1);
    }
    snprintf(text, sizeof text, "trainbot-keeper 2\nweather fine\nexit 4\nend\n"); /* a newer keeper's */
    assert_int_equal(record_parse(text, strlen(text), &got), 1);
    assert_int_equal(got.exit_code, 4);
}

static char root[] = "/tmp/keeper-test-XXXXXX";

static void put_file(const char *name, const char *text) {
    char path[200];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_root(void **state) {
    (void)state;
    static const char *const dirs[] = {"proc", "proc/self", "cg", "cg/a", "cg/memory", "cg/memory/b"};
    strcpy(root + sizeof root - 7, "XXXXXX");
    if (!mkdtemp(root)) return -1;
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s/%s", root, dirs[i]);
        if (mkdir(path, 0700) < 0) return -1;
    }
    return 0;
}

static int drop_root(void **state) {
    (void)state;
    char command[200];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static void look_at_counter(const char *cgroup, const char *counter, const char *before, const char *after) {
    char proc[100], cg[100];
    struct oom oom;
    snprintf(proc, sizeof proc, "%s/proc", root);
    snprintf(cg, sizeof cg, "%s/cg", root);
    put_file("proc/self/cgroup", cgroup);
    put_file(counter, before);
    oom_open(&oom, proc, cg, 1000);
    assert_true(oom.fd >= 0);
    assert_false(oom_rose(&oom, 2000));
    put_file(counter, after);
    assert_true(oom_rose(&oom, 3000));
    assert_true(oom_rose(&oom, 3000 + OOM_NEAR_MS));
    assert_false(oom_rose(&oom, 3001 + OOM_NEAR_MS)); /* somebody else, long ago */
    close(oom.fd);
}

static void oom_counters(void **state) {
    (void)state;
    put_file("proc/vmstat", "nr_free_pages 1\noom_kill 5\n");
    look_at_counter("0::/nowhere\n", "proc/vmstat", "pgfault 1\noom_kill 5\nx 1\n", "pgfault 1\noom_kill 6\nx 1\n");
    look_at_counter("4:cpu,memory:/b\n0::/\n", "cg/memory/b/memory.oom_control", "under_oom 0\noom_kill 0\n",
                    "under_oom 0\noom_kill 1\n");
    look_at_counter("0::/a\n", "cg/a/memory.events", "low 0\noom 7\noom_kill 1\n", "low 0\noom 9\noom_kill 3\n");
    struct oom oom;
    oom_open(&oom, "/no/proc", "/no/cgroups", 0);
    assert_int_equal(oom.fd, -1);
    assert_false(oom_rose(&oom, 1));
}

static struct output_log log_;

static int saved_count;

static int save(void *user) {
    (void)user;
    return ++saved_count < 2 ? -1 : 0; /* the disk was full at first */
}

static void put_all(const char *text, size_t size) {
    while (size) {
        size_t taken = output_log_put(&log_, text, size);
        text += taken;
        size -= taken;
        if (!size) break;
        struct pollfd room = {.fd = log_.room_fd, .events = POLLIN};
        assert_int_equal(poll(&room, 1, 10000), 1);
        uint64_t count;
        assert_int_equal(read(log_.room_fd, &count, sizeof count), sizeof count);
    }
}

/* 100,000 numbered lines through a log of 512 KiB: the first 16 KiB and the last 24 KiB at least are there, and the
 * file's own count of what is missing adds up. */
static void log_keeps_head_and_tail(void **state) {
    (void)state;
    const struct output_log_bounds bounds = {16 << 10, 24 << 10, 512 << 10};
    int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(output_log_open(&log_, dir, &bounds), 0);
    char line[32];
    int64_t total = 0;
    for (int i = 0; i < 100000; i++) {
        int size = snprintf(line, sizeof line, "line %06d\n", i);
        put_all(line, (size_t)size);
        total += size;
    }
    saved_count = 0;
    output_log_save(&log_, save, NULL);
    output_log_close(&log_);
    int fd = openat(dir, "output.log", O_RDONLY | O_CLOEXEC);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(st.st_size <= 512 << 10 && st.st_size >= (16 + 24) << 10);
    char *text = malloc((size_t)st.st_size);
    assert_non_null(text);
    assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
    close(fd);
    close(dir);
    assert_memory_equal(text, "line 000000\nline 000001\n", 24);
    assert_memory_equal(text + st.st_size - 12, "line 099999\n", 12);
    char *note = text + (16 << 10);
    assert_memory_equal(note, "\n[trainbot: ", 12);
    int64_t note_size = (char *)memchr(note + 1, '\n', 200) - note + 1;
    assert_int_equal(st.st_size - note_size + atoll(note + 12), total);
    free(text);
    assert_int_equal(log_.dropped, 0);
    assert_true(saved_count >= 1);
}

static void log_counts_what_it_drops(void **state) {
    (void)state;
    const struct output_log_bounds bounds = {16 << 10, 24 << 10, 512 << 10};
    assert_int_equal(output_log_open(&log_, -1, &bounds), 0); /* no file at all */
    put_all("lost\n", 5);
    output_log_drop(&log_, 7);
    output_log_save(&log_, save, NULL);
    output_log_close(&log_);
    assert_true(log_.dropped >= 12);
}

static int hung_disk[2];

static int hang(void *user) {
    (void)user;
    char byte;
    return read(hung_disk[0], &byte, 1) == 1 ? 0 : -1;
}

/* The writer hangs in the kernel: put takes what its ring holds and never waits. */
static void hung_disk_holds_nobody(void **state) {
    (void)state;
    const struct output_log_bounds bounds = {16 << 10, 24 << 10, 512 << 10};
    static char bytes[OUTPUT_LOG_RING];
    int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(pipe(hung_disk), 0);
    assert_int_equal(output_log_open(&log_, dir, &bounds), 0);
    output_log_save(&log_, hang, NULL);
    size_t taken = 0, last;
    do { /* the writer may still take the first ones */
        last = output_log_put(&log_, bytes, sizeof bytes);
        taken += last;
    } while (last);
    assert_true(taken >= OUTPUT_LOG_RING);
    output_log_drop(&log_, 1000);
    assert_int_equal(output_log_dropped(&log_), 1000);
    assert_int_equal(write(hung_disk[1], "x", 1), 1);
    output_log_close(&log_);
    struct stat st;
    assert_int_equal(fstatat(dir, "output.log", &st, 0), 0);
    assert_true((size_t)st.st_size >= taken || taken > 400000);
    close(dir);
    close(hung_disk[0]);
    close(hung_disk[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_lines),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(record_text),
        cmocka_unit_test_setup_teardown(oom_counters, make_root, drop_root),
        cmocka_unit_test_setup_teardown(log_keeps_head_and_tail, make_root, drop_root),
        cmocka_unit_test_setup_teardown(hung_disk_holds_nobody, make_root, drop_root),
        cmocka_unit_test(log_counts_what_it_drops),
    };
    return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
