/*
 * plot_pure_test.c: axes, smoothing, names, the format between daemon and helper, and the text sparkline.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "plot_axis.h"
#include "plot_format.h"
#include "plot_names.h"
#include "plot_smooth.h"
#include "sparkline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- axes ---- */

static void log_where_it_helps(void **state) {
    (void)state;
    static const struct {
        double min, max;
        enum plot_axis_kind kind;
        bool log;
    } cases[] = {
        {0.1, 3.0, PLOT_AXIS_GENERAL, false},                                            /* 1.48 decades */
        {0.1, 3.3, PLOT_AXIS_GENERAL, true},                                             /* 1.52 */
        {0, 1000, PLOT_AXIS_GENERAL, false},                                             /* zero has no logarithm */
        {-1, 1000, PLOT_AXIS_GENERAL, false},       {0.001, 1.0, PLOT_AXIS_UNIT, false}, /* accuracies stay linear */
        {0.5, 90.0, PLOT_AXIS_UNIT, true},                                               /* not shares after all */
        {5e-324, 1.7e308, PLOT_AXIS_GENERAL, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct plot_axis axis;
        plot_axis_choose(&axis, cases[i].min, cases[i].max, cases[i].kind);
        assert_int_equal(axis.log, cases[i].log);
        assert_true(isfinite(axis.low) && isfinite(axis.high) && isfinite(axis.high - axis.low));
        assert_true(axis.low < axis.high);
        assert_true(!axis.log || axis.low > 0);
    }
}

static void assert_labels(const struct plot_tick *ticks, size_t count, const char *expected) {
    char labels[1024] = "";
    for (size_t i = 0; i < count; i++) {
        if (!ticks[i].major) continue;
        if (labels[0]) strcat(labels, " ");
        strcat(labels, ticks[i].label);
    }
    assert_string_equal(labels, expected);
}

static void value_ticks(void **state) {
    (void)state;
    static const struct {
        double low, high;
        bool log;
        size_t want;
        const char *labels;
    } cases[] = {
        {0, 1, false, 5, "0 0.2 0.4 0.6 0.8 1.0"},
        {0.62, 0.93, false, 4, "0.7 0.8 0.9"},
        {-2.5, 2.5, false, 5, "-2 -1 0 1 2"},
        {0, 0.00042, false, 4, "0 1e-4 2e-4 3e-4 4e-4"},
        {0, 52000, false, 5, "0 10k 20k 30k 40k 50k"},
        {2.3e6, 2.9e6, false, 3, "2.4M 2.6M 2.8M"},
        {-1e300, 1e300, false, 4, "-1e300 -5e299 0 5e299 1e300"},
        {0.08, 4, true, 5, "0.1 0.2 0.5 1 2"},
        {1e-10, 2e12, true, 5, "1e-10 1e-5 1 100k 10G"},
        {0.5, 30000, true, 6, "1 10 100 1000 10k"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct plot_axis axis = {cases[i].log, cases[i].low, cases[i].high};
        struct plot_tick ticks[PLOT_TICKS_MAX];
        size_t count = plot_axis_ticks(&axis, cases[i].want, ticks);
        assert_labels(ticks, count, cases[i].labels);
        for (size_t at = 0; at < count; at++)
            assert_in_range((int)(plot_axis_place(&axis, ticks[at].value) * 1000 + 1), 0, 1002);
    }
}

static void step_ticks(void **state) {
    (void)state;
    static const struct {
        int64_t first, last;
        const char *labels;
    } cases[] = {
        {0, 2, "0 1 2"},
        {1, 12, "2 4 6 8 10 12"},
        {1, 970, "200 400 600 800"},
        {1, 15620, "5k 10k 15k"},
        {1, 1000000, "200k 400k 600k 800k 1M"},
        {1200, 2600, "1.2k 1.4k 1.6k 1.8k 2k 2.2k 2.4k 2.6k"},
        {0, PLOT_STEP_MAX, "0 2000T 4000T 6000T 8000T"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct plot_tick ticks[PLOT_TICKS_MAX];
        assert_labels(ticks, plot_step_ticks(cases[i].first, cases[i].last, 5, ticks), cases[i].labels);
    }
}

/* Whatever the data, ticks are bounded, ascending and inside. */
static void ticks_of_anything(void **state) {
    (void)state;
    static const double values[] = {-1.7e308, -1e300, -5, -1e-9,     -5e-324, 0,    5e-324, 1e-300,
                                    1e-9,     0.5,    1,  1.0000001, 1e6,     1e15, 1e300,  1.7e308};
    for (size_t a = 0; a < COUNT(values); a++) {
        for (size_t b = a; b < COUNT(values); b++) {
            struct plot_axis axis;
            struct plot_tick ticks[PLOT_TICKS_MAX];
            plot_axis_choose(&axis, values[a], values[b], PLOT_AXIS_GENERAL);
            size_t count = plot_axis_ticks(&axis, 5, ticks);
            assert_in_range(count, 1, PLOT_TICKS_MAX);
            for (size_t i = 0; i < count; i++) {
                assert_true(strlen(ticks[i].label) < 12);
                assert_true(i == 0 || ticks[i].value > ticks[i - 1].value);
            }
            double place = plot_axis_place(&axis, values[b]);
            assert_true(place >= -0.01 && place <= 1.01);
        }
    }
}

static void values_as_text(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {0.302114, "0.3021"},
        {0.0512345, "0.05123"},
        {0.00512345, "0.005123"},
        {0.000031, "3.1e-5"},
        {12.3456, "12.35"},
        {1542.3, "1542"},
        {15420, "15.42k"},
        {-2.5, "-2.500"},
        {1e300, "1e300"},
        {NAN, "NaN"},
        {-INFINITY, "-Inf"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[PLOT_LABEL_MAX];
        plot_value_text(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
    char text[PLOT_LABEL_MAX];
    plot_step_text(970, text);
    assert_string_equal(text, "970");
    plot_step_text(15620, text);
    assert_string_equal(text, "15,620");
    plot_step_text(1562000, text);
    assert_string_equal(text, "1.562M");
}

/* ---- smoothing ---- */

static struct store_bucket bucket(int64_t step, double value, int64_t count) {
    return (struct store_bucket){step, step, value, value, value, value, count, 0};
}

static void smooth_constant_and_noise(void **state) {
    (void)state;
    struct store_bucket buckets[200];
    double out[200];
    for (int i = 0; i < 200; i++)
        buckets[i] = bucket(i * 10 + 1, 0.5, 10);
    plot_smooth(buckets, 200, plot_smooth_tau(1, 1991), false, out);
    for (int i = 0; i < 200; i++)
        assert_true(fabs(out[i] - 0.5) < 1e-12); /* no bias at the ends */
    for (int i = 0; i < 200; i++)
        buckets[i] = bucket(i * 10 + 1, i % 2 ? 1 : 3, 10);
    plot_smooth(buckets, 200, 200, false, out);
    for (int i = 60; i < 200; i++)
        assert_true(fabs(out[i] - 2) < 0.1);
    plot_smooth(buckets, 200, 200, true, out);
    for (int i = 60; i < 200; i++)
        assert_true(fabs(out[i] - sqrt(3)) < 0.1); /* the geometric mean */
}

static void smooth_does_not_lag(void **state) {
    (void)state;
    struct store_bucket buckets[400];
    double out[400];
    for (int i = 0; i < 400; i++)
        buckets[i] = bucket(i + 1, i < 200 ? 0 : 1, 1);
    plot_smooth(buckets, 400, 8, false, out);
    assert_true(fabs((out[199] + out[200]) / 2 - 0.5) < 0.01); /* the jump stays where it is */
    assert_true(out[150] < 0.01 && out[250] > 0.99);
}

static void smooth_weights_and_holes(void **state) {
    (void)state;
    struct store_bucket buckets[3] = {bucket(1000, 0, 1), bucket(1001, NAN, 0), bucket(1002, 1, 999)};
    double out[3];
    plot_smooth(buckets, 3, 1e9, false, out);
    assert_true(isnan(out[1]));
    assert_true(out[0] > 0.99 && out[2] > 0.99); /* the bucket of 999 values decides */
    buckets[1].not_finite = 3;
    struct store_bucket huge[2] = {bucket(1, 1.7e308, 1), bucket(2, 1.7e308, 1)};
    plot_smooth(huge, 2, 10, false, out);
    assert_true(isfinite(out[0]) && isfinite(out[1]));
    plot_smooth(NULL, 0, 1, false, NULL);
}

/* ---- names ---- */

static void names(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum plot_kind kind;
        const char *zh;
    } cases[] = {
        {"loss", PLOT_LOSS, "损失"},
        {"val_loss", PLOT_LOSS, "验证损失"},
        {"Accuracy", PLOT_ACCURACY, "准确率"},
        {"acc", PLOT_ACCURACY, "准确率"},
        {"val_acc", PLOT_ACCURACY, "验证准确率"},
        {"test/acc", PLOT_ACCURACY, "测试准确率"},
        {"lr", PLOT_OTHER, "学习率"},
        {"d_loss", PLOT_LOSS, "d_loss"},
        {"accumulated", PLOT_OTHER, "accumulated"},
        {"glossary", PLOT_OTHER, "glossary"},
        {"", PLOT_OTHER, ""},
        {"___", PLOT_OTHER, "___"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char label[64];
        assert_int_equal(plot_metric_kind(cases[i].name), cases[i].kind);
        plot_metric_label(cases[i].name, LANG_ZH, label, sizeof label);
        assert_string_equal(label, cases[i].zh);
        plot_metric_label(cases[i].name, LANG_EN, label, sizeof label);
        assert_string_equal(label, cases[i].name);
    }
}

static void default_metrics(void **state) {
    (void)state;
    const char *const usual[] = {"lr", "val_acc", "val_loss", "loss", "accuracy"};
    const char *const others[] = {"speed", "memory", "heat"};
    size_t at[2];
    assert_int_equal(plot_metrics_default(usual, 5, at), 2);
    assert_int_equal(at[0], 3); /* loss on top, the plain one */
    assert_int_equal(at[1], 4);
    assert_int_equal(plot_metrics_default(usual, 2, at), 1);
    assert_int_equal(at[0], 1);
    assert_int_equal(plot_metrics_default(others, 3, at), 2);
    assert_int_equal(at[0], 0);
    assert_int_equal(at[1], 1);
    assert_int_equal(plot_metrics_default(others, 1, at), 1);
    assert_int_equal(plot_metrics_default(others, 0, at), 0);
}

static void find_metric(void **state) {
    (void)state;
    const char *const all[] = {"val_acc", "accuracy", "Loss", "loss"};
    assert_int_equal(plot_metric_find("loss", all, 4), 3);
    assert_int_equal(plot_metric_find("LOSS", all, 4), 2);
    assert_int_equal(plot_metric_find("acc", all, 4), 1);
    assert_int_equal(plot_metric_find("准确率", all, 4), 1);
    assert_int_equal(plot_metric_find("验证准确率", all, 4), 0);
    assert_int_equal(plot_metric_find("lr", all, 4), 4);
    assert_int_equal(plot_metric_find("", all, 4), 4);
}

/* ---- format ---- */

static void make_job(struct plot_job *job) {
    *job = (struct plot_job){.id = 77, .width = 780, .height = 500, .dark = true, .svg = true, .lang = LANG_EN};
    job->title = strdup("卷积 #7");
    job->series_count = 2;
    job->series[0].name = strdup("loss");
    job->series[0].count = 2;
    job->series[0].buckets = calloc(2, sizeof(struct store_bucket));
    job->series[0].buckets[0] = (struct store_bucket){1, 10, 0.1, 2.5, 1.2, 0.4, 10, 0};
    job->series[0].buckets[1] = (struct store_bucket){11, 20, NAN, NAN, NAN, NAN, 0, 10};
    job->series[1].name = strdup("acc");
    job->marks = calloc(1, sizeof *job->marks);
    job->marks_count = 1;
    job->marks[0] = (struct plot_job_mark){5, strdup("lr 0.01 → 0.001")};
}

static void format_round_trip(void **state) {
    (void)state;
    struct plot_job job, back = {0};
    uint8_t *bytes = NULL;
    size_t size = 0, body = 0;
    make_job(&job);
    assert_int_equal(plot_job_encode(&job, &bytes, &size), TB_OK);
    assert_int_equal(plot_request_head(bytes, &body), TB_OK);
    assert_int_equal(body, size - PLOT_REQUEST_HEAD);
    assert_int_equal(plot_job_decode(bytes + PLOT_REQUEST_HEAD, body, &back), TB_OK);
    assert_int_equal(back.id, 77);
    assert_int_equal(back.width, 780);
    assert_int_equal(back.height, 500);
    assert_true(back.dark && back.svg && back.lang == LANG_EN);
    assert_string_equal(back.title, "卷积 #7");
    assert_int_equal(back.series_count, 2);
    assert_string_equal(back.series[0].name, "loss");
    assert_memory_equal(&back.series[0].buckets[0], &job.series[0].buckets[0], sizeof(struct store_bucket));
    assert_true(isnan(back.series[0].buckets[1].mean));
    assert_int_equal(back.series[0].buckets[1].not_finite, 10);
    assert_int_equal(back.series[1].count, 0);
    assert_int_equal(back.marks[0].step, 5);
    assert_string_equal(back.marks[0].text, "lr 0.01 → 0.001");
    plot_job_release(&back);
    plot_job_release(&job);
    free(bytes);
}

/* Each shorter body, in a block of exactly that size so that reading beyond it is seen, and one byte too many. */
static void format_truncated(void **state) {
    (void)state;
    struct plot_job job, back = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    make_job(&job);
    assert_int_equal(plot_job_encode(&job, &bytes, &size), TB_OK);
    size_t body = size - PLOT_REQUEST_HEAD;
    for (size_t length = 0; length <= body + 1; length++) {
        uint8_t *part = calloc(1, length ? length : 1);
        memcpy(part, bytes + PLOT_REQUEST_HEAD, length < body ? length : body);
        int error = plot_job_decode(part, length, &back);
        assert_int_equal(error, length == body ? TB_OK : TB_EINVAL);
        if (error == TB_OK) plot_job_release(&back);
        free(part);
    }
    plot_job_release(&job);
    free(bytes);
}

/* Every byte replaced by several others: decoded or refused, never read out of bounds, never leaked. */
static void format_damaged(void **state) {
    (void)state;
    static const uint8_t others[] = {0x00, 0x01, 0x7f, 0x80, 0xc3, 0xff};
    struct plot_job job, back = {0};
    uint8_t *bytes = NULL;
    size_t size = 0, refused = 0;
    make_job(&job);
    assert_int_equal(plot_job_encode(&job, &bytes, &size), TB_OK);
    for (size_t i = PLOT_REQUEST_HEAD; i < size; i++) {
        uint8_t kept = bytes[i];
        for (size_t other = 0; other < COUNT(others); other++) {
            bytes[i] = others[other];
            if (plot_job_decode(bytes + PLOT_REQUEST_HEAD, size - PLOT_REQUEST_HEAD, &back) == TB_OK)
                plot_job_release(&back);
            else
                refused++;
        }
        bytes[i] = kept;
    }
    assert_true(refused > size); /* most of it is refused */
    bytes[0] = 'X';
    assert_int_equal(plot_request_head(bytes, &size), TB_EINVAL);
    static const uint8_t too_big[PLOT_REQUEST_HEAD] = {'T', 'B', 'P', '1', 0xff, 0xff, 0xff, 0xff};
    assert_int_equal(plot_request_head(too_big, &size), TB_EINVAL);
    plot_job_release(&job);
    free(bytes);
}

static void format_refuses(void **state) {
    (void)state;
    uint8_t *bytes = NULL;
    size_t size = 0;
    static const struct store_bucket bad[] = {
        {10, 1, 0, 1, 0.5, 1, 5, 0},  {1, 10, INFINITY, INFINITY, INFINITY, INFINITY, 5, 0},
        {1, 10, 2, 1, 1.5, 1, 5, 0},  {-1, 10, 0, 1, 0.5, 1, 5, 0},
        {1, 10, 0, 1, 0.5, 1, -5, 0}, {1, PLOT_STEP_MAX + 1, 0, 1, 0.5, 1, 5, 0},
        {1, 10, 0, 1, NAN, 1, 5, 0},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct plot_job job;
        make_job(&job);
        job.series[0].buckets[0] = bad[i];
        assert_int_equal(plot_job_encode(&job, &bytes, &size), TB_ERANGE);
        plot_job_release(&job);
    }
    struct plot_job job;
    make_job(&job);
    job.width = PLOT_SIDE_MAX + 1;
    assert_int_equal(plot_job_encode(&job, &bytes, &size), TB_ERANGE);
    job.width = 780;
    job.series[0].buckets[1].first_step = 10; /* overlaps the first */
    assert_int_equal(plot_job_encode(&job, &bytes, &size), TB_ERANGE);
    plot_job_release(&job);
    assert_null(bytes);
}

static void answers(void **state) {
    (void)state;
    struct plot_answer answer = {1234, 7, 0, 2, 15000}, back = {0};
    uint8_t head[PLOT_ANSWER_HEAD];
    plot_answer_encode(&answer, head);
    assert_int_equal(plot_answer_decode(head, &back), TB_OK);
    assert_memory_equal(&answer, &back, sizeof answer);
    head[7] = 0xff;
    assert_int_equal(plot_answer_decode(head, &back), TB_EINVAL);
    head[7] = 0;
    head[3] = '2'; /* another version */
    assert_int_equal(plot_answer_decode(head, &back), TB_EINVAL);
}

static void clean_texts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t max;
        const char *clean;
    } cases[] = {
        {"plain", 10, "plain"},   {"准确率", 7, "准确"},
        {"a\nb\tc", 10, "a b c"}, {"\xff\xfe", 10, "??"},
        {"\xc0\x80x", 10, "??x"}, {"\xed\xa0\x80", 10, "???"},
        {"\xe5\x87", 10, "??"},   {"\xf4\x90\x80\x80", 10, "????"},
        {NULL, 10, ""},           {"\xc2\x85", 10, "??"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *clean = plot_text_clean(cases[i].text, cases[i].max);
        assert_string_equal(clean, cases[i].clean);
        free(clean);
    }
}

/* ---- sparkline ---- */

static void sparklines(void **state) {
    (void)state;
    char text[SPARKLINE_SIZE];
    const double rise[] = {0, 1, 2, 3, 4, 5, 6, 7};
    assert_int_equal(sparkline(rise, 8, 8, text, sizeof text), 8);
    assert_string_equal(text, "▁▂▃▄▅▆▇█");
    assert_int_equal(sparkline(rise, 8, 2, text, sizeof text), 2);
    assert_string_equal(text, "▁█");
    const double constant[] = {3, 3, 3}, holes[] = {0, NAN, INFINITY, 1}, huge[] = {-1.7e308, 0, 1.7e308};
    sparkline(constant, 3, 20, text, sizeof text);
    assert_string_equal(text, "▄▄▄");
    sparkline(holes, 4, 20, text, sizeof text);
    assert_string_equal(text, "▁××█");
    sparkline(huge, 3, 20, text, sizeof text);
    assert_string_equal(text, "▁▅█");
    assert_int_equal(sparkline(rise, 0, 8, text, sizeof text), 0);
    assert_string_equal(text, "");
    char small[8]; /* two characters of three bytes and the 0 */
    assert_int_equal(sparkline(rise, 8, 8, small, sizeof small), 2);
    assert_string_equal(small, "▁▂");
    double many[1000];
    for (int i = 0; i < 1000; i++)
        many[i] = i;
    assert_int_equal(sparkline(many, 1000, 500, text, sizeof text), SPARKLINE_WIDTH_MAX);
    assert_int_equal(strlen(text), SPARKLINE_WIDTH_MAX * 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_where_it_helps),
        cmocka_unit_test(value_ticks),
        cmocka_unit_test(step_ticks),
        cmocka_unit_test(ticks_of_anything),
        cmocka_unit_test(values_as_text),
        cmocka_unit_test(smooth_constant_and_noise),
        cmocka_unit_test(smooth_does_not_lag),
        cmocka_unit_test(smooth_weights_and_holes),
        cmocka_unit_test(names),
        cmocka_unit_test(default_metrics),
        cmocka_unit_test(find_metric),
        cmocka_unit_test(format_round_trip),
        cmocka_unit_test(format_truncated),
        cmocka_unit_test(format_damaged),
        cmocka_unit_test(format_refuses),
        cmocka_unit_test(answers),
        cmocka_unit_test(clean_texts),
        cmocka_unit_test(sparklines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
