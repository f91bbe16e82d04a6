/*
 * wecom_text.h: our plain lines in a service that shows Markdown, and people's lines without what the service adds.
 * Pure, any thread.
 */
#ifndef TRAINBOT_WECOM_TEXT_H
#define TRAINBOT_WECOM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Plain text as Markdown that shows it as it is. Escaped with a backslash is only what Markdown would take for its own
 * where it stands: a heading's #, a list's or quote's mark and a rule at a line's beginning, emphasis, code, tags,
 * links, tables, entities. "#7 cnn", "val_loss", "a < b", Chinese and the progress bar stay untouched, so that even an
 * app that did not know backslashes would show our usual lines well.
 *
 * Line breaks: two blanks before the newline (a hard break). Blank lines between all lines would double a message's
 * height, and one message should fit a phone's screen. An empty line of the text stays one.
 *
 * Where escaping makes it longer than max_bytes the text is given as it is. Caller frees; NULL: out of memory. */
char *wecom_markdown(const char *text, size_t max_bytes);
/* Without the "@Bot " that begins a message in a group (several are possible). Points into text. */
const char *wecom_without_mention(const char *text);
/* The first line, at most `units` UTF-16 code units, cut where a clause or a word ends, else at a whole
 * character; "" where there is none. */
void wecom_title(const char *text, size_t units, char *title, size_t size);
/* What a button named `word` says when it is pressed: the word, with the run's number where the command takes one. */
void wecom_button_command(const char *word, int64_t run, char *command, size_t size);
/* One line of foreign text for the log: control characters become blanks, at most size - 1 bytes. */
void wecom_one_line(const char *text, char *line, size_t size);

#endif
