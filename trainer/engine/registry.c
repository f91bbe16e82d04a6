/*
 * registry.c: the one file that knows which backends exist; fastest first.
 *
 * Measured, samples a second at batch 128, two threads, onednn to openblas: conv-autoencoder 1.8, softmax 1.7, mlp 1.5,
 * autoencoder 1.08, vae 1.03, dcgan and gan 1.02, lenet 1.01, cnn3 0.97, cnn 0.94.
 */
#include "registry.h"

#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "openblas.h"
#ifdef TRAINBOT_ONEDNN
#include "onednn.h"
#endif
#ifdef TRAINBOT_CUDA
#include "cuda_backend.h"
#endif

static const struct backend_ops *const table[] = {
#ifdef TRAINBOT_CUDA
    &backend_cuda,
#endif
#ifdef TRAINBOT_ONEDNN
    &backend_onednn,
#endif
    &backend_openblas,
};
#define TABLE_COUNT (sizeof table / sizeof table[0])

const char *engine_backends(void) {
    static char text[128]; /* the same words each time, so a second caller does no harm */
    size_t used = (size_t)snprintf(text, sizeof text, "auto");
    for (size_t i = 0; i < TABLE_COUNT && used < sizeof text; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, ", %s", table[i]->name);
    }
    return text;
}

static int open_first(const struct backend_options *options, struct backend **ret_backend, char *ret_why, char *error) {
    char reasons[ENGINE_ERROR_SIZE] = "";
    int last = ENGINE_EBACKEND; /* of the one that is always there */
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        char reason[ENGINE_ERROR_SIZE] = "";
        const int code = table[i]->open(options, ret_backend, reason);
        if (code == ENGINE_OK) {
            if (reasons[0] == '\0') {
                snprintf(ret_why, BACKEND_TEXT_SIZE, "auto: the fastest of this build");
            } else {
                snprintf(ret_why, BACKEND_TEXT_SIZE, "auto: %.110s", reasons);
            }
            return ENGINE_OK;
        }
        last = code;
        size_t used = strlen(reasons);
        if (strstr(reasons, reason) != NULL) continue; /* one is built upon the other and says the same */
        snprintf(reasons + used, sizeof reasons - used, "%s%s", used > 0 ? "; " : "", reason);
    }
    snprintf(error, ENGINE_ERROR_SIZE, "%s", reasons);
    return last == ENGINE_ENOMEM ? ENGINE_ENOMEM : ENGINE_EBACKEND;
}

int registry_open(const char *name, const struct backend_options *options, struct backend **ret_backend, char *ret_why,
                  char *error) {
    if (strcmp(name, "auto") == 0) {
        return open_first(options, ret_backend, ret_why, error);
    }
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(table[i]->name, name) == 0) {
            ret_why[0] = '\0';
            return table[i]->open(options, ret_backend, error);
        }
    }
    snprintf(error, ENGINE_ERROR_SIZE, "no backend is called \"%.64s\" (there are: %s)", name, engine_backends());
    return ENGINE_EBACKEND;
}
