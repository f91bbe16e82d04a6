/* picture_map.c: see picture.h. Each axis spans what all but one in a hundred points need; those beyond stand at the
 * edge. */
#include "picture.h"
#include "font.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PANEL (PICTURE_WIDTH - 2 * PICTURE_GAP) /* pixels a side */
#define INSET 12
#define CLASSES_MAX 16
#define LEGEND_COLUMNS 5

/* Paul Tol's "muted", the two palest darkened for white paper. */
static const uint32_t class_colours[] = {0x332288, 0x3d9fd6, 0x44aa99, 0x117733, 0x8a8a1f,
                                         0xd9a21b, 0xcc6677, 0x882255, 0xaa4499, 0x444444};
#define COLOURS (sizeof class_colours / sizeof *class_colours)

struct label {
    double x, y;
    int width, label;
};

static int by_depth(const void *a, const void *b) {
    double left = ((const struct map_point *)a)->depth, right = ((const struct map_point *)b)->depth;
    return (left > right) - (left < right);
}

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* The middle value, and where the outermost two hundredths begin. `values` is sorted. */
static double sorted_span(double *values, int count, double *ret_low, double *ret_high) {
    qsort(values, (size_t)count, sizeof *values, by_value);
    *ret_low = values[count / 200];
    *ret_high = values[count - 1 - count / 200];
    if (*ret_high - *ret_low < 1e-12) {
        *ret_low -= 1;
        *ret_high += 1;
    }
    return values[count / 2];
}

/* A number of the axis as a pixel of the panel. */
static double place(double value, double low, double high) {
    double share = (value - low) / (high - low);
    share = share > 0 ? share < 1 ? share : 1 : 0;
    return INSET + share * (PANEL - 2 * INSET);
}

static void points_place(struct map_point *points, int count, double *scratch) {
    double low, high;
    for (int i = 0; i < count; i++)
        scratch[i] = points[i].x;
    sorted_span(scratch, count, &low, &high);
    for (int i = 0; i < count; i++)
        points[i].x = place(points[i].x, low, high);
    for (int i = 0; i < count; i++)
        scratch[i] = points[i].y;
    sorted_span(scratch, count, &low, &high);
    for (int i = 0; i < count; i++) /* upwards */
        points[i].y = PANEL - place(points[i].y, low, high);
}

static void points_draw(struct canvas *canvas, int left, int top, struct map_point *points, int count) {
    qsort(points, (size_t)count, sizeof *points, by_depth);
    double low = points[count / 200].depth, high = points[count - 1 - count / 200].depth;
    bool deep = high > low;
    for (int i = 0; i < count; i++) {
        double near = deep ? (points[i].depth - low) / (high - low) : 0.7;
        near = near > 0 ? near < 1 ? near : 1 : 0;
        uint32_t colour = class_colours[points[i].label % COLOURS];
        canvas_disc(canvas, left + points[i].x, top + points[i].y, 2.5 + 2.5 * near,
                    canvas_mix(COLOUR_PAPER, colour, 0.45 + 0.55 * near));
    }
}

/* Labels that lie on each other move apart, up and down, and stay inside. */
static void labels_part(struct label *labels, int count) {
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < count; i++) {
            for (int j = i + 1; j < count; j++) {
                double across = fabs(labels[i].x - labels[j].x), down = labels[i].y - labels[j].y;
                if (across >= (labels[i].width + labels[j].width) / 2.0 || fabs(down) >= FONT_LINE) continue;
                double push = (FONT_LINE - fabs(down)) / 2 + 0.5;
                labels[i].y += down >= 0 ? push : -push;
                labels[j].y += down >= 0 ? -push : push;
            }
        }
        for (int i = 0; i < count; i++) {
            double half = labels[i].width / 2.0 + 4;
            labels[i].x = fmin(fmax(labels[i].x, half), PANEL - half);
            labels[i].y = fmin(fmax(labels[i].y, FONT_LINE / 2.0 + 2), PANEL - FONT_LINE / 2.0 - 2);
        }
    }
}

static void label_draw(struct canvas *canvas, int x, int y, const struct label *label, const char *name) {
    static const int around[][2] = {{-2, -1}, {-2, 1}, {2, -1}, {2, 1}, {-1, -2}, {1, -2}, {-1, 2}, {1, 2}};
    int left = x + (int)lround(label->x) - label->width / 2, top = y + (int)lround(label->y) - FONT_LINE / 2;
    for (size_t i = 0; i < sizeof around / sizeof *around; i++)
        canvas_text(canvas, left + around[i][0], top + around[i][1], label->width, ALIGN_LEFT, name, COLOUR_PAPER);
    uint32_t colour = canvas_mix(class_colours[label->label % (int)COLOURS], 0x000000u, 0.35);
    canvas_text(canvas, left, top, label->width, ALIGN_LEFT, name, colour);
}

/* Each class's name at the middle of its points; classes without points have none. */
static int labels_make(const struct map_point *points, int count, int classes, const char *const *names,
                       double *scratch, struct label *labels) {
    int made = 0;
    for (int c = 0; c < classes; c++) {
        double low, high;
        struct label label = {.width = font_width(names[c]), .label = c};
        int found = 0;
        for (int i = 0; i < count; i++)
            if (points[i].label == c) scratch[found++] = points[i].x;
        if (found == 0) continue;
        label.x = sorted_span(scratch, found, &low, &high);
        found = 0;
        for (int i = 0; i < count; i++)
            if (points[i].label == c) scratch[found++] = points[i].y;
        label.y = sorted_span(scratch, found, &low, &high);
        labels[made++] = label;
    }
    return made;
}

static void legend_draw(struct canvas *canvas, int top, int classes, const char *const *names) {
    int width = (PICTURE_WIDTH - 2 * PICTURE_GAP) / LEGEND_COLUMNS;
    for (int c = 0; c < classes; c++) {
        int x = PICTURE_GAP + c % LEGEND_COLUMNS * width, y = top + c / LEGEND_COLUMNS * (FONT_LINE + 4);
        canvas_disc(canvas, x + 7, y + FONT_BASELINE - FONT_CAPITAL / 2, 7, class_colours[c % (int)COLOURS]);
        canvas_text(canvas, x + 18, y, width - 18, ALIGN_LEFT, names[c], COLOUR_INK);
    }
}

int map_picture(struct map_point *points, int count, int classes, const char *const *names, struct canvas *ret_canvas) {
    struct label labels[CLASSES_MAX];
    int rows = (classes + LEGEND_COLUMNS - 1) / LEGEND_COLUMNS, panel = PICTURE_GAP;
    int legend = panel + PANEL + PICTURE_GAP, height = legend + rows * (FONT_LINE + 4) + PICTURE_GAP;
    double *scratch = malloc((size_t)(count > 0 ? count : 1) * sizeof *scratch);
    if (scratch == NULL || count < 1 || classes > CLASSES_MAX ||
        canvas_init(ret_canvas, PICTURE_WIDTH, height, COLOUR_PAPER) != 0) {
        free(scratch);
        return -1;
    }
    canvas_fill(ret_canvas, panel, panel, PANEL, PANEL, 0xd0d7deu);
    canvas_fill(ret_canvas, panel + 1, panel + 1, PANEL - 2, PANEL - 2, COLOUR_PAPER);
    points_place(points, count, scratch);
    int made = labels_make(points, count, classes, names, scratch, labels);
    points_draw(ret_canvas, panel, panel, points, count);
    labels_part(labels, made);
    for (int i = 0; i < made; i++)
        label_draw(ret_canvas, panel, panel, &labels[i], names[labels[i].label]);
    legend_draw(ret_canvas, legend, classes, names);
    free(scratch);
    return 0;
}
