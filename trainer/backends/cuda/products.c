/*
 * products.c: matrix products by cuBLAS, in the precision that was asked for; sums are float32 in all of them.
 *
 * cuBLAS counts by columns: our row-major C = A × B is its Cᵀ = Bᵀ × Aᵀ, so the operands change places and nothing is
 * transposed. With one stream and a workspace of its own its results are the same in every run.
 */
#include <limits.h>

#include "device.h"
#include "kernels.h"

/* Floats from the first to the last of op's operand: the last row ends before its leading dimension does. */
static int64_t extent(bool transposed, int64_t rows, int64_t columns, int64_t leading) {
    return transposed ? (columns - 1) * leading + rows : (rows - 1) * leading + columns;
}

/* `from` rounded to bfloat16 where that is the precision, else itself. */
static const void *operand(struct cuda *cuda, enum scratch which, int64_t count, const float *from) {
    if (cuda->precision != PRECISION_BF16) return from;
    void *to = memory_scratch(cuda, which, (size_t)count * 2);
    if (to == NULL) return NULL;
    kernels_arrange(cuda->lane->stream, (struct arrangement){.bfloat16 = true}, 1, count, 1, from, to);
    return cuda_launched(cuda, "rounding a product's operand") ? to : NULL;
}

static cublasComputeType_t compute_type(enum precision precision) {
    switch (precision) {
    case PRECISION_TF32:
        return CUBLAS_COMPUTE_32F_FAST_TF32;
    case PRECISION_BF16:
        return CUBLAS_COMPUTE_32F;
    case PRECISION_FLOAT32:
        break;
    }
    return CUBLAS_COMPUTE_32F_PEDANTIC;
}

static void multiply(struct cuda *cuda, const struct gemm *g, const float *a, const float *b, float *c) {
    const float one = 1;
    const void *left = operand(cuda, SCRATCH_FIRST, extent(g->transpose_a, g->m, g->k, g->lda), a);
    const void *right = operand(cuda, SCRATCH_SECOND, extent(g->transpose_b, g->k, g->n, g->ldb), b);
    if (left == NULL || right == NULL) return;
    cudaDataType_t type = cuda->precision == PRECISION_BF16 ? CUDA_R_16BF : CUDA_R_32F;
    cublasStatus_t code =
        cuda->libraries.cublasGemmEx(cuda->lane->products, g->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                                     g->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, (int)g->n, (int)g->m, (int)g->k, &one,
                                     right, type, (int)g->ldb, left, type, (int)g->lda, &g->beta, c, CUDA_R_32F,
                                     (int)g->ldc, compute_type(cuda->precision), CUBLAS_GEMM_DEFAULT);
    cuda_check_products(cuda, code, "a matrix product");
}

void cuda_gemm(struct backend *backend, const struct gemm *gemm, const float *a, const float *b, float *c) {
    struct cuda *cuda = cuda_of(backend);
    int64_t widest = gemm->lda > gemm->ldb ? gemm->lda : gemm->ldb;
    widest = widest > gemm->ldc ? widest : gemm->ldc;
    EACH_LANE(cuda) {
        if (gemm->m > INT_MAX || gemm->n > INT_MAX || gemm->k > INT_MAX || widest > INT_MAX) {
            cuda_fail(cuda, ENGINE_ESHAPE, "a matrix product is too large for cuBLAS");
        } else {
            multiply(cuda, gemm, a, b, c);
        }
    }
}
