// A terminal's screen as a picture: what `tmux capture-pane -e -p` printed, each cell by its colours and its block glyph.
// A palette is 16 colours, and what the terminal shows where nothing was asked for.
import { writeFileSync } from 'node:fs';

const XTERM = ['000000', 'cd0000', '00cd00', 'cdcd00', '0000ee', 'cd00cd', '00cdcd', 'e5e5e5', '7f7f7f', 'ff0000', '00ff00', 'ffff00', '5c5cff', 'ff00ff', '00ffff', 'ffffff'];
const SOLARIZED = ['073642', 'dc322f', '859900', 'b58900', '268bd2', 'd33682', '2aa198', 'eee8d5', '002b36', 'cb4b16', '586e75', '657b83', '839496', '6c71c4', '93a1a1', 'fdf6e3'];
export const PALETTES = {
  dark: { colours: XTERM, fg: 'e5e5e5', bg: '000000' },
  light: { colours: XTERM, fg: '000000', bg: 'ffffff' },
  'solarized dark': { colours: SOLARIZED, fg: '839496', bg: '002b36' },
  'solarized light': { colours: SOLARIZED, fg: '657b83', bg: 'fdf6e3' },
};
const WIDTH = 8, HEIGHT = 16; // of a cell, in pixels
// Which rows of a cell its glyph fills.
const GLYPHS = { ' ': () => false, '█': () => true, '▀': (y) => y < HEIGHT / 2, '▄': (y) => y >= HEIGHT / 2 };
const other = (y, x) => y > 3 && y < 12 && x > 1 && x < 6 && (x + y) % 2 === 0; // some ink

function extended(codes, at) { // 38;5;n and 38;2;r;g;b → [colour, how many were used]
  if (codes[at] === 2) return [codes.slice(at + 1, at + 4).map((value) => value.toString(16).padStart(2, '0')).join(''), 4];
  const n = codes[at + 1];
  if (n < 16) return [n, 2];
  const level = (value) => (value ? 55 + 40 * value : 0).toString(16).padStart(2, '0');
  const grey = (8 + 10 * (n - 232)).toString(16).padStart(2, '0');
  return [n >= 232 ? grey.repeat(3) : [Math.floor((n - 16) / 36), Math.floor((n - 16) / 6) % 6, (n - 16) % 6].map(level).join(''), 2];
}
function apply(style, codes) {
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code === 0) Object.assign(style, { fg: null, bg: null, reverse: false });
    else if (code === 7 || code === 27) style.reverse = code === 7;
    else if (code === 39) style.fg = null;
    else if (code === 49) style.bg = null;
    else if (code === 38 || code === 48) { const [colour, used] = extended(codes, i + 1); style[code === 38 ? 'fg' : 'bg'] = colour; i += used; }
    else if (code >= 30 && code <= 37) style.fg = code - 30;
    else if (code >= 40 && code <= 47) style.bg = code - 40;
    else if (code >= 90 && code <= 97) style.fg = code - 82;
    else if (code >= 100 && code <= 107) style.bg = code - 92;
  }
}
// Rows of cells {glyph, fg, bg}.
function cells(screen, { colours, fg, bg }) {
  const hex = (colour, otherwise) => (colour === null ? otherwise : typeof colour === 'number' ? colours[colour] : colour);
  const style = { fg: null, bg: null, reverse: false };
  return screen.replace(/\n$/, '').split('\n').map((line) => {
    const row = [];
    for (const [, codes, glyph] of line.matchAll(/\x1b\[([\d;]*)m|([^\x1b])/gu)) {
      if (glyph === undefined) { apply(style, codes.split(';').map(Number)); continue; }
      const ink = hex(style.fg, fg), paper = hex(style.bg, bg);
      const cell = { glyph, fg: style.reverse ? paper : ink, bg: style.reverse ? ink : paper };
      row.push(cell);
      if (/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/.test(glyph)) row.push(cell); // wide
    }
    return row;
  });
}
export function picture(screen, palette, path) {
  const rows = cells(screen, palette), width = Math.max(...rows.map((row) => row.length)) * WIDTH, height = rows.length * HEIGHT;
  const bytes = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const cell = rows[Math.floor(y / HEIGHT)][Math.floor(x / WIDTH)] ?? { glyph: ' ', bg: palette.bg };
      const inked = (GLYPHS[cell.glyph] ?? other)(y % HEIGHT, x % WIDTH);
      bytes.write(inked ? cell.fg : cell.bg, (y * width + x) * 3, 'hex');
    }
  }
  writeFileSync(path, Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), bytes]));
}
