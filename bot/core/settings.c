/* Looking things up in the settings: see settings.h. */
#include "settings.h"
#include <string.h>

const struct trainer_settings *settings_trainer(const struct settings *settings, const char *name) {
    for (size_t i = 0; i < settings->trainers_count; i++)
        if (strcmp(settings->trainers[i].name, name) == 0) return &settings->trainers[i];
    return NULL;
}
