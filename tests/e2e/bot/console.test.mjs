// The conversation at the machine itself: piped, refused, left; and what a training left behind while no bot was there.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync, existsSync } from 'node:fs';
import net from 'node:net';
import { BIN, Bot, SLOW, Trainer, join, until } from '../../support/bot.mjs';

// `trainbot chat` with this on its standard input, to its end.
function chat(bot, input) {
  return new Promise((resolve) => {
    const child = execFile(join(BIN, 'trainbot'), bot.words('chat'), { encoding: 'utf8' },
      (error, out, err) => resolve({ code: error ? error.code : 0, out, err }));
    child.stdin.end(input);
  });
}

test('piped: every line is answered before it ends', { timeout: 60000 * SLOW }, async (t) => {
  const bot = new Bot();
  t.after(() => bot.remove());
  await bot.start();
  const { code, out, err } = await chat(bot, 'status\nhelp\nnonsense\n');
  assert.equal(code, 0, err);
  assert.match(out, /no run yet/);
  assert.match(out, /resume/);
  assert.match(out, /nonsense/);
  assert.equal((await chat(bot, '')).code, 0);
});

test('piped: an outcome that takes a moment is waited for', { timeout: 60000 * SLOW }, async (t) => {
  const bot = new Bot();
  t.after(() => bot.remove());
  await bot.start();
  const trainer = new Trainer(bot, { params: [{ name: 'lr', type: 'float', value: 0.1, min: 0, max: 1, live: true }] });
  t.after(() => trainer.close());
  trainer.onControl = (frame) => frame.type === 'set' && setTimeout(() =>
    trainer.say({ type: 'applied', id: frame.id, step: 3, old: { lr: 0.1 }, new: frame.params }), 300);
  await trainer.ready();
  const { code, out } = await chat(bot, 'lr 0.5\n');
  assert.equal(code, 0);
  assert.match(out, /lr 0\.1 → 0\.5/);
});

test('a chat whose bot goes away says so', { timeout: 60000 * SLOW }, async (t) => {
  const bot = new Bot();
  t.after(() => bot.remove());
  await bot.start();
  const ended = new Promise((resolve) => {
    const child = execFile(join(BIN, 'trainbot'), bot.words('chat'), { encoding: 'utf8' },
      (error, out, err) => resolve({ code: error ? error.code : 0, err }));
    child.stdin.write('status\n');
    child.stdout.on('data', () => bot.kill());
  });
  const { code, err } = await ended;
  assert.equal(code, 2);
  assert.match(err, /went away/);
});

test('garbage on the control socket is answered', { timeout: 60000 * SLOW }, async (t) => {
  const bot = new Bot();
  t.after(() => bot.remove());
  await bot.start();
  const stream = net.connect(join(bot.state, 'control.sock'));
  let text = '', gone = false;
  stream.on('data', (data) => (text += data));
  stream.on('close', () => (gone = true));
  stream.on('error', () => {});
  stream.write('what\n{"type":"shout"}\n{"type":"send"}\n{"type":"attach","after":1.5}\n');
  await until('four errors', () => text.split('"error"').length === 5);
  stream.write('x'.repeat(5 << 20));
  await until('the endless line ends it', () => gone);
  assert.equal((await bot.send('status')).code, 0);
  const mute = net.connect(join(bot.state, 'control.sock'));
  t.after(() => mute.destroy());
  mute.pause();
  mute.write('{"type":"attach","after":0}\n' + '{"type":"say","text":"help all"}\n'.repeat(3000));
  assert.equal((await bot.send('status')).code, 0); // one who never reads holds nobody up
});

test('SIGTERM leaves nothing behind, and a training goes on', { timeout: 60000 * SLOW }, async (t) => {
  const bot = new Bot();
  t.after(() => bot.remove());
  await bot.start();
  const trainer = new Trainer(bot);
  t.after(() => trainer.close());
  await trainer.ready();
  for (let step = 1; step <= 500; step++) trainer.metrics(step, { loss: 1 / step });
  const { code, signal } = await bot.stop();
  assert.deepEqual([code, signal], [0, null], bot.log);
  assert.doesNotMatch(bot.log, /still held handles/);
  await bot.start();
  await trainer.drained();
  assert.equal((await bot.csv(trainer.id)).length, 500);
});

test('a training that ran and ended while no bot was there', { timeout: 60000 * SLOW }, async (t) => {
  const bot = new Bot(), instance = 'abcdef0123456789abcdef0123456789', folder = join(bot.state, 'spool');
  t.after(() => bot.remove());
  mkdirSync(folder, { recursive: true });
  const lines = [{ type: 'hello', seq: 1, v: 1, instance, name: 'lonely', pid: 1, host: 'here', params: [], commands: [], next_seq: 2 }];
  for (let step = 1; step <= 20000; step++) lines.push({ type: 'metrics', seq: step + 1, step, t_ms: 1.7e12 + step, values: { loss: 1 / step } });
  lines.push({ type: 'bye', seq: 20002, status: 'finished' });
  writeFileSync(join(folder, instance), lines.map((line) => JSON.stringify(line) + '\n').join(''));
  await bot.start();
  const run = await until('its end', async () => (await bot.runs()).find((one) => one.state === 'finished'));
  assert.equal(run.name, 'lonely');
  assert.equal((await bot.csv(run.id)).length, 20000);
  await until('its spool is gone', () => !existsSync(join(folder, instance)));
});
