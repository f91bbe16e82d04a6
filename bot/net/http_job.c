/*
 * http_job.c: work for a request in libuv's pool. The request may go away while the pool works: the job then finishes
 * into nothing. The server counts its jobs, so that it ends only when none is left.
 */
#include "http_internal.h"

static void job_unlink(struct http_job *job) {
    *job->link = job->next;
    if (job->next) job->next->link = job->link;
    struct http_server *server = job->server;
    job->release(job);
    server->handles--;
}

static void job_work(uv_work_t *work) {
    struct http_job *job = work->data;
    job->run(job);
}

static void job_after(uv_work_t *work, int status) {
    struct http_job *job = work->data;
    (void)status;
    job->busy = false;
    if (job->request)
        job->done(job);
    else
        job_unlink(job);
}

static void job_queue(struct http_job *job) {
    job->busy = true;
    job->work.data = job;
    uv_queue_work(job->server->loop, &job->work, job_work, job_after); /* fails only without a work callback */
}

static void job_cancel(void *data) {
    struct http_job *job = data;
    job->request = NULL;
    if (!job->busy) job_unlink(job);
}

static void job_link(struct http_job *job, struct http_request *request) {
    job->server = request->server;
    job->request = request;
    job->next = request->server->jobs;
    job->link = &request->server->jobs;
    if (job->next) job->next->link = &job->next;
    request->server->jobs = job;
    request->server->handles++;
}

void http_job_begin(struct http_job *job, struct http_request *request) {
    job_link(job, request);
    http_wait(request, job, job_cancel);
    job_queue(job);
}

static void job_more(void *data) {
    struct http_job *job = data;
    if (!job->busy) job_queue(job);
}

void http_job_stream(struct http_job *job, struct http_request *request, const char *type) {
    job_link(job, request);
    http_stream(request, type, job, job_more, job_cancel);
}

void http_job_end(struct http_job *job) {
    job->request = NULL;
    job_unlink(job);
}
