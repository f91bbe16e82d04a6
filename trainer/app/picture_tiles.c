/* picture_tiles.c: see picture.h. */
#include "picture.h"
#include "font.h"

#define SCALE_MAX 32
#define COLUMNS_MAX 10
#define TEXT_WIDTH 132 /* the longest name of a class, and a word before it */

void tiles_fit(struct tiles *tiles, int columns) {
    int room = (PICTURE_WIDTH - PICTURE_GAP) / columns - PICTURE_GAP - 2 * tiles->frame;
    tiles->columns = columns;
    tiles->scale = room / tiles->width;
    if (tiles->scale > SCALE_MAX) tiles->scale = SCALE_MAX;
    if (tiles->scale < 1) tiles->scale = 1;
}

void tiles_fit_text(struct tiles *tiles) {
    int count = tiles->count, columns = count <= 4 ? count : count <= 24 ? 4 : count <= 40 ? 5 : count <= 72 ? 8 : 10;
    tiles_fit(tiles, columns < 2 ? 2 : columns);
    tiles->columns = columns;
    int least = (TEXT_WIDTH - 2 * tiles->frame + tiles->width - 1) / tiles->width;
    if (tiles->scale < least) tiles->scale = least;
}

void tiles_fit_square(struct tiles *tiles) {
    int columns = 1;
    while (columns * columns < tiles->count)
        columns++;
    /* Whole rows, where that is still nearly a square. */
    for (int more = columns; more * more <= 2 * tiles->count && more <= COLUMNS_MAX; more++) {
        if (tiles->count % more != 0) continue;
        columns = more;
        break;
    }
    tiles_fit(tiles, columns);
}

static int tile_width(const struct tiles *tiles) {
    return tiles->width * tiles->scale + 2 * tiles->frame;
}

static int tile_height(const struct tiles *tiles) {
    int image = tiles->height * tiles->scale;
    bool pair = tiles->count > 0 && tiles->tiles[0].below != NULL;
    return image + 2 * tiles->frame + (pair ? image + PICTURE_GAP / 2 : 0) + tiles->lines * FONT_LINE;
}

/* Pairs and texts stand farther apart than what belongs together. */
static int gap_below(const struct tiles *tiles) {
    bool pair = tiles->count > 0 && tiles->tiles[0].below != NULL;
    return tiles->lines > 0 || pair ? 2 * PICTURE_GAP : PICTURE_GAP;
}

void tiles_size(const struct tiles *tiles, int *ret_width, int *ret_height) {
    int rows = (tiles->count + tiles->columns - 1) / tiles->columns;
    *ret_width = tiles->columns * (tile_width(tiles) + PICTURE_GAP) + PICTURE_GAP;
    *ret_height = rows * (tile_height(tiles) + gap_below(tiles)) - gap_below(tiles) + 2 * PICTURE_GAP;
}

static void image_draw(const struct tiles *tiles, struct canvas *canvas, int x, int y, const uint8_t *pixels) {
    int scale = tiles->scale;
    if (tiles->palette == NULL) {
        canvas_grey(canvas, x, y, pixels, tiles->width, tiles->height, scale);
        return;
    }
    for (int row = 0; row < tiles->height; row++)
        for (int column = 0; column < tiles->width; column++)
            canvas_fill(canvas, x + column * scale, y + row * scale, scale, scale,
                        tiles->palette[pixels[row * tiles->width + column]]);
}

static void tile_draw(const struct tiles *tiles, const struct tile *tile, struct canvas *canvas, int x, int y) {
    int image = tiles->height * tiles->scale, frame = tiles->frame;
    if (frame > 0) canvas_fill(canvas, x, y, tile_width(tiles), image + 2 * frame, tile->frame);
    image_draw(tiles, canvas, x + frame, y + frame, tile->pixels);
    y += image + 2 * frame;
    if (tile->below != NULL) {
        image_draw(tiles, canvas, x + frame, y + PICTURE_GAP / 2, tile->below);
        y += image + PICTURE_GAP / 2;
    }
    for (int i = 0; i < tiles->lines; i++) /* a little wider than the image: the gap is free */
        canvas_text(canvas, x - PICTURE_GAP / 2, y + i * FONT_LINE, tile_width(tiles) + PICTURE_GAP, ALIGN_CENTRE,
                    tile->lines[i], tile->colours[i]);
}

void tiles_draw(const struct tiles *tiles, struct canvas *canvas, int x, int y) {
    int across = tile_width(tiles) + PICTURE_GAP, down = tile_height(tiles) + gap_below(tiles);
    for (int i = 0; i < tiles->count; i++)
        tile_draw(tiles, &tiles->tiles[i], canvas, x + PICTURE_GAP + i % tiles->columns * across,
                  y + PICTURE_GAP + i / tiles->columns * down);
}

int tiles_picture(const struct tiles *tiles, struct canvas *ret_canvas) {
    int width, height;
    tiles_size(tiles, &width, &height);
    if (canvas_init(ret_canvas, width, height, COLOUR_PAPER) != 0) return -1;
    tiles_draw(tiles, ret_canvas, 0, 0);
    return 0;
}

void palette_signed(uint32_t ret_palette[256]) {
    for (int i = 0; i < 256; i++) {
        double share = (i - 128) / 127.0;
        uint32_t strong = share < 0 ? 0x08519cu : 0xc4500au, middle = share < 0 ? 0x9ecae1u : 0xfdc086u;
        double size = share < 0 ? -share : share;
        ret_palette[i] =
            size < 0.5 ? canvas_mix(0xf7f7f7u, middle, size * 2) : canvas_mix(middle, strong, size * 2 - 1);
    }
}
