/*
 * registry.c: the open runs of this process, so that a forked child's copies fall silent and an exit without tb_close
 * still delivers what was logged. In a child nothing is locked, joined or freed: only descriptors are closed, lest a
 * child that lives on keeps the bot from seeing its parent's end.
 */
#include "run.h"

#include <stdlib.h>

_Atomic unsigned registry_forks;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tb_run *runs;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void in_child(void) {
    atomic_fetch_add_explicit(&registry_forks, 1, memory_order_relaxed);
    for (struct tb_run *run = runs; run; run = run->next_open)
        sender_close_in_child(run->sender);
    runs = NULL;
    pthread_mutex_init(&lock, NULL);
}

static void at_exit(void) {
    for (;;) {
        pthread_mutex_lock(&lock);
        struct tb_run *run = runs;
        if (run) runs = run->next_open;
        pthread_mutex_unlock(&lock);
        if (!run) return;
        run_end(run);
    }
}

static void install(void) {
    pthread_atfork(NULL, NULL, in_child);
    atexit(at_exit);
}

void registry_add(struct tb_run *run) {
    pthread_once(&once, install);
    pthread_mutex_lock(&lock);
    run->next_open = runs;
    runs = run;
    pthread_mutex_unlock(&lock);
}

void registry_remove(struct tb_run *run) {
    pthread_mutex_lock(&lock);
    for (struct tb_run **at = &runs; *at; at = &(*at)->next_open) {
        if (*at != run) continue;
        *at = run->next_open;
        break;
    }
    pthread_mutex_unlock(&lock);
}
