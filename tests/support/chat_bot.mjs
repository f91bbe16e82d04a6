// The real bot on a stand-in of a chat service: what the tests of all such channels share. A phone is the stand-in's
// Person or User: says(), seen, messages, waitFor(want, {after}).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { BIN, Bot, Socket, join, scratch, until } from './bot.mjs';

// A bot whose folder holds files ({name: text}, readable by their owner only) before it starts. config(dir) → text.
export async function chatBot(t, { files = {}, config, sets }) {
  const dir = scratch();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text, { mode: 0o600 });
  const bot = new Bot({ dir, config: config(dir), sets });
  t.after(async () => {
    const end = await bot.remove();
    if (bot.child) assert.deepEqual(end, { code: 0, signal: null }, `the bot's end:\n${bot.log.slice(-3000)}`);
  });
  await bot.start();
  bot.page = await Socket.open(bot);
  t.after(() => bot.page.close());
  bot.page.send({ type: 'since', rev: 0 });
  return bot;
}
// Ends without a word and begins again on the same state.
export async function restart(bot, signal = 'SIGTERM') {
  bot.page.close();
  await bot.kill(signal);
  await bot.start();
  bot.page = await Socket.open(bot);
  bot.page.send({ type: 'since', rev: 0 });
}
// What the owner reads on the page.
export const alert = (bot, pattern) => until(`an alert like ${pattern}`, () =>
  bot.page.messages.find((message) => message.type === 'message' && pattern.test(message.text)));
// `trainbot VERB WORDS…`: {code, out}
export function program(bot, ...words) {
  return new Promise((resolve) => execFile(join(BIN, 'trainbot'), bot.words(...words), { encoding: 'utf8' },
    (error, out, err) => resolve({ code: error ? error.code : 0, out, err })));
}
// Says something and gives the first message after it that fits.
export async function ask(phone, text, pattern, options = {}) {
  const after = phone.seen;
  phone.says(text);
  return phone.waitFor(pattern, { after, ms: 30000, ...options });
}
// Exactly one message of all that were seen fits.
export function once(phone, pattern) {
  const fitting = phone.messages.filter((message) => pattern.test(message.seen ?? message.text ?? ''));
  assert.equal(fitting.length, 1, `${pattern}: ${JSON.stringify(phone.messages.map((message) => message.text), null, 1)}`);
  return fitting[0];
}
export const RUN = '--param ti=1000000000000 --param ds=10 --param save_every=1000000000';
export const trainer = (name, model, more = RUN) =>
  `[trainer ${name}]\ncommand=${join(BIN, 'trainbot-train')} --model ${model} ${more}\nresume_args=--resume {checkpoint}\ndescribe=${join(BIN, 'trainbot-train')} --model ${model} --describe\n`;

const paeth = (a, b, c) => { const p = a + b - c, x = Math.abs(p - a), y = Math.abs(p - b), z = Math.abs(p - c); return x <= y && x <= z ? a : y <= z ? b : c; };
// A PNG of 8 bits, looked at: its size and how many pixels have each colour.
export function look(bytes, name = 'picture') {
  if (process.env.TRAINBOT_PICTURES) { mkdirSync(process.env.TRAINBOT_PICTURES, { recursive: true }); writeFileSync(join(process.env.TRAINBOT_PICTURES, `${name}.png`), bytes); }
  assert.equal(bytes.subarray(0, 8).toString('latin1'), '\x89PNG\r\n\x1a\n');
  const width = bytes.readUInt32BE(16), height = bytes.readUInt32BE(20), [depth, type, , , interlaced] = bytes.subarray(24);
  const parts = [];
  for (let at = 8; at < bytes.length;) {
    const size = bytes.readUInt32BE(at);
    if (bytes.subarray(at + 4, at + 8).toString() === 'IDAT') parts.push(bytes.subarray(at + 8, at + 8 + size));
    at += 12 + size;
  }
  const channels = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[type], raw = inflateSync(Buffer.concat(parts));
  assert.deepEqual([depth, interlaced], [8, 0]);
  const stride = width * channels, rows = Buffer.alloc(height * stride), colours = new Map();
  assert.equal(raw.length, height * (stride + 1), 'whole');
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)];
    for (let x = 0; x < stride; x++) {
      const left = x >= channels ? rows[y * stride + x - channels] : 0, up = y ? rows[(y - 1) * stride + x] : 0;
      const corner = y && x >= channels ? rows[(y - 1) * stride + x - channels] : 0;
      const add = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
      rows[y * stride + x] = raw[y * (stride + 1) + 1 + x] + add;
    }
    for (let x = 0; x < stride; x += channels) {
      const colour = rows.toString('latin1', y * stride + x, y * stride + x + channels);
      colours.set(colour, (colours.get(colour) ?? 0) + 1);
    }
  }
  return { width, height, colours: [...colours.values()].sort((a, b) => b - a) };
}
// A picture of curves: large enough to read, a background, and ink of several colours on it.
export function curves(bytes, name) {
  const { width, height, colours } = look(bytes, name);
  assert.ok(width >= 390 && height >= 200, `${width} x ${height}`);
  assert.ok(colours.length >= 8, `${colours.length} colours`);
  const ink = 1 - colours[0] / (width * height);
  assert.ok(ink > 0.01 && ink < 0.9, `${Math.round(ink * 100)} % ink`);
}
// Resident memory of the bot, in MiB.
export function resident(bot) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${bot.child.pid}/status`, 'utf8'))[1]) / 1024;
}
// All that follows in this process, the bot and the stand-in, waits so many times shorter.
export function speed(n) { process.env.TRAINBOT_TEST_SPEED = String(n); }
// Lines of the bot's log since `from` that are warnings or errors of a channel.
export const logged = (bot, from, channel) => bot.log.slice(from).split('\n').filter((line) => line.toLowerCase().includes(channel));
export const stripped = (line) => line.replace(/^\S+ \S+ /, ''); // without its time
