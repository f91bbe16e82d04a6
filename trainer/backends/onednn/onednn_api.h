/*
 * onednn_api.h: oneDNN's functions, found at run time, and what differs between its versions 2 (from 2.5 on) and 3.
 *
 * This pair of files is all that a new version of oneDNN should touch: descriptions of shapes and operations, post-ops.
 * Which version is built is that of the headers; the library that is opened must have the same major number.
 */
#ifndef BACKENDS_ONEDNN_API_H
#define BACKENDS_ONEDNN_API_H

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>

#include "backend.h"

#define ONEDNN_VERSION_3 (DNNL_VERSION_MAJOR >= 3)

/* Functions that are the same in both versions, then those of one. */
#define ONEDNN_FUNCTIONS_BOTH(X)                                                                                       \
    X(dnnl_version)                                                                                                    \
    X(dnnl_set_max_cpu_isa)                                                                                            \
    X(dnnl_get_effective_cpu_isa)                                                                                      \
    X(dnnl_engine_create)                                                                                              \
    X(dnnl_engine_destroy)                                                                                             \
    X(dnnl_stream_create)                                                                                              \
    X(dnnl_stream_destroy)                                                                                             \
    X(dnnl_stream_wait)                                                                                                \
    X(dnnl_memory_create)                                                                                              \
    X(dnnl_memory_destroy)                                                                                             \
    X(dnnl_memory_set_data_handle)                                                                                     \
    X(dnnl_memory_desc_get_size)                                                                                       \
    X(dnnl_memory_desc_equal)                                                                                          \
    X(dnnl_primitive_attr_create)                                                                                      \
    X(dnnl_primitive_attr_destroy)                                                                                     \
    X(dnnl_primitive_attr_set_scratchpad_mode)                                                                         \
    X(dnnl_primitive_attr_set_fpmath_mode)                                                                             \
    X(dnnl_primitive_attr_set_post_ops)                                                                                \
    X(dnnl_post_ops_create)                                                                                            \
    X(dnnl_post_ops_destroy)                                                                                           \
    X(dnnl_post_ops_append_eltwise)                                                                                    \
    X(dnnl_primitive_desc_destroy)                                                                                     \
    X(dnnl_primitive_desc_query)                                                                                       \
    X(dnnl_primitive_desc_query_md)                                                                                    \
    X(dnnl_reorder_primitive_desc_create)                                                                              \
    X(dnnl_primitive_create)                                                                                           \
    X(dnnl_primitive_destroy)                                                                                          \
    X(dnnl_primitive_execute)
#if ONEDNN_VERSION_3
#define ONEDNN_FUNCTIONS(X)                                                                                            \
    ONEDNN_FUNCTIONS_BOTH(X)                                                                                           \
    X(dnnl_memory_desc_create_with_strides)                                                                            \
    X(dnnl_memory_desc_create_with_tag)                                                                                \
    X(dnnl_memory_desc_destroy)                                                                                        \
    X(dnnl_convolution_forward_primitive_desc_create)                                                                  \
    X(dnnl_convolution_backward_data_primitive_desc_create)                                                            \
    X(dnnl_convolution_backward_weights_primitive_desc_create)                                                         \
    X(dnnl_matmul_primitive_desc_create)
#else
#define ONEDNN_FUNCTIONS(X)                                                                                            \
    ONEDNN_FUNCTIONS_BOTH(X)                                                                                           \
    X(dnnl_memory_desc_init_by_strides)                                                                                \
    X(dnnl_memory_desc_init_by_tag)                                                                                    \
    X(dnnl_convolution_forward_desc_init)                                                                              \
    X(dnnl_convolution_backward_data_desc_init)                                                                        \
    X(dnnl_convolution_backward_weights_desc_init)                                                                     \
    X(dnnl_matmul_desc_init)                                                                                           \
    X(dnnl_primitive_desc_create)
#endif

struct onednn_api {
#define POINTER(name) __typeof__(&name) name;
    ONEDNN_FUNCTIONS(POINTER)
#undef POINTER
    /* Of the OpenMP library that oneDNN runs on. */
    int (*omp_get_max_threads)(void);
    void (*omp_set_num_threads)(int threads);
    int (*omp_get_dynamic)(void);
    void (*omp_set_dynamic)(int dynamic);
    int (*omp_get_thread_limit)(void);
};

/* One per process; filled by onednn_api_open. */
extern struct onednn_api onednn_api;

/* Opens the library once per process and never closes it: its threads may be in use. 0, or negative engine_error and
 * one line in `error` (ENGINE_ERROR_SIZE). */
__attribute__((warn_unused_result)) int onednn_api_open(char *error);

/* As engine_error; ENGINE_ESHAPE: oneDNN has no such operation. */
int onednn_error(dnnl_status_t status);

/* The shape of an array and its order in memory. */
struct desc {
    dnnl_memory_desc_t md;
    bool made;
};

#if ONEDNN_VERSION_3
typedef const_dnnl_memory_desc_t desc_ref;
#else
typedef const dnnl_memory_desc_t *desc_ref;
#endif

/* NULL where it was not made. Borrowed while `desc` lives. */
desc_ref desc_ref_of(const struct desc *desc);
/* Float32; strides in elements, NULL: the order that oneDNN likes best. 0, or negative engine_error. */
__attribute__((warn_unused_result)) int desc_init(struct desc *desc, int count, const dnnl_dim_t *dims,
                                                  const dnnl_dim_t *strides);
void desc_release(struct desc *desc); /* zeroed storage is fine */

/* The arrays of a convolution or a product; w in the order that oneDNN likes, plain_w as the engine has it. */
struct shapes {
    struct desc x, w, plain_w, bias, y;
    dnnl_dims_t strides, dilates, pads; /* of a convolution */
};

enum onednn_kind { ONEDNN_FORWARD, ONEDNN_DATA, ONEDNN_WEIGHTS, ONEDNN_MATMUL };

/* The implementation that oneDNN has for it. hint: the forward pass's, for gradients, else NULL. */
dnnl_status_t onednn_describe(dnnl_engine_t engine, enum onednn_kind kind, const struct shapes *shapes,
                              dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t hint,
                              dnnl_primitive_desc_t *ret_desc);
/* Appends: x < 0: slope × x. */
dnnl_status_t onednn_append_leaky_relu(dnnl_post_ops_t post_ops, float slope);

#endif
