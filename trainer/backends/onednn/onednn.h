/*
 * onednn.h: the CPU backend with oneDNN's convolutions and matrix products in the places where they are faster.
 *
 * Built upon openblas/cpu.h: what this table does not replace is that backend's. oneDNN (libdnnl) is opened at run
 * time; where it is missing, `open` says so and the program goes on with another backend.
 */
#ifndef BACKENDS_ONEDNN_H
#define BACKENDS_ONEDNN_H

#include "backend.h"

extern const struct backend_ops backend_onednn;

#endif
