/*
 * argv.h: argument vectors as the configuration file writes them (`command=`, `resume_args=`, `describe=`): POSIX
 * quotes, no shell, no expansion; then the placeholders filled in. Pure: no I/O, no globals; any thread.
 */
#ifndef TRAINBOT_ARGV_H
#define TRAINBOT_ARGV_H

#include "error.h"
#include <stddef.h>

#define ARGV_WORDS_MAX 1024         /* words in one vector */
#define ARGV_BYTES_MAX (128 * 1024) /* one word after filling; what Linux takes in one argument */

/* The value of placeholder `name`, borrowed until the next call or argv_fill's return; NULL: there is no such name. */
typedef const char *argv_lookup_cb(void *user, const char *name);

/*
 * Splits `text` at blanks (space, tab, newline). '…' is literal; in "…" a backslash escapes only \ and " (and $ and `);
 * outside quotes it escapes any character. Braces are left for argv_fill. An empty text is TB_EINVAL: a vector has at
 * least one word. `why` (one line; may be NULL with size 0) says what is wrong. Caller frees *ret_argv with argv_free.
 * TB_OK, TB_EINVAL (open quote, backslash at the end, empty, not UTF-8), TB_ERANGE (too many words), TB_ENOMEM.
 */
MUST_USE int argv_parse(const char *text, char ***ret_argv, char *why, size_t why_size);

/*
 * A copy of `argv` with {name} replaced by lookup(user, name), {{ by {, }} by }. A value is put in as it is: it is
 * never split or read again, so one word stays one word. NULL `argv` gives an empty vector. TB_OK, TB_EINVAL (unknown
 * name, named in `why`; { or } alone), TB_ERANGE (a word too long), TB_ENOMEM. Caller frees *ret_argv with argv_free.
 */
MUST_USE int argv_fill(char *const *argv, argv_lookup_cb *lookup, void *user, char ***ret_argv, char *why,
                       size_t why_size);

/* `first` then `second` (either may be NULL) in a new vector; caller frees it with argv_free. TB_OK, TB_ERANGE (too
 * many words together), TB_ENOMEM. */
MUST_USE int argv_join(char *const *first, char *const *second, char ***ret_argv);

size_t argv_count(char *const *argv); /* words; 0 for NULL */
void argv_free(char **argv);          /* takes; NULL is fine */

#endif
