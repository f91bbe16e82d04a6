/*
 * config_value.h: one key's text into its field, by the table: what config.c uses for every line.
 */
#ifndef TRAINBOT_CONFIG_VALUE_H
#define TRAINBOT_CONFIG_VALUE_H

#include "config.h"

MUST_USE int config_defaults(struct config *config);
void config_release(struct config *config); /* the fields' memory */
/* Makes [trainer NAME] and [person NAME]; TB_ENOTFOUND with `why` for a section that does not exist. */
MUST_USE int config_section(struct config *config, const char *section, char *why, size_t why_size);
/* TB_OK, TB_ENOTFOUND (no such key), TB_EINVAL, TB_ERANGE, TB_ENOMEM; `why` says what would be right. */
MUST_USE int config_value(struct config *config, const char *section, const char *key, const char *value, char *why, size_t why_size);
void config_checks(struct config *config, struct config_report *report);

#endif
