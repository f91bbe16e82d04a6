/*
 * data_verb.h: "trainbot-train data …": what data sets there are on this machine, and getting them.
 */
#ifndef TRAINER_DATA_VERB_H
#define TRAINER_DATA_VERB_H

/* argv[0] is "data". Says everything itself. Returns the exit status: 0 done, 1 it could not be had, 2 bad usage. */
int data_verb(int argc, char *const argv[]);
/* One line, for --help. */
#define DATA_VERB_USAGE "trainbot-train data list | data fetch mnist [--dir DIR] [--mirror URL]..."

#endif
