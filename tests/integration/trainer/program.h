/*
 * program.h: trainbot-train as a child process with a folder of its own: a small data set that a network can learn in a
 * second, what it prints, how it ends. Everything asserts by itself and has a deadline.
 */
#ifndef TEST_PROGRAM_H
#define TEST_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PROGRAM_DEADLINE_S 100
#define SMALL_TRAIN 2000 /* samples of the small data set */
#define SMALL_TEST 300

/* A new folder (program_path names files in it) with the data set in "data". Removed by program_leave. */
void program_enter(void);
void program_leave(void);
const char *program_path(const char *name); /* a few static buffers in turn */
void program_write(const char *name, const void *bytes, size_t size);
bool program_file(const char *name); /* is there such a file in the folder */

struct program {
    pid_t pid;
    int out, err;
    char *out_text, *err_text; /* what it printed so far; owned */
    size_t out_size, err_size;
    int status; /* of waitpid, once ended */
};

/* What a child is given beyond its arguments. */
struct program_options {
    const char *socket;   /* TRAINBOT_SOCKET; NULL: none, so it runs without a bot */
    const char *run_dir;  /* TRAINBOT_RUN_DIR, and TRAINBOT_RUN=7 */
    long file_size_limit; /* bytes a file may have; 0: no limit */
    long address_space;   /* bytes it may map; 0: no limit */
    const char *out_path; /* stdout goes there instead */
    bool as_nobody;       /* without root's rights */
};

/* `line`: arguments, split at blanks; an underscore of the word behind --call stands for a blank ("recognize_3").
 * "--data DATA" for the small set must be named. It starts in the folder. */
void program_start(struct program *program, const struct program_options *options, const char *line);
/* Waits for the end. Returns the exit status, or 1000 + the signal that killed it. */
int program_wait(struct program *program);
void program_free(struct program *program);
/* Start and wait, without a bot. */
int program_run(struct program *program, const char *line);
/* Waits until stdout has `text`. */
void program_until(struct program *program, const char *text);
bool program_said(const struct program *program, const char *text); /* on stderr */

#endif
