/*
 * fetch_main.c: trainbot-fetch, what "trainbot-train data ..." runs. A program of its own because libcurl and the
 * thirty libraries behind it would cost every training 4 MiB and every start 8 ms (measured).
 */
#include "data_verb.h"

int main(int argc, char *argv[]) {
    return data_verb(argc, argv);
}
