/*
 * commands.c: the table of all that a person may say. Help, near misses, docs/commands.md and the tests are made from
 * it; to add a command, add a row, its function in a cmd_ file and its tests.
 */
#include "command.h"

const struct command commands_table[] = {
    {{"开始"},
     {"start"},
     ROLE_OPERATOR,
     true,
     "开始 [训练器] [续 N] [名=值 …]",
     "start [trainer] [from N] [name=value …]",
     "开始训练,或从 N 的存档接着练",
     "starts a run, or goes on from run N's checkpoint",
     cmd_start},
    {{"停止"},
     {"stop"},
     ROLE_OPERATOR,
     true,
     "停止 [N]",
     "stop [N]",
     "做完这一步,存档,停下",
     "finishes the step, saves, stops",
     cmd_stop},
    {{"参数"},
     {"params"},
     ROLE_VIEWER,
     false,
     "参数 [N] [名=值 …]",
     "params [N] [name=value …]",
     "看参数和范围;带值就修改",
     "parameters and their ranges; with values: sets them",
     cmd_params},
    {{"状态"},
     {"status"},
     ROLE_VIEWER,
     false,
     "状态 [N]",
     "status [N]",
     "进度、指标、速度、机器",
     "progress, metrics, speed, machine",
     cmd_status},
    {{"曲线"},
     {"plot"},
     ROLE_VIEWER,
     false,
     "曲线 [N] [指标 …]",
     "plot [N] [metric …]",
     "曲线图",
     "a picture of the curves",
     cmd_plot},
    {{"列表"}, {"runs", "list"}, ROLE_VIEWER, false, "列表", "runs", "最近的训练", "recent runs", cmd_list},
    {{"用"}, {"use"}, ROLE_VIEWER, false, "用 N", "use N", "之后的命令都指 #N", "later commands mean run N", cmd_use},
    {{"暂停"}, {"pause"}, ROLE_OPERATOR, true, "暂停 [N]", "pause [N]", "暂停", "pauses", cmd_pause},
    {{"继续"}, {"resume"}, ROLE_OPERATOR, true, "继续 [N]", "resume [N]", "接着练", "goes on", cmd_resume},
    {{"保存"}, {"save"}, ROLE_OPERATOR, true, "保存 [N]", "save [N]", "现在存档", "saves a checkpoint now", cmd_save},
    {{"识别"},
     {"recognize", "recognise"},
     ROLE_VIEWER,
     false,
     "识别 N [#训练]",
     "recognize N [#run]",
     "识别前 N 张测试图片",
     "predictions for the first N test images",
     cmd_recognize},
    {{"结果"},
     {"results"},
     ROLE_VIEWER,
     false,
     "结果 [N]",
     "results [N]",
     "以前的识别结果",
     "earlier predictions",
     cmd_results},
    {{"静音"},
     {"mute"},
     ROLE_VIEWER,
     false,
     "静音 [23:00-08:00]",
     "mute [23:00-08:00]",
     "不报进度,告警照发",
     "no progress, alerts stay on",
     cmd_mute},
    {{"取消静音"}, {"unmute"}, ROLE_VIEWER, false, "取消静音", "unmute", "恢复进度报告", "progress again", cmd_unmute},
    {{"删除"},
     {"delete"},
     ROLE_OWNER,
     true,
     "删除 N",
     "delete N",
     "删掉一次训练和它的文件(先问)",
     "removes a run and its files (asks once)",
     cmd_delete},
    {{"配对"},
     {"pair"},
     ROLE_OWNER,
     true,
     "配对 operator|viewer",
     "pair operator|viewer",
     "生成配对码,给别人权限",
     "makes a code that gives somebody a role",
     cmd_pair},
    {{"谁"}, {"who", "audit"}, ROLE_OWNER, false, "谁", "who", "最近谁做了什么", "who did what lately", cmd_who},
    {{"通道"},
     {"channels"},
     ROLE_OWNER,
     false,
     "通道",
     "channels",
     "各个通道的情况",
     "how the channels are",
     cmd_channels},
    {{"帮助"},
     {"help"},
     ROLE_VIEWER,
     false,
     "帮助 [全部]",
     "help [all]",
     "这一屏;全部命令",
     "one screen; all commands",
     cmd_help},
    {{"退出"},
     {"quit"},
     ROLE_OWNER,
     true,
     "退出",
     "quit",
     "让这个通道退出登录(先问)",
     "logs this channel out (asks once)",
     cmd_quit},
};
const size_t commands_count = sizeof commands_table / sizeof *commands_table;

const struct command *command_find(const char *word, bool *ret_zh) {
    for (size_t i = 0; i < commands_count; i++) {
        const struct command *command = &commands_table[i];
        for (size_t j = 0; j < sizeof command->zh / sizeof *command->zh && command->zh[j]; j++)
            if (parse_same(command->zh[j], word)) {
                *ret_zh = true;
                return command;
            }
        for (size_t j = 0; j < sizeof command->en / sizeof *command->en && command->en[j]; j++)
            if (parse_same(command->en[j], word)) {
                *ret_zh = false;
                return command;
            }
    }
    return NULL;
}

bool commands_menu(size_t i, enum lang lang, const char **ret_name, const char **ret_help) {
    if (i >= commands_count) return false;
    *ret_name = commands_table[i].en[0];
    *ret_help = lang == LANG_ZH ? commands_table[i].zh_help : commands_table[i].en_help;
    return true;
}
