/*
 * Runs a fuzz target's entry point over every file of the corpus folders named on the command line, so that each input
 * that once mattered is tried again in every test run, with no fuzzer at hand. Fails when a corpus is empty.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }
    size_t size = 0, room = 1 << 16;
    uint8_t *bytes = malloc(room);
    for (size_t n; bytes && (n = fread(bytes + size, 1, room - size, file)) > 0;) {
        size += n;
        if (size == room) bytes = realloc(bytes, room *= 2);
    }
    fclose(file);
    if (!bytes) return -1;
    /* an exact-size copy, so that the sanitizer sees a read past the end */
    uint8_t *exact = malloc(size ? size : 1);
    if (exact) {
        memcpy(exact, bytes, size);
        LLVMFuzzerTestOneInput(exact, size);
    }
    free(exact);
    free(bytes);
    return 0;
}

int main(int argc, char **argv) {
    int files = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (!dir) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(dir));) {
            if (entry->d_name[0] == '.') continue;
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (replay_file(path) < 0) return 1;
            files++;
        }
        closedir(dir);
    }
    printf("%d inputs replayed\n", files);
    return files > 0 ? 0 : 1;
}
