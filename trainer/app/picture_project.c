/* picture_project.c: see picture_project.h. */
#include "picture_project.h"

#include <math.h>
#include <stdlib.h>

#define SWEEPS_MAX 60

static void covariance(const float *points, int64_t count, int dims, double *mean, double *matrix) {
    for (int64_t i = 0; i < count; i++)
        for (int d = 0; d < dims; d++)
            mean[d] += points[i * dims + d] / (double)count;
    for (int64_t i = 0; i < count; i++)
        for (int a = 0; a < dims; a++)
            for (int b = a; b < dims; b++)
                matrix[a * dims + b] += (points[i * dims + a] - mean[a]) * (points[i * dims + b] - mean[b]);
    for (int a = 0; a < dims; a++)
        for (int b = 0; b < a; b++)
            matrix[a * dims + b] = matrix[b * dims + a];
}

/* One rotation that makes matrix[p][q] zero; the columns of `vectors` turn with it. */
static void rotate(double *matrix, double *vectors, int dims, int p, int q) {
    double off = matrix[p * dims + q];
    if (off == 0) return;
    double theta = (matrix[q * dims + q] - matrix[p * dims + p]) / (2 * off);
    double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1)), c = 1 / sqrt(t * t + 1), s = t * c;
    for (int k = 0; k < dims; k++) {
        double left = matrix[k * dims + p], right = matrix[k * dims + q];
        matrix[k * dims + p] = c * left - s * right;
        matrix[k * dims + q] = s * left + c * right;
    }
    for (int k = 0; k < dims; k++) {
        double upper = matrix[p * dims + k], lower = matrix[q * dims + k];
        matrix[p * dims + k] = c * upper - s * lower;
        matrix[q * dims + k] = s * upper + c * lower;
    }
    for (int k = 0; k < dims; k++) {
        double left = vectors[k * dims + p], right = vectors[k * dims + q];
        vectors[k * dims + p] = c * left - s * right;
        vectors[k * dims + q] = s * left + c * right;
    }
}

static void eigen(double *matrix, double *vectors, int dims) {
    for (int d = 0; d < dims; d++)
        vectors[d * dims + d] = 1;
    for (int sweep = 0; sweep < SWEEPS_MAX; sweep++) {
        double off = 0, on = 0;
        for (int a = 0; a < dims; a++)
            for (int b = 0; b < dims; b++)
                *(a == b ? &on : &off) += matrix[a * dims + b] * matrix[a * dims + b];
        if (off <= 1e-24 * on || !isfinite(off)) return;
        for (int p = 0; p < dims; p++)
            for (int q = p + 1; q < dims; q++)
                rotate(matrix, vectors, dims, p, q);
    }
}

/* The index of the largest number on the diagonal, which is then marked as taken; its share of the whole. */
static int largest_take(double *matrix, int dims, double whole, double *ret_share) {
    int best = 0;
    for (int d = 1; d < dims; d++)
        if (matrix[d * dims + d] > matrix[best * dims + best]) best = d;
    double value = matrix[best * dims + best];
    *ret_share = whole > 0 && value > 0 ? value / whole : 0;
    matrix[best * dims + best] = -INFINITY;
    return best;
}

static void along(const float *points, int64_t count, int dims, const double *mean, const double *vectors, int column,
                  double *ret_projected, int stride) {
    double widest = 0;
    for (int d = 0; d < dims; d++)
        if (fabs(vectors[d * dims + column]) > fabs(widest)) widest = vectors[d * dims + column];
    for (int64_t i = 0; i < count; i++) {
        double sum = 0;
        for (int d = 0; d < dims; d++)
            sum += (points[i * dims + d] - mean[d]) * vectors[d * dims + column];
        ret_projected[i * stride] = widest < 0 ? -sum : sum;
    }
}

int project(const float *points, int64_t count, int dims, int components, double *ret_projected, double *ret_shares) {
    if (dims < 1 || dims > PROJECT_DIMS_MAX || components > dims || count < 1) return -1;
    size_t squares = (size_t)dims * (size_t)dims;
    double *room = calloc(2 * squares + (size_t)dims, sizeof *room);
    if (room == NULL) return -1;
    double *matrix = room, *vectors = room + squares, *mean = room + 2 * squares, whole = 0;
    covariance(points, count, dims, mean, matrix);
    eigen(matrix, vectors, dims);
    for (int d = 0; d < dims; d++)
        whole += matrix[d * dims + d];
    for (int c = 0; c < components; c++) {
        int column = largest_take(matrix, dims, whole, &ret_shares[c]);
        along(points, count, dims, mean, vectors, column, ret_projected + c, components);
    }
    free(room);
    return 0;
}
