/* ripple_field.c: see ripple_field.h. One pass a step: the velocity is changed where it stands, the height goes into a
 * second array. The row loop is plain C that the compiler turns into vectors, once for each instruction set; LANES
 * partial sums give it, and every processor alike, one order to add in. */
#include "ripple_field.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#define LANES 16
#define STILL                                                                                                          \
    1e-18f /* less is zero: its squares still are normal numbers, and others cost a hundred times the time             \
            */
#define STREAM 0x3c6ef372fe94f82bu /* apart from the seed's other uses */

static float *at(float *values, const struct ripple_field *f, int64_t row) {
    return values + (row + 1) * f->stride + 1;
}

int ripple_field_init(struct ripple_field *f, int64_t size) {
    *f = (struct ripple_field){.size = size, .stride = (size + 2 + LANES - 1) / LANES * LANES};
    if (size < 1 || size > RIPPLE_SIZE_MAX) return -1;
    size_t count = (size_t)((size + 2) * f->stride);
    f->u = calloc(count, sizeof *f->u);
    f->next = calloc(count, sizeof *f->next);
    f->ut = calloc(count, sizeof *f->ut);
    f->row_energy = calloc((size_t)size, sizeof *f->row_energy);
    f->row_max = calloc((size_t)size, sizeof *f->row_max);
    if (f->u && f->next && f->ut && f->row_energy && f->row_max) return 0;
    ripple_field_release(f);
    return -1;
}

void ripple_field_release(struct ripple_field *f) {
    free(f->u);
    free(f->next);
    free(f->ut);
    free(f->row_energy);
    free(f->row_max);
    *f = (struct ripple_field){0};
}

void ripple_field_rain(struct ripple_field *f, uint64_t seed, int64_t count) {
    uint64_t key = random_mix(seed ^ STREAM);
    size_t bytes = (size_t)((f->size + 2) * f->stride) * sizeof *f->u;
    memset(f->u, 0, bytes);
    memset(f->ut, 0, bytes);
    for (int64_t i = 0; i < count; i++) {
        uint64_t place = random_mix(key + (uint64_t)i * 2);
        uint64_t row = (place >> 32) * (uint64_t)f->size >> 32, column = (place & UINT32_MAX) * (uint64_t)f->size >> 32;
        at(f->u, f, (int64_t)row)[column] = random_uniform(key, (uint64_t)i * 2 + 1);
    }
}

struct row {
    const float *above, *here, *below; /* of u */
    float *next, *ut;
    int64_t size;
    float eps, damping;
    double *energy;
    float *max;
};

#define INLINE static inline __attribute__((always_inline))

INLINE float quench(float value) {
    return fabsf(value) < STILL ? 0.0f : value;
}

/* One value; adds its energy and height to a lane. */
INLINE void value_step(const struct row *restrict r, int64_t x, float *restrict energy, float *restrict max) {
    const float *a = r->above + x, *h = r->here + x, *b = r->below + x;
    float corners = (a[-1] + a[1]) + (b[-1] + b[1]), sides = (a[0] + b[0]) + (h[-1] + h[1]);
    float u = h[0], v = r->ut[x], bend = 0.5f * corners + sides - 6.0f * u, height = fabsf(u);
    r->next[x] = quench(u + r->eps * v);
    r->ut[x] = quench(v + r->eps * (bend - r->damping * v));
    *energy += 0.5f * (v * v) - 0.5f * (u * bend);
    *max = height > *max ? height : *max;
}

INLINE void row_run(const struct row *restrict r) {
    float energy[LANES] = {0}, max[LANES] = {0}, highest = 0;
    double sum = 0;
    int64_t x = 0;
    for (; x + LANES <= r->size; x += LANES)
        for (int k = 0; k < LANES; k++)
            value_step(r, x + k, &energy[k], &max[k]);
    for (int k = 0; x < r->size; x++, k++)
        value_step(r, x, &energy[k], &max[k]);
    for (int k = 0; k < LANES; k++) {
        sum += (double)energy[k];
        highest = max[k] > highest ? max[k] : highest;
    }
    *r->energy = sum;
    *r->max = highest;
}

typedef void row_function(const struct row *restrict row);

#define ROW(name, attributes)                                                                                          \
    attributes static void row_##name(const struct row *restrict row) {                                                \
        row_run(row);                                                                                                  \
    }

ROW(plain, )
#ifdef __x86_64__
ROW(avx2, __attribute__((target("avx2"))))
ROW(avx512, __attribute__((target("avx512f,avx512vl,avx512dq,prefer-vector-width=512"))))

static row_function *row_choose(void) {
    if (__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) return row_avx512;
    return __builtin_cpu_supports("avx2") ? row_avx2 : row_plain;
}
#else
static row_function *row_choose(void) {
    return row_plain;
}
#endif

void ripple_field_step(struct ripple_field *f, double eps, double damping, struct ripple_sums *ret_sums) {
    row_function *run = row_choose();
#pragma omp parallel for schedule(static)
    for (int64_t y = 0; y < f->size; y++) {
        const struct row row = {.above = at(f->u, f, y - 1),
                                .here = at(f->u, f, y),
                                .below = at(f->u, f, y + 1),
                                .next = at(f->next, f, y),
                                .ut = at(f->ut, f, y),
                                .size = f->size,
                                .eps = (float)eps,
                                .damping = (float)damping,
                                .energy = &f->row_energy[y],
                                .max = &f->row_max[y]};
        run(&row);
    }
    float *u = f->u;
    f->u = f->next;
    f->next = u;
    *ret_sums = (struct ripple_sums){0};
    for (int64_t y = 0; y < f->size; y++) {
        ret_sums->energy += f->row_energy[y];
        if ((double)f->row_max[y] > ret_sums->max) ret_sums->max = (double)f->row_max[y];
    }
}

void ripple_field_read(const struct ripple_field *f, float *ret_u, float *ret_ut) {
    for (int64_t y = 0; y < f->size; y++) {
        memcpy(ret_u + y * f->size, at(f->u, f, y), (size_t)f->size * sizeof *ret_u);
        memcpy(ret_ut + y * f->size, at(f->ut, f, y), (size_t)f->size * sizeof *ret_ut);
    }
}

void ripple_field_write(struct ripple_field *f, const float *u, const float *ut) {
    for (int64_t y = 0; y < f->size; y++) {
        memcpy(at(f->u, f, y), u + y * f->size, (size_t)f->size * sizeof *u);
        memcpy(at(f->ut, f, y), ut + y * f->size, (size_t)f->size * sizeof *ut);
    }
}

void ripple_field_threads(int64_t threads) {
#ifdef _OPENMP
    omp_set_num_threads(threads > 0 ? (int)threads : omp_get_num_procs());
#else
    (void)threads;
#endif
}
