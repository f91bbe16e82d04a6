/*
 * picture_project.h: principal components (Pearson 1901; eigenvectors by Jacobi's rotations, Golub and Van Loan 8.5):
 * the directions in which points differ most. Pure, any thread.
 */
#ifndef TRAINER_PICTURE_PROJECT_H
#define TRAINER_PICTURE_PROJECT_H

#include <stdint.h>

#define PROJECT_DIMS_MAX 512

/* `points`: count × dims, finite. ret_projected (count × components) = each point less the mean, along the `components`
 * directions of largest variance, the largest first; ret_shares[components]: of the whole variance, 0 where there is
 * none. A direction's sign is such that its largest part is positive. components ≤ dims ≤ PROJECT_DIMS_MAX, count ≥ 1.
 * 0 or -1 (no memory). */
__attribute__((warn_unused_result)) int project(const float *points, int64_t count, int dims, int components,
                                                double *ret_projected, double *ret_shares);

#endif
