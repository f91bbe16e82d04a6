/*
 * cuda_backend.h: the backend for NVIDIA GPUs: products by cuBLAS, convolutions by cuDNN 9, everything else by own
 * kernels.
 *
 * cuBLAS and cuDNN are opened at run time and the CUDA runtime is linked statically, so a program that has this backend
 * starts on any machine; where there is no driver or device, open says so in one line. A training step is recorded as
 * a CUDA graph when it comes for the second time and replayed from then on. Equal runs on equal devices give equal
 * bits: no sum depends on the order in which threads arrive.
 */
#ifndef BACKENDS_CUDA_H
#define BACKENDS_CUDA_H

#include "backend.h"

extern const struct backend_ops backend_cuda;

#endif
