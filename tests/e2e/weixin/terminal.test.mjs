// The QR code in a real terminal: tmux shows it, a picture of the screen is decoded, and it holds the address that the
// service gave; on dark and on light terminals, and on a small one. The number of the phone is typed there too.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { speed } from '../../support/chat_bot.mjs';
import { BIN, SLOW, join, scratch, until } from '../../support/bot.mjs';
import { PALETTES, picture } from '../../support/terminal_picture.mjs';
import { OWNER, clean, gatewayFor, home } from './phone.mjs';

speed(20);
const has = (program) => { try { execFileSync('which', [program], { stdio: 'pipe' }); return true; } catch { return false; } };
const missing = ['tmux', 'zbarimg'].filter((program) => !has(program));
const skip = missing.length ? `SKIP: there is no ${missing.join(' and no ')} here` : false;
if (skip) console.log(skip);

class Tmux {
  constructor(t, words, { columns, rows }) {
    this.socket = join(scratch(), 'tmux');
    const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    this.run('-f', '/dev/null', 'new-session', '-d', '-x', String(columns), '-y', String(rows), `trap : INT; ${quoted}; echo "ended with $?"; read line; echo "then: $line"; exec sleep 1000`);
    t.after(() => this.run('kill-server'));
  }
  run(...words) {
    return execFileSync('tmux', ['-u', '-S', this.socket, ...words], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C.UTF-8', TERM: 'xterm-256color', TMUX: '' }, stdio: ['ignore', 'pipe', 'pipe'] });
  }
  screen() { return this.run('capture-pane', '-e', '-p', '-N'); } // what is visible, with its colours
  text() { return this.run('capture-pane', '-p', '-J', '-S', '-'); }
  says(pattern) { return until(`the terminal says ${pattern}`, () => pattern.exec(this.text())).catch((error) => { throw new Error(`${error.message}\n${this.text()}`); }); }
}
function scanned(screen, name, palette) {
  const folder = process.env.TRAINBOT_PICTURES ?? scratch();
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `terminal ${name}.ppm`);
  picture(screen, palette, path);
  try {
    return execFileSync('zbarimg', ['--raw', '-q', path], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  } catch (error) {
    copyFileSync(path, '/tmp/terminal-not-decoded.ppm');
    return `nothing (${error.status}), see /tmp/terminal-not-decoded.ppm`;
  }
}

for (const size of [{ columns: 120, rows: 50 }, { columns: 80, rows: 24 }]) {
  test(`scanned back from a terminal of ${size.columns} x ${size.rows}`, { skip, timeout: 60000 * SLOW }, async (t) => {
    const gateway = await gatewayFor(t);
    const bot = home(t, gateway);
    const tmux = new Tmux(t, [join(BIN, 'trainbot'), ...bot.words('login', 'weixin')], size);
    const code = await gateway.nextCode();
    await tmux.says(/bot_type=3/); // the address stands below the code
    const screen = tmux.screen();
    for (const [name, palette] of Object.entries(PALETTES)) assert.equal(scanned(screen, `${name} ${size.columns}`, palette), code.url, name);
    const owner = gateway.person(OWNER);
    code.scan(owner, { number: '4207' });
    await tmux.says(/请输入/);
    tmux.run('send-keys', '4207', 'Enter');
    await tmux.says(/已扫到/);
    code.confirm();
    await tmux.says(/登录成功/);
    await tmux.says(/ended with 0/);
    tmux.run('send-keys', 'more', 'Enter'); // the terminal is left as it was: the next program reads from it
    await tmux.says(/then: more/);
    clean(gateway);
  });
}

test('a second code takes the first one\'s place; Ctrl-C ends it', { skip, timeout: 60000 * SLOW }, async (t) => {
  const gateway = await gatewayFor(t);
  const bot = home(t, gateway);
  const tmux = new Tmux(t, [join(BIN, 'trainbot'), ...bot.words('login', 'weixin')], { columns: 100, rows: 40 });
  (await gateway.nextCode()).expire();
  const second = await gateway.nextCode();
  await tmux.says(new RegExp(second.url.slice(-40, -11)));
  assert.equal(scanned(tmux.screen(), 'second', PALETTES.dark), second.url);
  tmux.run('send-keys', 'C-c');
  await tmux.says(/没有登录[^]*ended with 130/);
});
