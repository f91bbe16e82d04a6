/* docs/commands.md is made from the table. TRAINBOT_UPDATE=1 writes it anew; without, it must be current. */
#include "command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char want[16384], have[16384];

static void add_cell(const char *text) {
    size_t used = strlen(want);
    want[used++] = ' ';
    for (; *text && used + 4 < sizeof want; text++) {
        if (*text == '|') want[used++] = '\\';
        want[used++] = *text;
    }
    memcpy(want + used, " |", 3);
}

static void make(void) {
    static const char *const roles[] = {"", "viewer", "operator", "owner"};
    strcpy(want, "# What a person may say\n\nMade from the table in `bot/core/commands.c`; a test holds it current.\n\n"
                 "| 中文 | English | role | does |\n|---|---|---|---|\n");
    for (size_t i = 0; i < commands_count; i++) {
        const struct command *command = &commands_table[i];
        strcat(want, "|");
        add_cell(command->zh_usage);
        add_cell(command->en_usage);
        add_cell(roles[command->role]);
        add_cell(command->en_help);
        strcat(want, "\n");
    }
    strcat(want,
           "| `lr 0.001` `lr=0.001` `lr x0.5` | any declared name | operator | sets it at the next step, and for the "
           "next start |\n"
           "| a trainer's own command | its name | operator | asks the run, or its checkpoint when it has ended |\n");
}

static void test_docs_are_current(void **state) {
    (void)state;
    const char *source = getenv("TRAINBOT_SOURCE");
    assert_non_null(source);
    char path[4096];
    snprintf(path, sizeof path, "%s/docs/commands.md", source);
    make();
    if (getenv("TRAINBOT_UPDATE")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_true(fputs(want, file) >= 0);
        assert_int_equal(fclose(file), 0);
    }
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    have[fread(have, 1, sizeof have - 1, file)] = 0;
    fclose(file);
    assert_string_equal(have, want);
}

/* No name stands for two commands, and every row is whole. */
static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < commands_count; i++) {
        const struct command *command = &commands_table[i];
        bool zh;
        assert_ptr_equal(command_find(command->zh[0], &zh), command);
        assert_true(zh);
        for (size_t j = 0; j < sizeof command->en / sizeof *command->en && command->en[j]; j++) {
            assert_ptr_equal(command_find(command->en[j], &zh), command);
            assert_false(zh);
        }
        assert_non_null(command->run);
        assert_ptr_equal(strstr(command->zh_usage, command->zh[0]), command->zh_usage);
        assert_ptr_equal(strstr(command->en_usage, command->en[0]), command->en_usage);
        assert_true(command->role >= ROLE_VIEWER && command->zh_help[0] && command->en_help[0]);
        assert_true(parse_is_name(command->zh[0]) && parse_is_name(command->en[0]));
    }
    bool zh;
    assert_ptr_equal(command_find("STOP", &zh), command_find("停止", &zh));
    assert_null(command_find("stop7", &zh));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_docs_are_current), cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
