/* near.c: see near.h. The distance is that of optimal string alignment (Damerau 1964, Levenshtein 1966) by characters.
 */
#include "near.h"
#include "parse.h"
#include "words.h"

#include <string.h>

#define CHARACTERS_MAX 64

static const struct {
    const char *pinyin, *word;
} pinyins[] = {
    {"kaishi", "开始"},
    {"tingzhi", "停止"},
    {"canshu", "参数"},
    {"zhuangtai", "状态"},
    {"quxian", "曲线"},
    {"liebiao", "列表"},
    {"yong", "用"},
    {"zanting", "暂停"},
    {"jixu", "继续"},
    {"baocun", "保存"},
    {"shibie", "识别"},
    {"jieguo", "结果"},
    {"jingyin", "静音"},
    {"shanchu", "删除"},
    {"peidui", "配对"},
    {"bangzhu", "帮助"},
    {"tuichu", "退出"},
    {"tongdao", "通道"},
    {"shei", "谁"},
    {"xuexilv", "学习率"},
    {"xuexilu", "学习率"},
    {"diedai", "迭代"},
    {"piliang", "批量"},
    {"xianshi", "显示"},
    {"quxiaojingyin", "取消静音"},
    /* of trainers: a word that the one here does not have is not offered */
    {"nanli", "难例"},
    {"hunxiao", "混淆"},
    {"lvboqi", "滤波器"},
    {"chongjian", "重建"},
    {"qiankongjian", "潜空间"},
    {"yangben", "样本"},
};

const char *near_pinyin(const char *word) {
    for (size_t i = 0; i < sizeof pinyins / sizeof *pinyins; i++)
        if (parse_same(pinyins[i].pinyin, word)) return pinyins[i].word;
    for (size_t i = 0; i < sizeof pinyins / sizeof *pinyins; i++)
        if (strlen(pinyins[i].pinyin) >= 6 && near_distance(pinyins[i].pinyin, word) == 1) return pinyins[i].word;
    return NULL;
}

static size_t decode(const char *text, uint32_t codes[CHARACTERS_MAX]) {
    size_t size = strlen(text), count = 0;
    for (size_t i = 0; i < size && count < CHARACTERS_MAX;) {
        uint32_t code;
        size_t n = utf8_next(text + i, size - i, &code);
        if (n == 0) break;
        codes[count++] = code >= 'A' && code <= 'Z' ? code + 32 : code;
        i += n;
    }
    return count;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

size_t near_distance(const char *a, const char *b) {
    uint32_t left[CHARACTERS_MAX], right[CHARACTERS_MAX];
    size_t n = decode(a, left), m = decode(b, right);
    size_t rows[3][CHARACTERS_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        above[j] = j;
    memcpy(before, above, sizeof rows[0]);
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t change = above[j - 1] + (left[i - 1] != right[j - 1]);
            row[j] = least(change, least(above[j], row[j - 1]) + 1);
            bool swapped = i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if (swapped) row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[m];
}

void near_begin(struct near *near, const char *asked) {
    *near = (struct near){.asked = asked, .distance = (size_t)-1};
}

void near_try(struct near *near, const char *word) {
    uint32_t codes[CHARACTERS_MAX];
    size_t asked = decode(near->asked, codes), length = decode(word, codes);
    bool han = length > 0 && codes[0] >= 0x2e80;
    size_t allowed = han ? (length >= 2 ? 1 : 0) : length >= 6 ? 2 : length >= 3 ? 1 : 0;
    if (strncmp(near->asked, word, strlen(word)) == 0 && han && asked > length) { /* 停止8, 开始cnn */
        const char *rest = near->asked + strlen(word);
        size_t ascii = 0;
        while (rest[ascii] > ' ' && rest[ascii] < 0x7f)
            ascii++;
        if (rest[ascii] == '\0') {
            near->best = word;
            near->distance = 0;
            return;
        }
    }
    size_t distance = near_distance(near->asked, word);
    if (distance <= allowed && distance < near->distance) {
        near->best = word;
        near->distance = distance;
    }
}
