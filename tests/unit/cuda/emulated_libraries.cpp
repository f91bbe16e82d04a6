/*
 * emulated_libraries.cpp: cuBLAS and cuDNN as plain loops: what the backend asks of them, in their conventions (columns
 * first; both layouts; bfloat16). cuDNN's ranking also holds what a real one may: an algorithm that is not supported,
 * one that wants too much memory, one that adds in any order, one that is refused only when it is run. Filters of two
 * rows it does not have at all.
 */
#include "emulated.h"

#include <cuda_bf16.h>
#include <stdio.h>
#include <string.h>
#include <vector>

#include <cublas_v2.h>
#include <cudnn.h>

struct cublasContext {
    cudaStream_t stream;
    void *workspace;
};
struct cudnnContext {
    cudaStream_t stream;
};
struct cudnnTensorStruct {
    cudnnTensorFormat_t format;
    cudnnDataType_t type;
    int64_t n, c, h, w;
};
struct cudnnFilterStruct {
    cudnnTensorFormat_t format;
    cudnnDataType_t type;
    int64_t n, c, h, w; /* n: filters */
};
struct cudnnConvolutionStruct {
    int64_t pad, stride;
    cudnnMathType_t math;
};

/* ---- cuBLAS ---- */

extern "C" cublasStatus_t emulated_cublasCreate_v2(cublasHandle_t *handle) {
    *handle = new cublasContext();
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t emulated_cublasDestroy_v2(cublasHandle_t handle) {
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t emulated_cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
    handle->stream = stream;
    handle->workspace = NULL; /* as the real one does */
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t emulated_cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace, size_t) {
    handle->workspace = workspace;
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" cublasStatus_t emulated_cublasSetMathMode(cublasHandle_t, cublasMath_t) {
    return CUBLAS_STATUS_SUCCESS;
}

extern "C" const char *emulated_cublasGetStatusString(cublasStatus_t) {
    return "emulated failure";
}

static double value(const void *memory, int64_t i, bool half) {
    return half ? static_cast<double>(__bfloat162float(static_cast<const __nv_bfloat16 *>(memory)[i]))
                : static_cast<double>(static_cast<const float *>(memory)[i]);
}

static void store(void *memory, int64_t i, bool half, double x) {
    if (half) {
        static_cast<__nv_bfloat16 *>(memory)[i] = __float2bfloat16_rn(static_cast<float>(x));
    } else {
        static_cast<float *>(memory)[i] = static_cast<float>(x);
    }
}

extern "C" cublasStatus_t emulated_cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                                                int m, int n, int k, const void *alpha, const void *a,
                                                cudaDataType_t a_type, int lda, const void *b, cudaDataType_t b_type,
                                                int ldb, const void *beta, void *c, cudaDataType_t c_type, int ldc,
                                                cublasComputeType_t, cublasGemmAlgo_t) {
    if (handle->workspace == NULL || a_type != b_type || c_type != CUDA_R_32F) return CUBLAS_STATUS_INVALID_VALUE;
    if (lda < (op_a == CUBLAS_OP_N ? m : k) || ldb < (op_b == CUBLAS_OP_N ? k : n) || ldc < m) {
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    bool half = a_type == CUDA_R_16BF;
    double factor = static_cast<double>(*static_cast<const float *>(alpha));
    double keep = static_cast<double>(*static_cast<const float *>(beta));
    emulated_submit(handle->stream, std::function<void()>([=]() {
                        for (int64_t column = 0; column < n; column++) {
                            for (int64_t row = 0; row < m; row++) {
                                double sum = 0;
                                for (int64_t i = 0; i < k; i++) {
                                    sum += value(a, op_a == CUBLAS_OP_N ? i * lda + row : row * lda + i, half) *
                                           value(b, op_b == CUBLAS_OP_N ? column * ldb + i : i * ldb + column, half);
                                }
                                int64_t at = column * ldc + row;
                                store(c, at, false, factor * sum + (keep != 0 ? keep * value(c, at, false) : 0));
                            }
                        }
                    }));
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- cuDNN: life and descriptors ---- */

extern "C" cudnnStatus_t emulated_cudnnCreate(cudnnHandle_t *handle) {
    *handle = new cudnnContext();
    return CUDNN_STATUS_SUCCESS;
}

extern "C" cudnnStatus_t emulated_cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

extern "C" cudnnStatus_t emulated_cudnnDestroy(cudnnHandle_t handle) {
    delete handle;
    return CUDNN_STATUS_SUCCESS;
}

#define DESCRIPTOR(name, type)                                                                                         \
    extern "C" cudnnStatus_t emulated_cudnnCreate##name##Descriptor(type *made) {                                      \
        *made = new std::remove_pointer_t<type>();                                                                     \
        return CUDNN_STATUS_SUCCESS;                                                                                   \
    }                                                                                                                  \
    extern "C" cudnnStatus_t emulated_cudnnDestroy##name##Descriptor(type made) {                                      \
        delete made;                                                                                                   \
        return CUDNN_STATUS_SUCCESS;                                                                                   \
    }
DESCRIPTOR(Tensor, cudnnTensorDescriptor_t)
DESCRIPTOR(Filter, cudnnFilterDescriptor_t)
DESCRIPTOR(Convolution, cudnnConvolutionDescriptor_t)

extern "C" size_t emulated_cudnnGetVersion() {
    return 91900;
}

extern "C" const char *emulated_cudnnGetErrorString(cudnnStatus_t) {
    return "emulated failure";
}

extern "C" cudnnStatus_t emulated_cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t d, cudnnTensorFormat_t format,
                                                             cudnnDataType_t type, int n, int c, int h, int w) {
    *d = {format, type, n, c, h, w};
    return CUDNN_STATUS_SUCCESS;
}

extern "C" cudnnStatus_t emulated_cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t d, cudnnDataType_t type,
                                                             cudnnTensorFormat_t format, int k, int c, int h, int w) {
    *d = {format, type, k, c, h, w};
    return CUDNN_STATUS_SUCCESS;
}

extern "C" cudnnStatus_t emulated_cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t d, int pad, int,
                                                                  int stride, int, int, int,
                                                                  cudnnConvolutionMode_t mode, cudnnDataType_t type) {
    if (mode != CUDNN_CROSS_CORRELATION || type != CUDNN_DATA_FLOAT) return CUDNN_STATUS_BAD_PARAM;
    d->pad = pad;
    d->stride = stride;
    return CUDNN_STATUS_SUCCESS;
}

extern "C" cudnnStatus_t emulated_cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t d, cudnnMathType_t math) {
    d->math = math;
    return CUDNN_STATUS_SUCCESS;
}

/* ---- cuDNN: algorithms ---- */

enum { REFUSED = 100, GOOD = 101, TOO_LARGE = 102, UNSUPPORTED = 103 }; /* no algorithm of cuDNN has these numbers */

template <typename PERF, typename ALGO>
static cudnnStatus_t rank(const cudnnFilterStruct *w, ALGO any_order, int *count, PERF *found) {
    const int algorithms[] = {UNSUPPORTED, TOO_LARGE, static_cast<int>(any_order), REFUSED, GOOD};
    if (w->h == 2) return CUDNN_STATUS_NOT_SUPPORTED;
    for (int i = 0; i < 5; i++) {
        memset(&found[i], 0, sizeof found[i]);
        found[i].algo = static_cast<ALGO>(algorithms[i]);
        found[i].status = algorithms[i] == UNSUPPORTED ? CUDNN_STATUS_NOT_SUPPORTED : CUDNN_STATUS_SUCCESS;
        found[i].memory = algorithms[i] == TOO_LARGE ? SIZE_MAX / 2 : 1024;
        found[i].determinism = CUDNN_DETERMINISTIC;
    }
    *count = 5;
    return CUDNN_STATUS_SUCCESS;
}

extern "C" cudnnStatus_t emulated_cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t, cudnnTensorDescriptor_t,
                                                                         cudnnFilterDescriptor_t w,
                                                                         cudnnConvolutionDescriptor_t,
                                                                         cudnnTensorDescriptor_t, int, int *count,
                                                                         cudnnConvolutionFwdAlgoPerf_t *found) {
    return rank(w, static_cast<cudnnConvolutionFwdAlgo_t>(UNSUPPORTED), count, found);
}

extern "C" cudnnStatus_t
emulated_cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnnHandle_t, cudnnFilterDescriptor_t w, cudnnTensorDescriptor_t,
                                                     cudnnConvolutionDescriptor_t, cudnnTensorDescriptor_t, int,
                                                     int *count, cudnnConvolutionBwdDataAlgoPerf_t *found) {
    return rank(w, CUDNN_CONVOLUTION_BWD_DATA_ALGO_0, count, found);
}

extern "C" cudnnStatus_t
emulated_cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnnHandle_t, cudnnTensorDescriptor_t, cudnnTensorDescriptor_t,
                                                       cudnnConvolutionDescriptor_t, cudnnFilterDescriptor_t w, int,
                                                       int *count, cudnnConvolutionBwdFilterAlgoPerf_t *found) {
    return rank(w, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3, count, found);
}

/* ---- cuDNN: convolutions ---- */

template <typename T> static int64_t place(const T &d, int64_t n, int64_t c, int64_t h, int64_t w) {
    return d.format == CUDNN_TENSOR_NCHW ? ((n * d.c + c) * d.h + h) * d.w + w : ((n * d.h + h) * d.w + w) * d.c + c;
}

/* Calls `each` with the places in image, filters and output of every product of the convolution. */
template <typename EACH>
static void products(const cudnnTensorStruct &x, const cudnnFilterStruct &w, const cudnnConvolutionStruct &g,
                     const cudnnTensorStruct &y, EACH each) {
    for (int64_t n = 0; n < y.n; n++)
        for (int64_t k = 0; k < y.c; k++)
            for (int64_t i = 0; i < y.h * y.w; i++)
                for (int64_t c = 0; c < x.c; c++)
                    for (int64_t j = 0; j < w.h * w.w; j++) {
                        int64_t h = i / y.w * g.stride + j / w.w - g.pad, at = i % y.w * g.stride + j % w.w - g.pad;
                        if (h < 0 || h >= x.h || at < 0 || at >= x.w) continue;
                        each(place(x, n, c, h, at), place(w, k, c, j / w.w, j % w.w), place(y, n, k, i / y.w, i % y.w));
                    }
}

static bool is_half(cudnnDataType_t type) {
    return type == CUDNN_DATA_BFLOAT16;
}

template <typename T> static int64_t size(const T &d) {
    return d.n * d.c * d.h * d.w;
}

template <typename T> static void store_all(const std::vector<double> &sums, const T &d, void *to) {
    for (int64_t i = 0; i < size(d); i++) {
        store(to, i, is_half(d.type), sums[static_cast<size_t>(i)]);
    }
}

extern "C" cudnnStatus_t emulated_cudnnConvolutionForward(cudnnHandle_t handle, const void *,
                                                          cudnnTensorDescriptor_t xd, const void *x,
                                                          cudnnFilterDescriptor_t wd, const void *w,
                                                          cudnnConvolutionDescriptor_t gd,
                                                          cudnnConvolutionFwdAlgo_t algorithm, void *, size_t,
                                                          const void *, cudnnTensorDescriptor_t yd, void *y) {
    if (static_cast<int>(algorithm) != GOOD) return CUDNN_STATUS_NOT_SUPPORTED;
    cudnnTensorStruct xs = *xd, ys = *yd;
    cudnnFilterStruct ws = *wd;
    cudnnConvolutionStruct g = *gd;
    emulated_submit(handle->stream, std::function<void()>([=]() {
                        std::vector<double> sums(static_cast<size_t>(size(ys)));
                        products(xs, ws, g, ys, [&](int64_t i, int64_t j, int64_t o) {
                            sums[static_cast<size_t>(o)] +=
                                value(x, i, is_half(xs.type)) * value(w, j, is_half(ws.type));
                        });
                        store_all(sums, ys, y);
                    }));
    return CUDNN_STATUS_SUCCESS;
}

extern "C" cudnnStatus_t emulated_cudnnConvolutionBackwardData(cudnnHandle_t handle, const void *,
                                                               cudnnFilterDescriptor_t wd, const void *w,
                                                               cudnnTensorDescriptor_t yd, const void *dy,
                                                               cudnnConvolutionDescriptor_t gd,
                                                               cudnnConvolutionBwdDataAlgo_t algorithm, void *, size_t,
                                                               const void *, cudnnTensorDescriptor_t xd, void *dx) {
    if (static_cast<int>(algorithm) != GOOD) return CUDNN_STATUS_NOT_SUPPORTED;
    cudnnTensorStruct xs = *xd, ys = *yd;
    cudnnFilterStruct ws = *wd;
    cudnnConvolutionStruct g = *gd;
    emulated_submit(handle->stream, std::function<void()>([=]() {
                        std::vector<double> sums(static_cast<size_t>(size(xs)));
                        products(xs, ws, g, ys, [&](int64_t i, int64_t j, int64_t o) {
                            sums[static_cast<size_t>(i)] +=
                                value(dy, o, is_half(ys.type)) * value(w, j, is_half(ws.type));
                        });
                        store_all(sums, xs, dx);
                    }));
    return CUDNN_STATUS_SUCCESS;
}

extern "C" cudnnStatus_t
emulated_cudnnConvolutionBackwardFilter(cudnnHandle_t handle, const void *, cudnnTensorDescriptor_t xd, const void *x,
                                        cudnnTensorDescriptor_t yd, const void *dy, cudnnConvolutionDescriptor_t gd,
                                        cudnnConvolutionBwdFilterAlgo_t algorithm, void *, size_t, const void *,
                                        cudnnFilterDescriptor_t wd, void *dw) {
    if (static_cast<int>(algorithm) != GOOD) return CUDNN_STATUS_NOT_SUPPORTED;
    cudnnTensorStruct xs = *xd, ys = *yd;
    cudnnFilterStruct ws = *wd;
    cudnnConvolutionStruct g = *gd;
    emulated_submit(handle->stream, std::function<void()>([=]() {
                        std::vector<double> sums(static_cast<size_t>(size(ws)));
                        products(xs, ws, g, ys, [&](int64_t i, int64_t j, int64_t o) {
                            sums[static_cast<size_t>(j)] +=
                                value(x, i, is_half(xs.type)) * value(dy, o, is_half(ys.type));
                        });
                        store_all(sums, ws, dw);
                    }));
    return CUDNN_STATUS_SUCCESS;
}
