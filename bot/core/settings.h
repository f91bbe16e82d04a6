/*
 * settings.h: what the configuration file means to core. bot/app/config.c reads the file into it; core only reads it.
 * All strings are owned by the settings and live as long as the bot. No secrets here: those stay with their channel.
 */
#ifndef TRAINBOT_SETTINGS_H
#define TRAINBOT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lang { LANG_ZH, LANG_EN };
enum role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_OWNER };
enum progress_style { STYLE_CARD, STYLE_CLASSIC };

struct named_text {
    char *name, *text;
};

/* [trainer NAME] */
struct trainer_settings {
    char *name;
    char **command;         /* argument vector, NULL-terminated; placeholders not yet filled */
    char **resume_args;     /* NULL: this trainer cannot go on from a checkpoint */
    char **describe;        /* NULL: ranges are known only once a run has said hello */
    char *directory;        /* working directory, NULL: the run's directory */
    struct named_text *env; /* env.NAME= */
    size_t env_count;
    struct named_text *params; /* param.NAME=: values for every start */
    size_t params_count;
    int64_t stop_timeout_s; /* 60 */
};

/* "weixin:ID" */
struct identity {
    char *channel, *id;
};

struct person_settings { /* [person NAME] */
    char *name;
    struct identity *identities; /* alerts fall back in this order */
    size_t count;
};

struct settings {
    char *state_dir;
    enum lang language;
    char *default_trainer;   /* "cnn" */
    int64_t max_running;     /* 1 */
    char *timezone;          /* NULL: the system's */
    uint32_t *trainer_uids;  /* uids besides our own (and root) whose trainers may connect */
    size_t trainer_uids_count;
    enum progress_style progress_style;
    struct trainer_settings *trainers;
    size_t trainers_count;
    struct identity owner;   /* channel NULL: none configured */
    struct identity *operators, *viewers, *groups;
    size_t operators_count, viewers_count, groups_count;
    struct person_settings *persons;
    size_t persons_count;
};

/* NULL: no such trainer. */
const struct trainer_settings *settings_trainer(const struct settings *settings, const char *name);

#endif
