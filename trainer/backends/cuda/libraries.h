/*
 * libraries.h: cuBLAS and cuDNN, opened at run time by soname, so that a program starts where they are not.
 */
#ifndef BACKENDS_CUDA_LIBRARIES_H
#define BACKENDS_CUDA_LIBRARIES_H

#include <cublas_v2.h>
#include <cudnn.h>
#include <stddef.h>

#define CUBLAS_FUNCTIONS(X)                                                                                            \
    X(cublasCreate_v2)                                                                                                 \
    X(cublasDestroy_v2)                                                                                                \
    X(cublasSetStream_v2)                                                                                              \
    X(cublasSetWorkspace_v2)                                                                                           \
    X(cublasSetMathMode)                                                                                               \
    X(cublasGemmEx)                                                                                                    \
    X(cublasGetStatusString)

#define CUDNN_FUNCTIONS(X)                                                                                             \
    X(cudnnCreate)                                                                                                     \
    X(cudnnDestroy)                                                                                                    \
    X(cudnnSetStream)                                                                                                  \
    X(cudnnGetVersion)                                                                                                 \
    X(cudnnGetErrorString)                                                                                             \
    X(cudnnCreateTensorDescriptor)                                                                                     \
    X(cudnnDestroyTensorDescriptor)                                                                                    \
    X(cudnnSetTensor4dDescriptor)                                                                                      \
    X(cudnnCreateFilterDescriptor)                                                                                     \
    X(cudnnDestroyFilterDescriptor)                                                                                    \
    X(cudnnSetFilter4dDescriptor)                                                                                      \
    X(cudnnCreateConvolutionDescriptor)                                                                                \
    X(cudnnDestroyConvolutionDescriptor)                                                                               \
    X(cudnnSetConvolution2dDescriptor)                                                                                 \
    X(cudnnSetConvolutionMathType)                                                                                     \
    X(cudnnGetConvolutionForwardAlgorithm_v7)                                                                          \
    X(cudnnGetConvolutionBackwardDataAlgorithm_v7)                                                                     \
    X(cudnnGetConvolutionBackwardFilterAlgorithm_v7)                                                                   \
    X(cudnnConvolutionForward)                                                                                         \
    X(cudnnConvolutionBackwardData)                                                                                    \
    X(cudnnConvolutionBackwardFilter)

/* Each function under its own name. */
struct libraries {
    void *cublas, *cudnn; /* of dlopen */
#define MEMBER(name) __typeof__(name) *name;
    CUBLAS_FUNCTIONS(MEMBER)
    CUDNN_FUNCTIONS(MEMBER)
#undef MEMBER
};

/* 0, or -1 and one line in `error` (size bytes) that names what is missing; then there is nothing to close. */
__attribute__((warn_unused_result)) int libraries_open(struct libraries *libraries, char *error, size_t size);
/* Not opened (all zero): nothing happens. */
void libraries_close(struct libraries *libraries);

#endif
