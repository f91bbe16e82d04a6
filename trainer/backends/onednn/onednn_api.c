/*
 * onednn_api.c: opens oneDNN, and makes its calls that are not the same in versions 2 and 3.
 *
 * dlopen and not a link: linked, its relocated tables cost 4 MiB in every run that does not use it, and the program
 * would not start where the library is missing.
 */
#include "onednn_api.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"

struct onednn_api onednn_api;

/* ---- opening ---- */

static void *library;

#define TEXT2(number) #number
#define TEXT(number) TEXT2(number)
#define LIBRARY "libdnnl.so." TEXT(DNNL_VERSION_MAJOR)

/* POSIX promises that a function's address fits a data pointer; ISO C does not, hence the copy. */
static bool find(void *from, const char *name, void *ret_function) {
    void *symbol = dlsym(from, name);
    memcpy(ret_function, &symbol, sizeof symbol);
    return symbol != NULL;
}

/* As the loader bound oneDNN's own calls: first what the program has, then what oneDNN brought. */
static bool find_openmp(const char *name, void *ret_function) {
    return find(RTLD_DEFAULT, name, ret_function) || find(library, name, ret_function);
}

static bool find_all(void) {
    bool found = true;
#define FIND(name) found = find(library, #name, &onednn_api.name) && found;
    ONEDNN_FUNCTIONS(FIND)
#undef FIND
    return found && find_openmp("omp_get_max_threads", &onednn_api.omp_get_max_threads) &&
           find_openmp("omp_set_num_threads", &onednn_api.omp_set_num_threads) &&
           find_openmp("omp_get_dynamic", &onednn_api.omp_get_dynamic) &&
           find_openmp("omp_set_dynamic", &onednn_api.omp_set_dynamic) &&
           find_openmp("omp_get_thread_limit", &onednn_api.omp_get_thread_limit);
}

int onednn_api_open(char *error) {
    if (library != NULL) return ENGINE_OK;
    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(error, ENGINE_ERROR_SIZE, "onednn: %s cannot be opened (Debian: package libdnnl%d)", LIBRARY,
                 DNNL_VERSION_MAJOR);
        return ENGINE_EBACKEND;
    }
    if (find_all()) return ENGINE_OK;
    dlclose(library);
    library = NULL;
    snprintf(error, ENGINE_ERROR_SIZE, "onednn: the %s found lacks a function, or runs without OpenMP", LIBRARY);
    return ENGINE_EBACKEND;
}

int onednn_error(dnnl_status_t status) {
    switch (status) {
    case dnnl_success:
        return ENGINE_OK;
    case dnnl_out_of_memory:
        return ENGINE_ENOMEM;
    case dnnl_unimplemented:
    case dnnl_invalid_arguments:
        return ENGINE_ESHAPE;
    default:
        return ENGINE_EBACKEND;
    }
}

/* ---- shapes ---- */

desc_ref desc_ref_of(const struct desc *desc) {
    if (!desc->made) return NULL;
#if ONEDNN_VERSION_3
    return desc->md;
#else
    return &desc->md;
#endif
}

int desc_init(struct desc *desc, int count, const dnnl_dim_t *dims, const dnnl_dim_t *strides) {
    const struct onednn_api *api = &onednn_api;
#if ONEDNN_VERSION_3
    dnnl_status_t status =
        strides != NULL ? api->dnnl_memory_desc_create_with_strides(&desc->md, count, dims, dnnl_f32, strides)
                        : api->dnnl_memory_desc_create_with_tag(&desc->md, count, dims, dnnl_f32, dnnl_format_tag_any);
#else
    dnnl_status_t status =
        strides != NULL ? api->dnnl_memory_desc_init_by_strides(&desc->md, count, dims, dnnl_f32, strides)
                        : api->dnnl_memory_desc_init_by_tag(&desc->md, count, dims, dnnl_f32, dnnl_format_tag_any);
#endif
    desc->made = status == dnnl_success;
    return onednn_error(status);
}

void desc_release(struct desc *desc) {
#if ONEDNN_VERSION_3
    if (desc->made) onednn_api.dnnl_memory_desc_destroy(desc->md);
#endif
    desc->made = false;
}

/* ---- operations ---- */

#if ONEDNN_VERSION_3

static dnnl_status_t conv_describe(dnnl_engine_t engine, enum onednn_kind kind, const struct shapes *s,
                                   dnnl_primitive_attr_t attr, dnnl_primitive_desc_t hint,
                                   dnnl_primitive_desc_t *ret_desc) {
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    switch (kind) {
    case ONEDNN_FORWARD:
        return onednn_api.dnnl_convolution_forward_primitive_desc_create(ret_desc, engine, dnnl_forward_training,
                                                                         direct, desc_ref_of(&s->x), desc_ref_of(&s->w),
                                                                         desc_ref_of(&s->bias), desc_ref_of(&s->y),
                                                                         s->strides, s->dilates, s->pads, s->pads,
                                                                         attr);
    case ONEDNN_DATA:
        return onednn_api.dnnl_convolution_backward_data_primitive_desc_create(ret_desc, engine, direct,
                                                                               desc_ref_of(&s->x), desc_ref_of(&s->w),
                                                                               desc_ref_of(&s->y), s->strides,
                                                                               s->dilates, s->pads, s->pads, hint,
                                                                               attr);
    default:
        return onednn_api.dnnl_convolution_backward_weights_primitive_desc_create(
            ret_desc, engine, direct, desc_ref_of(&s->x), desc_ref_of(&s->w), desc_ref_of(&s->bias), desc_ref_of(&s->y),
            s->strides, s->dilates, s->pads, s->pads, hint, attr);
    }
}

static dnnl_status_t matmul_describe(dnnl_engine_t engine, const struct shapes *s, dnnl_primitive_attr_t attr,
                                     dnnl_primitive_desc_t *ret_desc) {
    return onednn_api.dnnl_matmul_primitive_desc_create(ret_desc, engine, desc_ref_of(&s->x), desc_ref_of(&s->w), NULL,
                                                        desc_ref_of(&s->y), attr);
}

#else

static dnnl_status_t conv_describe(dnnl_engine_t engine, enum onednn_kind kind, const struct shapes *s,
                                   dnnl_primitive_attr_t attr, dnnl_primitive_desc_t hint,
                                   dnnl_primitive_desc_t *ret_desc) {
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    dnnl_convolution_desc_t desc;
    dnnl_status_t status;
    switch (kind) {
    case ONEDNN_FORWARD:
        status = onednn_api.dnnl_convolution_forward_desc_init(&desc, dnnl_forward_training, direct, desc_ref_of(&s->x),
                                                               desc_ref_of(&s->w), desc_ref_of(&s->bias),
                                                               desc_ref_of(&s->y), s->strides, s->pads, s->pads);
        break;
    case ONEDNN_DATA:
        status =
            onednn_api.dnnl_convolution_backward_data_desc_init(&desc, direct, desc_ref_of(&s->x), desc_ref_of(&s->w),
                                                                desc_ref_of(&s->y), s->strides, s->pads, s->pads);
        break;
    default:
        status =
            onednn_api.dnnl_convolution_backward_weights_desc_init(&desc, direct, desc_ref_of(&s->x),
                                                                   desc_ref_of(&s->w), desc_ref_of(&s->bias),
                                                                   desc_ref_of(&s->y), s->strides, s->pads, s->pads);
        break;
    }
    if (status != dnnl_success) return status;
    return onednn_api.dnnl_primitive_desc_create(ret_desc, &desc, attr, engine, hint);
}

static dnnl_status_t matmul_describe(dnnl_engine_t engine, const struct shapes *s, dnnl_primitive_attr_t attr,
                                     dnnl_primitive_desc_t *ret_desc) {
    dnnl_matmul_desc_t desc;
    dnnl_status_t status =
        onednn_api.dnnl_matmul_desc_init(&desc, desc_ref_of(&s->x), desc_ref_of(&s->w), NULL, desc_ref_of(&s->y));
    if (status != dnnl_success) return status;
    return onednn_api.dnnl_primitive_desc_create(ret_desc, &desc, attr, engine, NULL);
}

#endif

dnnl_status_t onednn_describe(dnnl_engine_t engine, enum onednn_kind kind, const struct shapes *shapes,
                              dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t hint,
                              dnnl_primitive_desc_t *ret_desc) {
    if (kind == ONEDNN_MATMUL) return matmul_describe(engine, shapes, attributes, ret_desc);
    return conv_describe(engine, kind, shapes, attributes, hint, ret_desc);
}

dnnl_status_t onednn_append_leaky_relu(dnnl_post_ops_t post_ops, float slope) {
#if ONEDNN_VERSION_3
    return onednn_api.dnnl_post_ops_append_eltwise(post_ops, dnnl_eltwise_relu, slope, 0);
#else
    return onednn_api.dnnl_post_ops_append_eltwise(post_ops, 1, dnnl_eltwise_relu, slope, 0);
#endif
}
