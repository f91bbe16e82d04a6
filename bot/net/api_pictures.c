/*
 * api_pictures.c: plots, drawn by the plotter while the request waits, and stored pictures, read in libuv's pool. A
 * picture is served as data: its type comes from a short list, and the policy lets no script in it run.
 */
#include "http_internal.h"
#include "plotter.h"
#include "store.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PICTURE_MAX (16u << 20)
#define MARKS_MAX 64

/* ---- plots ---- */

struct drawing {
    struct http_server *server;
    struct http_request *request; /* NULL: nobody waits any more */
    bool svg;
};

static void drawing_cancel(void *data) {
    struct drawing *drawing = data;
    drawing->request = NULL;
}

static void drawing_done(void *user, int status, const uint8_t *bytes, size_t size, const char *why) {
    struct drawing *drawing = user;
    struct http_request *request = drawing->request;
    char *copy = request && status >= 0 ? malloc(size ? size : 1) : NULL;
    drawing->server->handles--;
    if (copy) {
        memcpy(copy, bytes, size);
        http_reply(request, 200, drawing->svg ? "image/svg+xml; charset=utf-8" : "image/png", copy, size);
    } else if (request) {
        http_error(request, status == TB_ENOTFOUND ? 404 : 503, "%s",
                   why && *why ? why : "the plot could not be drawn");
    }
    free(drawing);
}

struct marks {
    struct plot_mark list[MARKS_MAX];
    char texts[MARKS_MAX][96];
    size_t count;
};

static bool take_mark(void *user, const struct param_change_record *change) {
    struct marks *marks = user;
    if (!change->by || strcmp(change->by, "start") == 0 || change->step <= 0) return true;
    if (marks->count == MARKS_MAX) return false;
    snprintf(marks->texts[marks->count], sizeof(marks->texts[0]), "%s %s", change->name, change->new_value);
    marks->list[marks->count] = (struct plot_mark){change->step, marks->texts[marks->count]};
    marks->count++;
    return true;
}

static bool take_title(void *user, const struct run_record *record) {
    snprintf(user, 128, "%s #%lld", record->name, (long long)record->id);
    return false;
}

static int plot_begin(struct http_request *request, const char *title, struct drawing *drawing) {
    const struct bot_ports *ports = &http_bot(request->server)->ports;
    const struct web_query *query = &request->query;
    struct marks *marks = calloc(1, sizeof(*marks));
    if (!marks) return TB_ENOMEM;
    if (store_param_changes(ports->store, request->path.id, take_mark, marks) < 0) marks->count = 0;
    struct plot_request plot = {
        .run = request->path.id,
        .title = title,
        .metrics_count = query->metrics_count,
        .width = query->width,
        .height = query->height,
        .dark = query->dark,
        .svg = drawing->svg,
        .lang = query->lang[0] ? (query->lang[0] == 'z' ? LANG_ZH : LANG_EN) : ports->settings->language,
        .marks = marks->list,
        .marks_count = marks->count,
    };
    for (size_t i = 0; i < query->metrics_count && i < PLOT_METRICS_MAX; i++)
        plot.metrics[i] = query->metrics[i];
    int result = plotter_draw(ports->plotter, &plot, drawing_done, drawing);
    free(marks);
    return result;
}

void api_plot(struct http_request *request) {
    const struct bot_ports *ports = &http_bot(request->server)->ports;
    char title[128] = "";
    int result = store_run(ports->store, request->path.id, take_title, title);
    if (result < 0 || !title[0]) {
        http_error(request, result < 0 && result != TB_ENOTFOUND ? 503 : 404, "there is no such run");
        return;
    }
    struct drawing *drawing = ports->plotter ? calloc(1, sizeof(*drawing)) : NULL;
    if (!drawing) {
        http_error(request, 503, "plots cannot be drawn here");
        return;
    }
    drawing->server = request->server;
    drawing->request = request;
    drawing->svg = request->path.route == ROUTE_PLOT_SVG;
    request->server->handles++;
    http_wait(request, drawing, drawing_cancel);
    result = plot_begin(request, title, drawing);
    if (result < 0) {
        request->server->handles--;
        free(drawing);
        http_error(request, 503, "the plot could not be drawn: %s", tb_error_text(result));
    }
}

/* ---- pictures ---- */

struct picture {
    struct http_job job;
    char path[4096];
    const char *mime;
    char *bytes;
    size_t size;
    int error;
};

static void picture_run(struct http_job *job) {
    struct picture *picture = (struct picture *)job;
    struct stat status;
    int fd = open(picture->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    picture->error = TB_EIO;
    if (fd < 0) {
        picture->error = errno == ENOENT ? TB_ENOTFOUND : TB_EIO;
        return;
    }
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= (off_t)PICTURE_MAX &&
        (picture->bytes = malloc((size_t)status.st_size + 1))) {
        ssize_t size = read(fd, picture->bytes, (size_t)status.st_size);
        if (size == status.st_size) {
            picture->size = (size_t)size;
            picture->error = TB_OK;
        }
    }
    close(fd);
}

static void picture_done(struct http_job *job) {
    struct picture *picture = (struct picture *)job;
    if (picture->error < 0) {
        http_error(job->request, picture->error == TB_ENOTFOUND ? 404 : 503, "the picture's file cannot be read");
    } else {
        http_header(job->request, "cache-control:", "private, max-age=86400");
        http_reply(job->request, 200, picture->mime, picture->bytes, picture->size);
        picture->bytes = NULL;
    }
    http_job_end(job);
}

static void picture_release(struct http_job *job) {
    struct picture *picture = (struct picture *)job;
    free(picture->bytes);
    free(picture);
}

struct picture_search {
    struct picture *picture;
    const char *state_dir;
    bool found;
};

static bool take_picture(void *user, const struct image_record *image) {
    static const char *const mimes[] = {"image/png", "image/jpeg", "image/svg+xml", "image/webp", "image/gif"};
    struct picture_search *search = user;
    struct picture *picture = search->picture;
    picture->mime = "application/octet-stream";
    for (size_t i = 0; i < sizeof(mimes) / sizeof(mimes[0]); i++)
        if (strcmp(mimes[i], image->mime) == 0) picture->mime = mimes[i];
    if (image->path[0] != '/' && !strstr(image->path, ".."))
        search->found = (size_t)snprintf(picture->path, sizeof(picture->path), "%s/%s", search->state_dir,
                                         image->path) < sizeof(picture->path);
    return false;
}

void api_image(struct http_request *request) {
    struct picture *picture = calloc(1, sizeof(*picture));
    if (!picture) {
        http_error(request, 500, "out of memory");
        return;
    }
    struct picture_search search = {picture, request->server->state_dir, false};
    int result = store_image(http_bot(request->server)->ports.store, request->path.id, take_picture, &search);
    if (!search.found) {
        free(picture);
        http_error(request, result < 0 && result != TB_ENOTFOUND ? 503 : 404, "there is no such picture");
        return;
    }
    picture->job.run = picture_run;
    picture->job.done = picture_done;
    picture->job.release = picture_release;
    http_job_begin(&picture->job, request);
}
