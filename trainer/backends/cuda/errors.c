/*
 * errors.c: the first failure is kept; on the lane that records it only ends the recording.
 */
#include <stdio.h>

#include "device.h"

void cuda_fail(struct cuda *cuda, int status, const char *what) {
    if (cuda->lane == &cuda->lanes[1]) {
        steps_spoil(cuda, what);
        return;
    }
    if (cuda->status < 0) return;
    cuda->status = status;
    snprintf(cuda->trouble, sizeof cuda->trouble, "%s", what);
    fprintf(stderr, "cuda: %s\n", cuda->trouble);
}

static void fail_words(struct cuda *cuda, int status, const char *what, const char *why) {
    char words[TROUBLE_SIZE];
    snprintf(words, sizeof words, "%.100s failed: %.140s", what, why);
    cuda_fail(cuda, status, words);
}

bool cuda_check(struct cuda *cuda, cudaError_t code, const char *what) {
    if (code == cudaSuccess) return true;
    (void)cudaGetLastError(); /* else the next operation's check would find it again */
    fail_words(cuda, code == cudaErrorMemoryAllocation ? ENGINE_ENOMEM : ENGINE_EBACKEND, what,
               cudaGetErrorString(code));
    return false;
}

bool cuda_check_products(struct cuda *cuda, cublasStatus_t code, const char *what) {
    if (code == CUBLAS_STATUS_SUCCESS) return true;
    fail_words(cuda, code == CUBLAS_STATUS_ALLOC_FAILED ? ENGINE_ENOMEM : ENGINE_EBACKEND, what,
               cuda->libraries.cublasGetStatusString(code));
    return false;
}

bool cuda_check_convolutions(struct cuda *cuda, cudnnStatus_t code, const char *what) {
    if (code == CUDNN_STATUS_SUCCESS) return true;
    fail_words(cuda, ENGINE_EBACKEND, what, cuda->libraries.cudnnGetErrorString(code));
    return false;
}

bool cuda_launched(struct cuda *cuda, const char *what) {
    return cuda_check(cuda, cudaGetLastError(), what);
}

void cuda_first_lane(struct cuda *cuda) {
    cuda->operation++;
    cuda->lane = cuda->status < 0 ? NULL : &cuda->lanes[0];
}

void cuda_next_lane(struct cuda *cuda) {
    bool second = cuda->lane == &cuda->lanes[0] && cuda->recording && cuda->spoiled[0] == '\0' && cuda->status >= 0;
    cuda->lane = second ? &cuda->lanes[1] : NULL;
}
