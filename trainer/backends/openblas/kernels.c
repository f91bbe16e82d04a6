/*
 * kernels.c: picks the instruction set. The sets are kernels_set.c compiled several times (see CMakeLists.txt).
 */
#include "kernels.h"

#include <string.h>

extern const struct kernels kernels_baseline;
#ifdef KERNELS_X86
extern const struct kernels kernels_avx2, kernels_avx512;
#endif

static bool runs(const struct kernels *set) {
#ifdef KERNELS_X86
    if (set == &kernels_avx512) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("fma");
    }
    if (set == &kernels_avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return set == &kernels_baseline;
}

const struct kernels *kernels_find(const char *name) {
    static const struct kernels *const sets[] = {
#ifdef KERNELS_X86
        &kernels_avx512, &kernels_avx2,
#endif
        &kernels_baseline};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        bool wanted = name == NULL || name[0] == '\0' || strcmp(name, sets[i]->name) == 0;
        if (wanted && runs(sets[i])) return sets[i];
    }
    return NULL;
}
