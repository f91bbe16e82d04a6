/* font.c: see font.h. */
#include "font.h"

#include <string.h>

static const struct font_glyph *glyph_search(uint32_t code) {
    size_t low = 0, high = font_glyphs_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (font_glyphs[middle].code == code) return &font_glyphs[middle];
        if (font_glyphs[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct font_glyph *font_glyph(uint32_t code) {
    const struct font_glyph *glyph = glyph_search(code);
    return glyph != NULL ? glyph : glyph_search('?');
}

int font_ink(const struct font_glyph *glyph, int x, int y) {
    int at = y * glyph->width + x;
    char c = glyph->ink[at / 2];
    int pair = c >= 'a' ? c - 'a' + 26 : c >= 'A' ? c - 'A' : c >= '0' ? c - '0' + 52 : c == '+' ? 62 : 63;
    return at % 2 == 0 ? pair / FONT_LEVELS : pair % FONT_LEVELS;
}

const char *font_next(const char *text, uint32_t *ret_code) {
    unsigned char first = (unsigned char)*text++;
    int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
    uint32_t code = first < 0x80 ? first : first & (0x3fu >> more);
    for (; more > 0 && ((unsigned char)*text & 0xc0) == 0x80; more--)
        code = code << 6 | ((unsigned char)*text++ & 0x3f);
    *ret_code = more > 0 || (first >= 0x80 && first < 0xc0) ? 0xfffd : code;
    return text;
}

int font_width(const char *text) {
    int width = 0;
    uint32_t code;
    while (*text != '\0') {
        text = font_next(text, &code);
        width += font_glyph(code)->advance;
    }
    return width;
}
