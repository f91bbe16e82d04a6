/* program.c: see program.h. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534
#define ARGS_MAX 64

static char folder[512];

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

const char *program_path(const char *name) {
    static char paths[8][640];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void program_write(const char *name, const void *bytes, size_t size) {
    FILE *file = fopen(program_path(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

bool program_file(const char *name) {
    return access(program_path(name), F_OK) == 0;
}

/* Images of class c: noise, and a bright block whose place tells the class. */
static void set_write(const char *images, const char *labels, unsigned count, uint32_t seed) {
    size_t size = 16 + (size_t)count * 784;
    uint8_t *image = calloc(1, size), *label = calloc(1, 8 + count);
    const uint8_t image_head[16] = {0, 0, 8, 3, 0, 0, (uint8_t)(count >> 8), (uint8_t)count, 0, 0, 0, 28, 0, 0, 0, 28};
    const uint8_t label_head[8] = {0, 0, 8, 1, 0, 0, (uint8_t)(count >> 8), (uint8_t)count};
    memcpy(image, image_head, 16);
    memcpy(label, label_head, 8);
    for (unsigned i = 0; i < count; i++) {
        unsigned class = i * 7 % 10;
        label[8 + i] = (uint8_t) class;
        uint8_t *pixels = image + 16 + (size_t)i * 784;
        for (int p = 0; p < 784; p++) {
            seed = seed * 1664525u + 1013904223u;
            pixels[p] = (uint8_t)(seed >> 26);
        }
        for (unsigned y = 0; y < 6; y++)
            memset(pixels + (class / 4 * 9 + y + 1) * 28 + class % 4 * 7, 220, 6);
    }
    program_write(images, image, size);
    program_write(labels, label, 8 + count);
    free(image);
    free(label);
}

void program_enter(void) {
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/trainer-run-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(mkdir(program_path("data"), 0755), 0);
    set_write("data/train-images-idx3-ubyte", "data/train-labels-idx1-ubyte", SMALL_TRAIN, 1);
    set_write("data/t10k-images-idx3-ubyte", "data/t10k-labels-idx1-ubyte", SMALL_TEST, 2);
}

void program_leave(void) {
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the child ---- */

static char **split(char *line) {
    static char *argv[ARGS_MAX];
    static char program[512];
    const char *bin = getenv("TRAINBOT_BIN");
    snprintf(program, sizeof program, "%s/trainbot-train", bin != NULL ? bin : "build/dev/bin");
    int argc = 0;
    argv[argc++] = program;
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(argc < ARGS_MAX - 1);
        bool call = argc > 1 && strcmp(argv[argc - 1], "--call") == 0;
        for (char *blank = call ? strchr(word, '_') : NULL; blank != NULL; blank = strchr(blank, '_'))
            *blank = ' ';
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return argv;
}

static void child_environment(const struct program_options *options) {
    setenv("TRAINBOT_SOCKET", options->socket != NULL ? options->socket : "", 1);
    setenv("OMP_WAIT_POLICY", "passive", 0); /* many test programs share the processors */
    unsetenv("TRAINBOT_RUN");
    unsetenv("TRAINBOT_RUN_DIR");
    if (options->run_dir == NULL) return;
    setenv("TRAINBOT_RUN_DIR", options->run_dir, 1);
    setenv("TRAINBOT_RUN", "7", 1);
}

static void child_become(const struct program_options *options, int out, int err, char **argv) {
    if (options->out_path != NULL) out = open(options->out_path, O_WRONLY);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    child_environment(options);
    if (chdir(folder) != 0) _exit(120);
    const struct rlimit limit = {(rlim_t)options->file_size_limit, (rlim_t)options->file_size_limit};
    if (options->file_size_limit > 0 && setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(121);
    const struct rlimit space = {(rlim_t)options->address_space, (rlim_t)options->address_space};
    if (options->address_space > 0 && setrlimit(RLIMIT_AS, &space) != 0) _exit(124);
    /* Opened before the rights go: the build may stand where nobody may not look. */
    int program_fd = open(argv[0], O_RDONLY | O_CLOEXEC);
    if (options->as_nobody && geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
        _exit(122);
    fexecve(program_fd, argv, environ);
    _exit(123);
}

void program_start(struct program *program, const struct program_options *options, const char *line) {
    char copy[4096];
    int out[2], err[2];
    snprintf(copy, sizeof copy, "%s", line);
    char **argv = split(copy);
    *program = (struct program){0};
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    fflush(NULL);
    program->pid = fork();
    assert_true(program->pid >= 0);
    if (program->pid == 0) child_become(options, out[1], err[1], argv);
    close(out[1]);
    close(err[1]);
    program->out = out[0];
    program->err = err[0];
    program->out_text = calloc(1, 1);
    program->err_text = calloc(1, 1);
}

/* Appends what there is to read; closes at the end. */
static void drain(int *fd, char **text, size_t *size) {
    char part[65536];
    ssize_t n = read(*fd, part, sizeof part);
    if (n <= 0) {
        close(*fd);
        *fd = -1;
        return;
    }
    *text = realloc(*text, *size + (size_t)n + 1);
    assert_non_null(*text);
    memcpy(*text + *size, part, (size_t)n);
    *size += (size_t)n;
    (*text)[*size] = '\0';
}

/* Reads for up to `timeout_ms`. False: both ends are closed. */
static bool listen_once(struct program *p, int timeout_ms) {
    struct pollfd fds[2] = {{p->out, POLLIN, 0}, {p->err, POLLIN, 0}};
    if (p->out < 0 && p->err < 0) return false;
    if (poll(fds, 2, timeout_ms) <= 0) return true;
    if (fds[0].revents != 0) drain(&p->out, &p->out_text, &p->out_size);
    if (fds[1].revents != 0) drain(&p->err, &p->err_text, &p->err_size);
    return true;
}

static bool too_late(time_t begin) {
    return time(NULL) - begin > PROGRAM_DEADLINE_S;
}

int program_wait(struct program *p) {
    time_t begin = time(NULL);
    while (listen_once(p, 1000)) {
        if (!too_late(begin)) continue;
        kill(p->pid, SIGKILL);
        fail_msg("did not end in time; stderr: %s", p->err_text);
    }
    assert_int_equal(waitpid(p->pid, &p->status, 0), p->pid);
    p->pid = 0;
    return WIFEXITED(p->status) ? WEXITSTATUS(p->status) : 1000 + WTERMSIG(p->status);
}

void program_until(struct program *p, const char *text) {
    time_t begin = time(NULL);
    while (strstr(p->out_text, text) == NULL) {
        if (!listen_once(p, 1000) || too_late(begin)) fail_msg("never said \"%s\"; stderr: %s", text, p->err_text);
    }
}

void program_free(struct program *p) {
    if (p->pid > 0) {
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    if (p->out >= 0) close(p->out);
    if (p->err >= 0) close(p->err);
    free(p->out_text);
    free(p->err_text);
    *p = (struct program){.out = -1, .err = -1};
}

int program_run(struct program *p, const char *line) {
    const struct program_options options = {0};
    program_start(p, &options, line);
    return program_wait(p);
}

bool program_said(const struct program *p, const char *text) {
    return strstr(p->err_text, text) != NULL;
}
