/*
 * plot_program_test.c: the helper program itself over its two pipes: what it draws decodes, has the size asked for and
 * is not blank; no character is without a glyph; hostile or cut input makes it leave; it leaves when idle and at the
 * end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "plot_samples.h"

#include <expat.h>
#include <png.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 60000

struct program {
    pid_t pid;
    int in, out;
};

static void program_start(struct program *program, const char *idle_ms) {
    int in[2], out[2];
    char path[1024];
    snprintf(path, sizeof path, "%s/trainbot-plot", getenv("TRAINBOT_BIN") ? getenv("TRAINBOT_BIN") : ".");
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    program->pid = fork();
    assert_true(program->pid >= 0);
    if (program->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[0]), close(in[1]), close(out[0]), close(out[1]);
        execl(path, path, "--idle-ms", idle_ms, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    program->in = in[1];
    program->out = out[0];
}

/* Reads until size bytes or the end; returns how many. */
static size_t program_read(struct program *program, uint8_t *bytes, size_t size) {
    size_t used = 0;
    while (used < size) {
        struct pollfd poll_out = {.fd = program->out, .events = POLLIN};
        assert_int_equal(poll(&poll_out, 1, DEADLINE_MS), 1);
        ssize_t got = read(program->out, bytes + used, size - used);
        if (got <= 0) break;
        used += (size_t)got;
    }
    return used;
}

/* Waits for its end (told by the end of its output) and returns its exit status, or -signal. */
static int program_wait(struct program *program) {
    uint8_t rest[256];
    int status;
    if (program->in >= 0) {
        while (program_read(program, rest, sizeof rest) > 0) {}
        close(program->in);
    } else {
        while (program_read(program, rest, sizeof rest) > 0) {}
    }
    close(program->out);
    assert_int_equal(waitpid(program->pid, &status, 0), program->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void program_end_input(struct program *program) {
    close(program->in);
    program->in = -1;
}

static uint8_t *ask(struct program *program, struct plot_job *job, struct plot_answer *ret_answer) {
    uint8_t *request = NULL, head[PLOT_ANSWER_HEAD];
    size_t size = 0;
    assert_int_equal(plot_job_encode(job, &request, &size), TB_OK);
    for (size_t put = 0; put < size;) {
        ssize_t got = write(program->in, request + put, size - put);
        assert_true(got > 0);
        put += (size_t)got;
    }
    free(request);
    assert_int_equal(program_read(program, head, sizeof head), sizeof head);
    assert_int_equal(plot_answer_decode(head, ret_answer), TB_OK);
    assert_int_equal(ret_answer->id, job->id);
    assert_int_equal(ret_answer->status, 0);
    uint8_t *picture = malloc(ret_answer->size + 1);
    assert_int_equal(program_read(program, picture, ret_answer->size), ret_answer->size);
    return picture;
}

/* Decodes; returns the share of pixels that are not the commonest colour of the corner. */
static double png_inked(const uint8_t *bytes, size_t size, int *ret_width, int *ret_height) {
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_memory(&image, bytes, size));
    image.format = PNG_FORMAT_RGB;
    uint8_t *pixels = malloc(PNG_IMAGE_SIZE(image));
    assert_true(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    size_t inked = 0, count = (size_t)image.width * image.height;
    for (size_t i = 0; i < count; i++)
        inked += memcmp(pixels + 3 * i, pixels, 3) != 0;
    *ret_width = (int)image.width;
    *ret_height = (int)image.height;
    free(pixels);
    return (double)inked / (double)count;
}

static void main_job(struct plot_job *job, bool dark, enum lang lang) {
    plot_sample_job(job, "卷积网络 #7", dark, lang);
    plot_sample_add(job, "loss", plot_sample_loss_nan, 15620, 1);
    plot_sample_add(job, "验证准确率", plot_sample_accuracy, 15620, 10);
    plot_sample_mark(job, 4120, "学习率 0.01 → 0.001");
    plot_sample_mark(job, 9000, "批量 128 → 256");
}

static void pictures(void **state) {
    (void)state;
    static const struct {
        bool dark;
        enum lang lang;
        int width, height;
    } cases[] = {{false, LANG_ZH, 780, 0},  {true, LANG_EN, 780, 0},    {false, LANG_EN, 1200, 800},
                 {true, LANG_ZH, 390, 300}, {false, LANG_ZH, 120, 120}, {false, LANG_ZH, 4096, 4096}};
    struct program program;
    program_start(&program, "60000");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct plot_job job;
        struct plot_answer answer;
        int width, height;
        main_job(&job, cases[i].dark, cases[i].lang);
        job.id = (uint32_t)i + 100;
        job.width = cases[i].width;
        job.height = cases[i].height;
        uint8_t *picture = ask(&program, &job, &answer);
        double inked = png_inked(picture, answer.size, &width, &height);
        assert_int_equal(width, cases[i].width);
        assert_true(cases[i].height ? height == cases[i].height : height > 600 && height < 1400);
        assert_true(inked > 0.05 && inked < 0.9);
        assert_int_equal(answer.unknown_glyphs, 0);
        if (width == 780) assert_true(answer.size <= 100000);
        free(picture);
        plot_job_release(&job);
    }
    program_end_input(&program);
    assert_int_equal(program_wait(&program), 0);
}

/* All odd runs: nothing is unknown, nothing blank, nothing fails. */
static void odd_runs(void **state) {
    (void)state;
    static plot_sample_value *const values[] = {plot_sample_constant, plot_sample_huge, plot_sample_decades,
                                                plot_sample_not_finite, plot_sample_loss};
    static const int64_t lengths[] = {1, 2, 3, 39, 5000};
    struct program program;
    program_start(&program, "60000");
    for (size_t i = 0; i < 5; i++) {
        for (size_t at = 0; at < 5; at++) {
            struct plot_job job;
            struct plot_answer answer;
            int width, height;
            plot_sample_job(&job, "", i % 2, at % 2 ? LANG_EN : LANG_ZH);
            plot_sample_add(&job, at % 2 ? "acc" : "loss", values[i], lengths[at], 1);
            plot_sample_mark(&job, 0, "before");
            plot_sample_mark(&job, PLOT_STEP_MAX, "after");
            uint8_t *picture = ask(&program, &job, &answer);
            assert_true(png_inked(picture, answer.size, &width, &height) > 0.01);
            assert_int_equal(answer.unknown_glyphs, 0);
            free(picture);
            plot_job_release(&job);
        }
    }
    program_end_input(&program);
    assert_int_equal(program_wait(&program), 0);
}

static void empty_says_so(void **state) {
    (void)state;
    struct program program;
    struct plot_job job;
    struct plot_answer answer;
    int width, height;
    program_start(&program, "60000");
    plot_sample_job(&job, "cnn #1", false, LANG_ZH);
    uint8_t *picture = ask(&program, &job, &answer);
    assert_true(png_inked(picture, answer.size, &width, &height) > 0.01);
    assert_int_equal(width, 780);
    assert_int_equal(answer.unknown_glyphs, 0);
    free(picture);
    plot_job_release(&job);
    program_end_input(&program);
    assert_int_equal(program_wait(&program), 0);
}

/* The count is real: a character of the private area has no glyph. */
static void unknown_glyph_is_counted(void **state) {
    (void)state;
    struct program program;
    struct plot_job job;
    struct plot_answer answer;
    program_start(&program, "60000");
    plot_sample_job(&job, "\xf3\xb0\x80\x81", false, LANG_ZH); /* U+F0001 */
    uint8_t *picture = ask(&program, &job, &answer);
    assert_true(answer.unknown_glyphs > 0);
    free(picture);
    plot_job_release(&job);
    program_end_input(&program);
    assert_int_equal(program_wait(&program), 0);
}

static void vector_is_well_formed(void **state) {
    (void)state;
    struct program program;
    struct plot_job job;
    struct plot_answer answer;
    program_start(&program, "60000");
    main_job(&job, true, LANG_ZH);
    job.svg = true;
    uint8_t *picture = ask(&program, &job, &answer);
    picture[answer.size] = 0;
    XML_Parser parser = XML_ParserCreate(NULL);
    assert_int_equal(XML_Parse(parser, (const char *)picture, (int)answer.size, 1), XML_STATUS_OK);
    XML_ParserFree(parser);
    assert_non_null(strstr((const char *)picture, "<svg"));
    assert_non_null(strstr((const char *)picture, "width=\"780"));
    assert_non_null(strstr((const char *)picture, "<path"));
    assert_int_equal(answer.unknown_glyphs, 0);
    free(picture);
    plot_job_release(&job);
    program_end_input(&program);
    assert_int_equal(program_wait(&program), 0);
}

static void hostile_input_ends_it(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18},
        {"TBP1\xff\xff\xff\xff", 8},                                            /* 4 GiB */
        {"TBP1\0\0\0\0", 8},                                                    /* no body */
        {"TBP2\x04\0\0\0abcd", 12},                                             /* another version */
        {"TBP1\x04\0\0\0abcd", 12},                                             /* a body too short for anything */
        {"TBP1\x10\0\0\0\1\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 24}, /* sides of 4 G */
    };
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct program program;
        program_start(&program, "60000");
        assert_int_equal(write(program.in, cases[i].bytes, cases[i].size), cases[i].size);
        assert_int_equal(program_wait(&program), 3);
    }
}

static void cut_input_ends_it(void **state) {
    (void)state;
    struct program program;
    program_start(&program, "60000");
    assert_int_equal(write(program.in, "TBP1\x40\0\0\0abc", 11), 11);
    program_end_input(&program);
    assert_int_equal(program_wait(&program), 3);
}

static void leaves_when_idle(void **state) {
    (void)state;
    struct program program;
    struct plot_job job;
    struct plot_answer answer;
    program_start(&program, "200");
    assert_int_equal(program_wait(&program), 0); /* its input is still open */
    program_start(&program, "1500");
    main_job(&job, false, LANG_EN);
    free(ask(&program, &job, &answer));
    plot_job_release(&job);
    assert_int_equal(program_wait(&program), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures),
        cmocka_unit_test(odd_runs),
        cmocka_unit_test(empty_says_so),
        cmocka_unit_test(unknown_glyph_is_counted),
        cmocka_unit_test(vector_is_well_formed),
        cmocka_unit_test(hostile_input_ends_it),
        cmocka_unit_test(cut_input_ends_it),
        cmocka_unit_test(leaves_when_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
