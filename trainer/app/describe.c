/* describe.c: see describe.h. */
#include "describe.h"
#include "number.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {
    [TB_FLOAT] = "float", [TB_INT] = "int", [TB_BOOL] = "bool", [TB_STRING] = "string", [TB_ENUM] = "enum"};

static void choices_add(cJSON *object, const char *choices) {
    cJSON *list = cJSON_AddArrayToObject(object, "choices");
    char word[64];
    for (const char *p = choices; list != NULL; p++) {
        size_t length = strcspn(p, "|");
        if (length >= sizeof word) return;
        memcpy(word, p, length);
        word[length] = '\0';
        cJSON_AddItemToArray(list, cJSON_CreateString(word));
        p += length;
        if (*p == '\0') break;
    }
}

/* cJSON's own numbers are cut to 15 digits. */
static void number_add(cJSON *object, const char *name, double value) {
    char text[40];
    cJSON_AddRawToObject(object, name, number_shortest(value, text, sizeof text));
}

static cJSON *param_object(const struct tb_param *param) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "name", param->name);
    cJSON_AddStringToObject(object, "type", type_names[param->type]);
    if (param->type == TB_STRING || param->type == TB_ENUM)
        cJSON_AddStringToObject(object, "value", param->text);
    else if (param->type == TB_BOOL)
        cJSON_AddBoolToObject(object, "value", param->value != 0);
    else
        number_add(object, "value", param->value);
    if ((param->type == TB_FLOAT || param->type == TB_INT) && param->min < param->max) {
        number_add(object, "min", param->min);
        number_add(object, "max", param->max);
        if (param->min_open) cJSON_AddBoolToObject(object, "min_open", true);
    }
    if (param->type == TB_ENUM) choices_add(object, param->choices);
    cJSON_AddBoolToObject(object, "live", param->live);
    cJSON_AddStringToObject(object, "help", param->help);
    return object;
}

static cJSON *command_object(const struct tb_command *command) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "name", command->name);
    cJSON_AddStringToObject(object, "args", command->args);
    cJSON_AddStringToObject(object, "help", command->help);
    if (command->zh != NULL) cJSON_AddStringToObject(object, "zh", command->zh);
    if (command->zh_help != NULL) cJSON_AddStringToObject(object, "zh_help", command->zh_help);
    if (command->reads) cJSON_AddBoolToObject(object, "reads", true);
    return object;
}

char *describe(const struct tb_param *params, size_t params_count, const struct tb_command *commands,
               size_t commands_count) {
    cJSON *root = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(root, "params");
    for (size_t i = 0; i < params_count; i++)
        cJSON_AddItemToArray(list, param_object(&params[i]));
    list = cJSON_AddArrayToObject(root, "commands");
    for (size_t i = 0; i < commands_count; i++)
        cJSON_AddItemToArray(list, command_object(&commands[i]));
    char *text = root != NULL && list != NULL ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return text;
}
