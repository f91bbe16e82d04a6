/* said.c: see said.h. Each row is a pattern and its Chinese; "*" stands for any text, which is looked up in turn. */
#include "said.h"
#include "error.h"

#include <stdio.h>
#include <string.h>

#define SLOTS_MAX 4
#define SLOT_SIZE 400
#define DEPTH_MAX 4

static const struct phrase {
    const char *en, *zh; /* $1 $2 …: the first "*", the second … */
} phrases[] = {
    /* the system */
    {"No such file or directory", "没有这个文件或目录"},
    {"Permission denied", "没有权限"},
    {"No space left on device", "磁盘满了"},
    {"Disk quota exceeded", "磁盘配额用完了"},
    {"File too large", "文件太大"},
    {"Not a directory", "不是目录"},
    {"Is a directory", "是目录"},
    {"Exec format error", "不是可以执行的程序"},
    {"Cannot allocate memory", "内存不够"},
    {"Read-only file system", "文件系统只读"},
    {"Input/output error", "读写出错"},
    {"Too many open files", "打开的文件太多"},
    {"Resource temporarily unavailable", "系统资源暂时不够"},
    {"Text file busy", "文件正在被写"},
    {"not a folder", "不是目录"},
    {"not enough memory", "内存不够"},
    {"not enough memory for batches of * samples; a smaller bs needs less", "内存装不下每批 $1 个样本,把 bs 调小"},
    {"not enough memory *", "内存不够"},
    /* ours (error.h) */
    {"out of memory", "内存不够"},
    {"the database cannot be written", "数据库写不进去"},
    {"the disk is full", "磁盘满了"},
    {"input or output failed", "读写出错"},
    {"there is no such thing", "没有这个东西"},
    {"it exists already", "已经有了"},
    {"malformed", "格式不对"},
    {"out of range", "超出范围"},
    {"busy", "正忙"},
    {"not allowed", "不允许"},
    {"made by a newer trainbot", "是更新版本的 trainbot 写的"},
    {"the other side is gone", "对方已经不在了"},
    {"no answer in time", "没有按时回答"},
    {"unknown error", "原因不明"},
    /* how a channel is */
    {"connection refused", "连接被拒绝"},
    {"the network is down", "网络不通"},
    {"the connection broke before an answer came", "还没有回答,连接就断了"},
    {"no connection in time", "没有按时连上"},
    {"the answer's header is too long", "回答的头太长"},
    {"the answer is too large", "回答太大"},
    {"the server's name was not found", "找不到服务器的名字"},
    {"the proxy's name was not found", "找不到代理的名字"},
    {"no connection", "连不上"},
    {"the proxy refused", "代理拒绝了"},
    {"no encrypted connection could be made", "建不了加密连接"},
    {"the server's certificate is not one to trust", "服务器的证书不可信"},
    {"the connection was closed without an answer", "没有回答,连接就关了"},
    {"the answer broke off", "回答断在半路"},
    {"the connection broke", "连接断了"},
    {"what came back is not HTTP", "回来的不是 HTTP"},
    {"the answer cannot be read", "回答读不懂"},
    {"another program polls with this token", "另一个程序在用这个 token 收消息"},
    {"the token is not valid any more (401): get one from @BotFather into token_file, then: login telegram",
     "token 失效了(401):向 @BotFather 要一个新的,写进 token_file,再发\"登录 telegram\""},
    {"the token is not one of the service's (404): check token_file and base_url, then: login telegram",
     "服务不认这个 token(404):检查 token_file 和 base_url,再发\"登录 telegram\""},
    {"logged out by command; to connect again: login telegram", "已退出;发\"登录 telegram\"再连上"},
    {"the request failed (libcurl's code *)", "请求没有成功(libcurl 的代码 $1)"},
    /* starting a program */
    {"not started: *", "没有启动:$1"},
    {"cannot enter *: *", "进不了目录 $1:$2"},
    {"cannot run *: *", "$1 运行不了:$2"},
    {"cannot write in the run's directory: *", "写不进这次训练的目录:$1"},
    {"cannot make a process: *", "建不了进程:$1"},
    {"cannot make a pipe: *", "建不了管道:$1"},
    {"cannot start a thread: *", "建不了线程:$1"},
    {"cannot listen on *: *", "监听不了 $1:$2"},
    {"this run was started before", "这次训练已经启动过"},
    {"run * was started before", "#$1 已经启动过"},
    {"the keeper ended before it started the program", "守护进程没来得及启动程序就结束了"},
    {"the bot ended before its process was there", "机器人在进程启动前就退出了"},
    /* the publisher */
    {"this training has no such command", "这个训练没有这个命令"},
    {"the training refused it", "训练程序不接受"},
    {"the training refuses it", "训练程序不接受"},
    {"the training has ended", "训练已经结束"},
    {"*: only the next start takes a new value", "$1 训练中不能改,下次开始时才能改"},
    /* the reference trainer: its data */
    {"no data folder *: *", "没有数据目录 $1:$2"},
    {"no *[.gz] in the data folder *", "数据目录 $2 里没有 $1[.gz]"},
    {"cannot open *: *", "打不开 $1:$2"},
    {"cannot read *: *", "读不了 $1:$2"},
    {"* is not a regular file of reasonable size", "$1 不是大小正常的普通文件"},
    {"*: not an IDX file of labels", "$1:不是 IDX 标签文件"},
    {"*: truncated or damaged: no complete IDX header", "$1:文件不完整或损坏,IDX 文件头不全"},
    {"*: truncated or damaged: less data than its header's * items", "$1:文件不完整或损坏,数据少于文件头写的 $2 项"},
    {"*: truncated: its header says * items", "$1:文件不完整,文件头写的是 $2 项"},
    {"*: not an IDX file of images: *", "$1:不是 IDX 图片文件"},
    {"*: not an IDX file of labels: *", "$1:不是 IDX 标签文件"},
    {"*: damaged: the gzip checksum does not hold", "$1:文件损坏,gzip 校验不对"},
    {"*: data follows after its header's * items", "$1:比文件头写的 $2 项多出了数据"},
    {"*: cannot be unpacked", "$1:解不开"},
    {"*: images are * x *; they must be 28 x 28", "$1:图片是 $2×$3,应当是 28×28"},
    {"*: * * images but * labels", "$1:$2 有 $3 张图片,却有 $4 个标签"},
    /* … its checkpoints */
    {"checkpoint *: *", "存档 $1:$2"},
    {"cannot read the checkpoint *: *", "读不了存档 $1:$2"},
    {"not a checkpoint of trainbot-train", "不是 trainbot-train 的存档"},
    {"corrupt: * bytes instead of *", "损坏了:$1 字节,应当是 $2"},
    {"corrupt: its checksum does not hold", "损坏了:校验不对"},
    {"corrupt: impossible sizes in its head", "损坏了:文件头不对"},
    {"corrupt: its fields make no sense", "损坏了:内容不对"},
    {"written by another version *", "是别的版本写的"},
    {"the checkpoint * is of model *, not of *", "存档 $1 是模型 $2 的,不是 $3 的"},
    {"the checkpoint holds numbers that are not finite", "存档里有不是有限的数"},
    {"the checkpoint does not fit this program's network *", "存档和这个程序的网络 $1 对不上"},
    {"no checkpoint in *", "$1 里没有存档"},
    {"no undamaged checkpoint in *", "$1 里没有完好的存档"},
    {"cannot write into the checkpoint folder *: *", "写不进存档目录 $1:$2"},
    {"cannot open the checkpoint folder *: *", "打不开存档目录 $1:$2"},
    {"cannot read the checkpoint folder *: *", "读不了存档目录 $1:$2"},
    {"another training is writing its checkpoints into *", "另一个训练正在往 $1 写存档"},
    {"cannot save *: *; the training goes on", "存不了 $1:$2。训练照常。"},
    {"cannot save *: *", "存不了 $1:$2"},
    {"nothing saved: there is no checkpoint folder (--checkpoint-dir)", "没有存:没有设存档目录(--checkpoint-dir)"},
    {"nothing saved: *", "没有存:$1"},
    {"saved with *, now *: the curve goes on, but not bit for bit",
     "存档时用的是 $1,现在是 $2:曲线会接上,但不会逐位相同"},
    {"the training data is not what the checkpoint was trained on: the curve will differ",
     "训练数据和存档时的不一样,曲线会不同"},
    {"nothing is left to train: more epochs (now *) go on", "没有剩下要练的了:把 epochs 调大(现在是 $1)再接着练"},
    {"nothing is left to train: a larger ti (now *) or --steps goes on",
     "没有剩下要练的了:把 ti 调大(现在是 $1)再接着练"},
    /* … its steps */
    {"nobody is connected who could resume", "没有人连着,无法继续"},
    {"a weight is nan at step * (loss before: *, lr *); paused, resume goes back to step *",
     "权重在第 $1 步变成 NaN(此前损失 $2,lr $3)。训练已自己暂停;\"继续\"会回到第 $4 步"},
    {"* is * at step * (loss before: *", "$1 在第 $3 步变成 $2(此前损失 $4"},
    {"the network's numbers at step * are not finite, so step * stays the last checkpoint",
     "第 $1 步网络里的数不是有限的,最近的存档仍是第 $2 步"},
    {"cannot go back: *", "回不去:$1"},
    {"asked to end by a signal: stopping after step *", "收到结束信号,做完第 $1 步就停"},
    {"step * failed: *", "第 $1 步没有做成:$2"},
    {"the compute library refused it", "计算库不接受"},
    {"the test set could not be evaluated", "测试集没有测成"},
    {"bs * is more than the * samples there are", "批量 $1 比全部 $2 个样本还多"},
    {"ti * leaves no step of * samples: * are seen already", "迭代 $1 一步也不剩了:批量是 $2,已经练了 $3 个样本"},
    {"epochs * decides the length, not ti; epochs=0 lets ti decide",
     "长度由 epochs $1 决定,不看 ti;设 epochs=0 才看 ti"},
    {"epochs * leaves nothing to train: * samples are seen already, * epochs",
     "epochs $1 一步也不剩了:已经练了 $2 个样本,合 $3 轮"},
    {"patience needs images to validate on, and the test set is not used for it: *",
     "patience 要有验证集(测试集不用来做这个):开始时设 validation=0.1"},
    {"lr * is the base; with * schedule step * takes *", "lr $1 是基准;按$2,第 $3 步实际用 $4"},
    {"the step", "阶梯下降"},
    {"the cosine", "余弦下降"},
    {"the warm-up", "预热"},
    {"no schedule moves lr any more: it is *", "学习率不再变化,就是 $1"},
    {"stopped early after epoch *: no better validation loss for one epoch; the best was epoch * (*)",
     "第 $1 轮后提前停止:验证损失没有变好,最好的是第 $2 轮($3)"},
    {"stopped early after epoch *: no better validation loss for * epochs; the best was epoch * (*)",
     "第 $1 轮后提前停止:连续 $2 轮验证损失没有变好,最好的是第 $3 轮($4)"},
    {"back to the weights of epoch *, step *", "用回第 $1 轮的权重(第 $2 步)"},
    {"the best epoch's weights were not kept (*): the last ones stay", "最好那一轮的权重没有留下($1),用的是最后的"},
    {"no checkpoint folder", "没有存档目录"},
    {"keep_best was off", "当时没有开 keep_best"},
    {"the best epoch's weights cannot be had back: *", "取不回最好那一轮的权重:$1"},
    {"the images held back could not be evaluated", "验证集没有测成"},
    {"the waves are not finite at step * (eps *, damping *)*", "水波在第 $1 步没有边了(eps $2,damping $3)"},
    {"steps * leaves nothing to do: * are done", "steps $1 一步也不剩了:已经做了 $2 步"},
    {"nothing is left to do: more steps go on (--steps)", "没有剩下要做的了:把 steps 调大再接着做"},
    {"asked to end by a signal: stopping", "收到结束信号,这就停"},
    {"no command \"*\"; * knows: *", "没有\"$1\"这个命令,$2 有:$3"},
    {"* at step *: originals above, what comes back below", "$1 第 $2 步:上面是原图,下面是还原"},
    {"* at step *: originals above, what comes back below; under them new images",
     "$1 第 $2 步:上面是原图和还原,下面是新图"},
    {"* at step *: new images", "$1 第 $2 步的新图"},
    {"* must be *, not \"*\"", "$1 不能是 \"$3\""},
};

struct slot {
    const char *at;
    size_t length;
};

/* The texts behind each "*", each as short as it can be. */
static bool fits(const char *pattern, const char *text, struct slot slots[SLOTS_MAX]) {
    size_t count = 0;
    for (;;) {
        const char *star = strchr(pattern, '*');
        if (!star) return strcmp(pattern, text) == 0;
        if (count == SLOTS_MAX || strncmp(pattern, text, (size_t)(star - pattern)) != 0) return false;
        text += star - pattern;
        pattern = star + 1;
        char literal[128];
        size_t length = strcspn(pattern, "*");
        snprintf(literal, sizeof literal, "%.*s", (int)length, pattern);
        bool last = pattern[length] == '\0';
        const char *next = text + strlen(text);
        if (length > 0 && last) { /* the end of the pattern stands at the end of the text */
            if (strlen(text) < length) return false;
            next -= length;
            if (strcmp(next, literal) != 0) return false;
        } else if (length > 0) {
            next = strstr(text, literal);
        }
        if (!next || next == text) return false;
        slots[count++] = (struct slot){text, (size_t)(next - text)};
        text = next;
    }
}

static bool translate(struct words *words, const char *text, int depth) {
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        struct slot slots[SLOTS_MAX] = {{0}};
        if (!fits(phrases[i].en, text, slots)) continue;
        for (const char *at = phrases[i].zh; *at; at++) {
            if (*at != '$') {
                words_add(words, "%c", *at);
                continue;
            }
            const struct slot *slot = &slots[*++at - '1'];
            char inner[SLOT_SIZE];
            snprintf(inner, sizeof inner, "%.*s", (int)slot->length, slot->at);
            if (depth == DEPTH_MAX || !translate(words, inner, depth + 1)) words_add_foreign(words, inner, SLOT_SIZE);
        }
        return true;
    }
    return false;
}

void words_add_said(struct words *words, const char *text, size_t max, enum lang lang) {
    char out[2000], program[] = "trainbot-train: ";
    struct words zh;
    words_init(&zh, out, sizeof out);
    if (strncmp(text, program, sizeof program - 1) == 0) {
        words_add(words, "%s", program);
        text += sizeof program - 1;
    }
    bool known = lang == LANG_ZH && strlen(text) < SLOT_SIZE * 2 && translate(&zh, text, 0);
    words_add_foreign(words, known ? out : text, max);
}

const char *said_in(const char *text, enum lang lang, char *out, size_t size) {
    struct words words;
    words_init(&words, out, size);
    words_add_said(&words, text, size, lang);
    return out;
}

const char *said_error(int error, enum lang lang) {
    const char *en = tb_error_text(error);
    for (size_t i = 0; lang == LANG_ZH && i < sizeof phrases / sizeof *phrases; i++)
        if (strcmp(phrases[i].en, en) == 0) return phrases[i].zh;
    return en;
}
