/*
 * emulated_control.h: what a test can do to the emulated device, and what it can see of it.
 */
#ifndef TESTS_CUDA_EMULATED_CONTROL_H
#define TESTS_CUDA_EMULATED_CONTROL_H

#ifdef __cplusplus
extern "C" {
#endif

struct emulated_control {
    int devices;          /* 0: none is found */
    int allocations_left; /* before memory is out; -1: no end */
    int capture_fails;    /* what is captured becomes invalid */
    int launches_fail;    /* outside of captures */
    int not_ready;        /* so many queries of an event say that it has not passed */
    int recordings;       /* graphs that exist */
    int replays;          /* launches of graphs */
    int launches;         /* of kernels and copies, outside of graphs */
};
extern struct emulated_control emulated;

#ifdef __cplusplus
}
#endif
#endif
