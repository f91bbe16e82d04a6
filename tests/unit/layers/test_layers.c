/*
 * Reads every #include of the sources and holds the layers: protocol knows nothing of ours; trainer knows protocol;
 * core knows protocol and itself, and no service, loop or database; only bot/app knows the channels. A header is ours
 * when a file of that name stands in the sources. The rules are checked against made-up edges first, so that they can
 * fail.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the files of a folder may include of ours (folders with blanks between), and what never, ours or not. */
static const struct layer {
    const char *folder, *may, *never;
} layers[] = {
    {"protocol", "protocol", "uv.h libwebsockets.h sqlite3.h curl/ cJSON.h"},
    {"trainer/engine", "trainer/engine trainer/backends", "uv.h libwebsockets.h sqlite3.h curl/ cJSON.h"},
    {"trainer/backends", "trainer/backends trainer/engine", "uv.h libwebsockets.h sqlite3.h curl/ cJSON.h"},
    {"trainer", "trainer protocol", "uv.h libwebsockets.h sqlite3.h cJSON.h"},
    {"bot/core", "bot/core protocol", "uv.h libwebsockets.h sqlite3.h curl/ pango cairo"},
    {"bot/store", "bot/store bot/core protocol", "uv.h libwebsockets.h curl/"},
    {"bot/keeper", "bot/keeper bot/core protocol", "libwebsockets.h sqlite3.h curl/"},
    {"bot/plot", "bot/plot bot/store bot/core protocol", "libwebsockets.h curl/"},
    {"bot/net", "bot/net bot/web bot/core protocol", "sqlite3.h"},
    {"bot/web", "bot/web", "uv.h libwebsockets.h sqlite3.h curl/"},
    {"bot/channels", "bot/channels bot/net bot/core protocol", "sqlite3.h"},
    {"bot/app", "bot/app bot/channels bot/net bot/plot bot/keeper bot/store bot/core protocol", "sqlite3.h cJSON.h"},
};
#define LAYERS (sizeof layers / sizeof *layers)

#define HEADERS_MAX 1024
static struct header {
    char name[96];    /* "wire.h" */
    char folder[200]; /* "protocol" */
} headers[HEADERS_MAX];
static size_t headers_count, files_count, edges_count;
static int faults;

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_in(const char *folder, const char *layer) {
    size_t size = strlen(layer);
    return begins(folder, layer) && (folder[size] == 0 || folder[size] == '/');
}

static bool any_word(const char *words, bool (*is)(const char *word, const char *with), const char *with) {
    char copy[400], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        if (is(word, with)) return true;
    return false;
}

static bool holds_folder(const char *layer, const char *folder) {
    return is_in(folder, layer);
}
static bool is_include_of(const char *never, const char *include) {
    return begins(include, never);
}

static const struct layer *layer_of(const char *folder) {
    for (size_t i = 0; i < LAYERS; i++)
        if (is_in(folder, layers[i].folder)) return &layers[i];
    return NULL;
}

/* Whether a file of `folder` may include this. A name that stands in several folders is good where one of them is. */
static bool is_allowed(const char *folder, const char *include) {
    const struct layer *layer = layer_of(folder);
    const char *name = strrchr(include, '/') ? strrchr(include, '/') + 1 : include;
    bool ours = false;
    if (!layer) return true;
    if (any_word(layer->never, is_include_of, include)) return false;
    for (size_t i = 0; i < headers_count; i++) {
        if (strcmp(headers[i].name, name) != 0) continue;
        ours = true;
        if (any_word(layer->may, holds_folder, headers[i].folder)) return true;
    }
    return !ours;
}

static void check_file(const char *root, const char *folder, const char *name) {
    char path[1024], line[1024], include[200];
    snprintf(path, sizeof path, "%s/%s/%s", root, folder, name);
    FILE *file = fopen(path, "re");
    if (!file) {
        fprintf(stderr, "%s cannot be read\n", path);
        faults++;
        return;
    }
    files_count++;
    for (int number = 1; fgets(line, sizeof line, file); number++) {
        const char *at = line + strspn(line, " \t");
        if (*at != '#' || !begins(at + 1 + strspn(at + 1, " \t"), "include")) continue;
        at = strpbrk(at, "\"<");
        if (!at) continue;
        bool quoted = *at == '"';
        snprintf(include, sizeof include, "%.*s", (int)strcspn(at + 1, "\">"), at + 1);
        edges_count++;
        bool good = quoted ? is_allowed(folder, include)
                           : !layer_of(folder) || !any_word(layer_of(folder)->never, is_include_of, include);
        if (good) continue;
        printf("%s/%s:%d: may not include %s\n", folder, name, number, include);
        faults++;
    }
    fclose(file);
}

static void walk(const char *root, const char *folder,
                 void (*each)(const char *root, const char *folder, const char *name)) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", root, folder);
    DIR *dir = opendir(path);
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        size_t length = strlen(entry->d_name);
        const char *name = entry->d_name;
        if (length > 2 && name[length - 2] == '.' && (name[length - 1] == 'c' || name[length - 1] == 'h')) {
            each(root, folder, name);
            continue;
        }
        char below[512];
        snprintf(below, sizeof below, "%s/%s", folder, name);
        if (!strchr(name, '.')) walk(root, below, each);
    }
    closedir(dir);
}

static void note_header(const char *root, const char *folder, const char *name) {
    (void)root;
    if (name[strlen(name) - 1] != 'h') return;
    if (headers_count == HEADERS_MAX) {
        fprintf(stderr, "more than %d headers\n", HEADERS_MAX);
        exit(1);
    }
    snprintf(headers[headers_count].name, sizeof headers->name, "%.90s", name);
    snprintf(headers[headers_count++].folder, sizeof headers->folder, "%.190s", folder);
}

static const struct {
    const char *folder, *include;
    bool good;
} trials[] = {
    {"protocol", "wire_table.h", true},
    {"protocol/publisher", "bot.h", false},
    {"trainer/app", "wire.h", true},
    {"trainer/models", "runs.h", false},
    {"trainer/app", "curl/curl.h", true},
    {"trainer/engine", "curl/curl.h", false},
    {"trainer/backends/openblas", "wire.h", false},
    {"bot/core", "wire.h", true},
    {"bot/core", "uv.h", false},
    {"bot/core", "sqlite3.h", false},
    {"bot/core", "curl/curl.h", false},
    {"bot/core", "console.h", false},
    {"bot/core", "db.h", false},
    {"bot/store", "run.h", true},
    {"bot/net", "console.h", false},
    {"bot/app", "console.h", true},
    {"bot/app", "web.h", true},
    {"bot/core", "stdio.h", true},
};

int main(int argc, char **argv) {
    const char *root = argc > 1 ? argv[1] : ".";
    static const char *const tops[] = {"protocol", "trainer", "bot"};
    for (size_t i = 0; i < 3; i++)
        walk(root, tops[i], note_header);
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++)
        if (is_allowed(trials[i].folder, trials[i].include) != trials[i].good) {
            printf("the rules are wrong about %s in %s\n", trials[i].include, trials[i].folder);
            faults++;
        }
    for (size_t i = 0; i < 3; i++)
        walk(root, tops[i], check_file);
    printf("%zu files, %zu includes, %zu headers of ours, %d faults\n", files_count, edges_count, headers_count,
           faults);
    return faults == 0 && files_count > 100 && headers_count > 50 ? 0 : 1;
}
