/* explosive.c: see explosive.h. The velocity of SGD is made huge, equally for all classes: times the tiny rate it moves
 * every logit alike, which softmax does not see; times a large rate the logits overflow. */
#include "explosive.h"
#include "checkpoint.h"
#include "number.h"
#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

void explosive_make(void) {
    struct program program;
    struct checkpoint checkpoint;
    char error[APP_ERROR_SIZE] = "";
    int64_t bytes;
    int status =
        program_run(&program, "--model softmax --data data --param bs=50 --param optimiser=sgd --param momentum=0.999 "
                              "--steps 2 --checkpoint-dir explosive");
    if (status != 0) fail_msg("exit %d: %s", status, program.err_text);
    program_free(&program);
    if (checkpoint_read(program_path("explosive/step-2"), &checkpoint, error) != 0) fail_msg("%s", error);
    float *values = checkpoint.values;
    int changed = 0;
    for (size_t i = 0; i < checkpoint.tensors_count; values += checkpoint.tensors[i++].count) {
        if (strcmp(checkpoint.tensors[i].name, "out.weight.velocity") != 0) continue;
        for (size_t k = 0; k < checkpoint.tensors[i].count; k++)
            values[k] = 1e38f;
        changed++;
    }
    assert_int_equal(changed, 1);
    if (checkpoint_write(&checkpoint, program_path("explosive"), "step-2", &bytes, error) != 0) fail_msg("%s", error);
    checkpoint_release(&checkpoint);
}
