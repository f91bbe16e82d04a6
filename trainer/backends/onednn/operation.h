/*
 * operation.h: one convolution, gradient or matrix product of oneDNN on one shape, ready to run again and again.
 *
 * Float32 throughout, strictly: no product is rounded to bfloat16. Activations are (n, h, w, c), filters (k, kh, kw,
 * c), as everywhere in the engine; oneDNN may like the filters in another order, they are brought into it and back.
 * (With activations in its own order too, convolutions were 3 to 10 % faster, less than the reorders cost.) One thread
 * at a time.
 */
#ifndef BACKENDS_ONEDNN_OPERATION_H
#define BACKENDS_ONEDNN_OPERATION_H

#include "backend.h"
#include "onednn_api.h"

struct onednn_library;

/* Opens libdnnl (once per process, never closed) and makes an engine in it. `cpu`: "avx512", "avx2", "baseline" bound
 * the instruction set for the whole process, NULL or "" leave it; a process that has begun with one cannot take
 * another. threads: of each operation, >= 1. 0, or negative engine_error and one line in `error` (ENGINE_ERROR_SIZE).
 */
__attribute__((warn_unused_result)) int onednn_library_open(const char *cpu, int threads,
                                                            struct onednn_library **ret_library, char *error);
void onednn_library_free(struct onednn_library *library); /* NULL is fine; its operations must be freed before */
/* "2.6.3/avx512_core_amx": version and instruction set; borrowed while the library lives. */
const char *onednn_library_text(const struct onednn_library *library);
int onednn_library_threads(const struct onednn_library *library); /* what OpenMP grants of those asked for */

/* Its memory is the caller's, so that nothing large is allocated in a run. */
struct onednn_op;

/* A convolution, or a gradient of it (kind: not MATMUL), without its pool. FORWARD with a leaky ReLU fuses it; a plain
 * ReLU is left to the caller, because oneDNN's turns NaN into 0. 0; ENGINE_ENOMEM; else oneDNN has no code for the
 * shape that is better than a naive loop (or none). */
__attribute__((warn_unused_result)) int onednn_conv_create(struct onednn_library *library, enum onednn_kind kind,
                                                           const struct conv *conv, bool with_bias,
                                                           struct onednn_op **ret_op);
/* gemm->beta must be 0. Codes as above. */
__attribute__((warn_unused_result)) int onednn_matmul_create(struct onednn_library *library, const struct gemm *gemm,
                                                             struct onednn_op **ret_op);
void onednn_op_free(struct onednn_op *op); /* NULL is fine */
/* Bytes that the caller lends it for each run. */
size_t onednn_op_workspace(const struct onednn_op *op);

/* FORWARD: y = of x, w, bias. DATA: x = of y, w. WEIGHTS: w and bias = of x, y. MATMUL: y = x × w. What is only read is
 * not written although its pointer is not const. bias: NULL where the operation has none. */
struct onednn_arrays {
    void *x, *w, *bias, *y;
};

/* workspace: aligned to 64 bytes. 0, or negative engine_error. */
__attribute__((warn_unused_result)) int onednn_op_run(struct onednn_op *op, const struct onednn_arrays *arrays,
                                                      void *workspace);

#endif
