/*
 * plot_broken_helper.c: stands in for trainbot-plot and misbehaves as the environment's PLOT_BROKEN says: "crash" after
 * the first bytes, "hang" for ever, "garbage" instead of an answer, "once": crash when the file PLOT_BROKEN_FLAG is not
 * there yet (it is made), else become the program PLOT_REAL.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const char *how = getenv("PLOT_BROKEN"), *flag = getenv("PLOT_BROKEN_FLAG"), *real = getenv("PLOT_REAL");
    char bytes[64];
    (void)argc;
    if (!how) return 2;
    if (strcmp(how, "once") == 0 && flag && real) {
        int made = open(flag, O_CREAT | O_EXCL | O_WRONLY, 0600);
        if (made < 0) execv(real, argv);
    }
    if (read(0, bytes, sizeof bytes) <= 0) return 0;
    if (strcmp(how, "hang") == 0)
        for (;;)
            pause();
    if (strcmp(how, "garbage") == 0 && write(1, "this is no picture, not by a long way", 37) == 37)
        for (;;)
            pause();
    signal(SIGABRT, SIG_DFL);
    raise(SIGKILL);
    return 1;
}
