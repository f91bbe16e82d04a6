/*
 * cuda.c: the backend's life, and its table.
 */
#include "cuda_backend.h"

#include <stdio.h>
#include <stdlib.h>

#include "device.h"
#include "operations.h"
#include "plans.h"

#define COMPUTE_LEAST 80                     /* the oldest that our kernels are built for: 8.0 */
#define PRODUCT_WORKSPACE ((size_t)32 << 20) /* what cuBLAS asks for on compute 9.0 */

static const char *precision_name(enum precision precision) {
    static const char *const names[] = {
        [PRECISION_FLOAT32] = "float32", [PRECISION_TF32] = "tf32", [PRECISION_BF16] = "bf16"};
    return names[precision];
}

static int no_device(char *error, cudaError_t code) {
    int driver = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
        snprintf(error, ENGINE_ERROR_SIZE, "cuda: no CUDA driver (libcuda.so.1): use --backend openblas");
    } else if (code == cudaErrorInsufficientDriver) {
        snprintf(error, ENGINE_ERROR_SIZE,
                 "cuda: the driver knows CUDA %d.%d, this needs %d.%d: use --backend openblas", driver / 1000,
                 driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    } else {
        snprintf(error, ENGINE_ERROR_SIZE, "cuda: no CUDA device (driver %d.%d): use --backend openblas", driver / 1000,
                 driver % 1000 / 10);
    }
    (void)cudaGetLastError();
    return ENGINE_EBACKEND;
}

static int check_device(struct cudaDeviceProp *ret_device, char *error) {
    int count = 0;
    cudaError_t code = cudaGetDeviceCount(&count);
    if (code == cudaSuccess && count > 0) code = cudaGetDeviceProperties(ret_device, 0);
    if (code != cudaSuccess || count == 0) return no_device(error, code);
    if (ret_device->major * 10 + ret_device->minor < COMPUTE_LEAST) {
        snprintf(error, ENGINE_ERROR_SIZE, "cuda: %.80s has compute %d.%d, this needs 8.0: use --backend openblas",
                 ret_device->name, ret_device->major, ret_device->minor);
        return ENGINE_EBACKEND;
    }
    return ENGINE_OK;
}

/* A lane's stream and handles; what is made is released by release_lane in either case. */
static bool make_lane(struct cuda *cuda, struct lane *lane, char *why, size_t size) {
    const struct libraries *l = &cuda->libraries;
    cudaError_t code = cudaStreamCreateWithFlags(&lane->stream, cudaStreamNonBlocking);
    if (code != cudaSuccess) {
        snprintf(why, size, "a stream: %s", cudaGetErrorString(code));
        return false;
    }
    cublasStatus_t products = l->cublasCreate_v2(&lane->products);
    if (products == CUBLAS_STATUS_SUCCESS) products = l->cublasSetStream_v2(lane->products, lane->stream);
    /* Behind SetStream, which takes the workspace away. Else cuBLAS would allocate inside a capture. */
    if (products == CUBLAS_STATUS_SUCCESS) {
        products = l->cublasSetWorkspace_v2(lane->products, cuda->product_workspace, PRODUCT_WORKSPACE);
    }
    if (products != CUBLAS_STATUS_SUCCESS) {
        snprintf(why, size, "cuBLAS: %s", l->cublasGetStatusString(products));
        return false;
    }
    cudnnStatus_t convolutions = l->cudnnCreate(&lane->convolutions);
    if (convolutions == CUDNN_STATUS_SUCCESS) convolutions = l->cudnnSetStream(lane->convolutions, lane->stream);
    if (convolutions != CUDNN_STATUS_SUCCESS) {
        snprintf(why, size, "cuDNN: %s", l->cudnnGetErrorString(convolutions));
        return false;
    }
    return true;
}

static void release_lane(const struct cuda *cuda, struct lane *lane) {
    if (lane->convolutions != NULL) cuda->libraries.cudnnDestroy(lane->convolutions);
    if (lane->products != NULL) cuda->libraries.cublasDestroy_v2(lane->products);
    if (lane->stream != NULL) cudaStreamDestroy(lane->stream);
}

static void close_backend(struct backend *backend) {
    if (backend == NULL) return;
    struct cuda *cuda = cuda_of(backend);
    cuda_step_end(backend);
    if (cuda->lanes[0].stream != NULL) cudaStreamSynchronize(cuda->lanes[0].stream);
    records_drop(&cuda->records);
    plans_release(cuda);
    for (int i = 0; i < LANES; i++) {
        release_lane(cuda, &cuda->lanes[i]);
    }
    memory_release(cuda);
    cudaFree(cuda->product_workspace);
    libraries_close(&cuda->libraries);
    (void)cudaGetLastError();
    free(cuda);
}

static int init(struct cuda *cuda, const struct cudaDeviceProp *device, char *error) {
    char why[160];
    steps_init(cuda);
    if (libraries_open(&cuda->libraries, error, ENGINE_ERROR_SIZE) < 0) return ENGINE_EBACKEND;
    int code = memory_init(cuda, error);
    if (code < 0) return code;
    bool good = cudaMalloc(&cuda->product_workspace, PRODUCT_WORKSPACE) == cudaSuccess;
    if (!good) snprintf(why, sizeof why, "a workspace: %s", cudaGetErrorString(cudaGetLastError()));
    for (int i = 0; i < LANES && good; i++) {
        good = make_lane(cuda, &cuda->lanes[i], why, sizeof why);
    }
    if (!good) {
        snprintf(error, ENGINE_ERROR_SIZE, "cuda: cannot make %s: use --backend openblas", why);
        return ENGINE_EBACKEND;
    }
    size_t cudnn = cuda->libraries.cudnnGetVersion(); /* 91900: 9.19.0 */
    int runtime = CUDART_VERSION;
    snprintf(cuda->text, sizeof cuda->text, "cuda (%.40s, compute %d.%d, CUDA %d.%d, cuDNN %zu.%zu, %s)", device->name,
             device->major, device->minor, runtime / 1000, runtime % 1000 / 10, cudnn / 10000, cudnn % 10000 / 100,
             precision_name(cuda->precision));
    snprintf(cuda->numerics, sizeof cuda->numerics, "cuda/%.40s/%d.%d/%d.%d/%zu.%zu.%zu/%s", device->name,
             device->major, device->minor, runtime / 1000, runtime % 1000 / 10, cudnn / 10000, cudnn % 10000 / 100,
             cudnn % 100, precision_name(cuda->precision));
    return ENGINE_OK;
}

static int open_backend(const struct backend_options *options, struct backend **ret_backend, char *error) {
    struct cudaDeviceProp device;
    if (options->precision > PRECISION_BF16) {
        snprintf(error, ENGINE_ERROR_SIZE, "cuda: the precision must be float32, tf32 or bf16");
        return ENGINE_EBACKEND;
    }
    int code = check_device(&device, error);
    if (code < 0) return code;
    struct cuda *cuda = calloc(1, sizeof *cuda);
    if (cuda == NULL) {
        snprintf(error, ENGINE_ERROR_SIZE, "cuda: out of memory");
        return ENGINE_ENOMEM;
    }
    cuda->backend.ops = &backend_cuda;
    cuda->precision = options->precision;
    code = init(cuda, &device, error);
    if (code < 0) {
        close_backend(&cuda->backend);
        return code;
    }
    *ret_backend = &cuda->backend;
    return ENGINE_OK;
}

static const char *text(const struct backend *backend) {
    return ((const struct cuda *)backend)->text;
}

static const char *numerics(const struct backend *backend) {
    return ((const struct cuda *)backend)->numerics;
}

static int status(struct backend *backend) {
    struct cuda *cuda = cuda_of(backend);
    if (cuda->status >= 0) cuda_check(cuda, cudaStreamSynchronize(cuda->lanes[0].stream), "the work on the device");
    return cuda->status;
}

const struct backend_ops backend_cuda = {
    .name = "cuda",
    .open = open_backend,
    .close = close_backend,
    .text = text,
    .numerics = numerics,
    .status = status,
    .alloc = cuda_alloc,
    .free = cuda_release,
    .upload = cuda_upload,
    .download = cuda_download,
    .zero = cuda_zero,
    .copy = cuda_copy,
    .fetch = cuda_fetch,
    .fetched = cuda_fetched,
    .step_begin = cuda_step_begin,
    .step_end = cuda_step_end,
    .scale = cuda_scale,
    .gemm = cuda_gemm,
    .bias_activation = cuda_bias_activation,
    .activation_backward = cuda_activation_backward,
    .dropout = cuda_dropout,
    .noise = cuda_noise,
    .conv_forward = cuda_conv_forward,
    .conv_backward_data = cuda_conv_backward_data,
    .conv_backward_weights = cuda_conv_backward_weights,
    .pool_forward = cuda_pool_forward,
    .pool_backward = cuda_pool_backward,
    .batch_norm_forward = cuda_batch_norm_forward,
    .batch_norm_evaluate = cuda_batch_norm_evaluate,
    .batch_norm_backward = cuda_batch_norm_backward,
    .softmax_cross_entropy = cuda_softmax_cross_entropy,
    .squared_error = cuda_squared_error,
    .logit_loss = cuda_logit_loss,
    .sample_latent = cuda_sample_latent,
    .sample_latent_backward = cuda_sample_latent_backward,
    .adam = cuda_adam,
    .gemm_adam = NULL,
    .sgd = cuda_sgd,
    .is_finite = cuda_is_finite,
};
