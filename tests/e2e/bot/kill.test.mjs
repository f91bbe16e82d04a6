// SIGKILL of the bot at random moments: no metric is missing or twice, no message is lost or said twice, no command is
// carried out twice, and a training that ends while no bot is there has its true end told.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Bot, Socket, Trainer, SLOW, existsSync, readFileSync, until } from '../../support/bot.mjs';

const KILLS = process.env.TRAINBOT_FULL ? 1000 : Number(process.env.TRAINBOT_KILLS || 200);

// All of it: rev 0 would give a first visitor the newest messages only.
async function history(bot, rev = 1) {
  const socket = await Socket.open(bot);
  socket.send({ type: 'since', rev });
  await until('the whole conversation', () => socket.messages.some((message) => message.type === 'synced'));
  const messages = socket.messages.filter((message) => message.type === 'message');
  socket.close();
  return messages;
}

test(`${KILLS} times kill -9: every row once, every note once, every command once`, { timeout: 600000 * SLOW }, async (t) => {
  const bot = new Bot();
  t.after(() => bot.remove());
  await bot.start();
  const trainer = new Trainer(bot, { name: 'steady', total: 1e6, params: [
    { name: 'lr', type: 'float', value: 0.1, min: 0, max: 1, live: true, help: 'learning rate' }] });
  t.after(() => trainer.close());
  const applied = new Map();
  let lr = 0.1, step = 0;
  const answered = new Set();
  trainer.onControl = (frame) => {
    if (frame.type !== 'set' || answered.has(frame.id)) return; // a control that is sent again is answered once
    answered.add(frame.id);
    const old = lr;
    lr = frame.params.lr;
    applied.set(lr, (applied.get(lr) ?? 0) + 1);
    trainer.say({ type: 'applied', id: frame.id, step, old: { lr: old }, new: { lr } });
  };
  await trainer.ready();
  let notes = 0;
  const pulse = setInterval(() => {
    for (let i = 0; i < 5; i++) { step++; trainer.metrics(step, { loss: 1 / step }); }
    trainer.progress(step, { acc: step / 1e6 });
    if (step % 100 === 0) trainer.event('note', { step, text: `note number ${++notes}.` });
  }, 5);
  t.after(() => clearInterval(pulse));

  const said = [];
  for (let kill = 1; kill <= KILLS; kill++) {
    const socket = await Socket.open(bot);
    const text = `lr ${(0.001 * kill).toFixed(3)}`, id = `kill-${kill}`;
    said.push({ id, text });
    socket.send({ type: 'say', text, id });
    // a page says again after a reconnect what it does not know to be stored
    for (const old of said.slice(-4, -1)) socket.send({ type: 'say', ...old });
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 60 * SLOW)); // the random moment
    await bot.kill();
    socket.close();
    await bot.start();
  }
  const last = await Socket.open(bot);
  for (const old of said) last.send({ type: 'say', ...old });
  clearInterval(pulse);
  await trainer.drained();
  await until('every command answered', async () => (await history(bot)).filter((m) => m.class === 'reply' && m.text.includes('→')).length >= KILLS, 60000);

  const rows = await bot.csv(trainer.id);
  assert.equal(rows.length, step, 'rows');
  rows.forEach((row, i) => {
    assert.equal(Number(row.step), i + 1);
    assert.equal(Number(row.loss), 1 / (i + 1));
  });
  const messages = await history(bot);
  const noted = messages.filter((message) => /note number \d+\./.test(message.text)).map((message) => /note number (\d+)\./.exec(message.text)[1]);
  assert.deepEqual(noted.map(Number).sort((a, b) => a - b), Array.from({ length: notes }, (_, i) => i + 1), 'notes');
  for (const [value, times] of applied) assert.equal(times, 1, `lr ${value} applied ${times} times`);
  const replies = messages.filter((message) => message.class === 'reply' && message.text.includes('→'));
  for (let kill = 1; kill <= KILLS; kill++) {
    const value = String(Number((0.001 * kill).toFixed(3)));
    const outcomes = replies.filter((message) => new RegExp(`→ ${value.replace('.', '\\.')}[,, ]`).test(message.text));
    assert.equal(outcomes.length, 1, `"lr ${value}": ${outcomes.length} outcomes: ${replies.map((m) => m.text).join(' | ').slice(0, 2000)}`);
  }
  const ids = messages.map((message) => message.id);
  assert.equal(new Set(ids).size, ids.length, 'message ids');
  t.diagnostic(`${KILLS} kills, ${rows.length} rows, ${notes} notes, ${replies.length} replies, ${applied.size} sets`);
});

test('the trainer ends while no bot is there: its true end is told', { timeout: 60000 * SLOW }, async (t) => {
  const bot = new Bot({ config: '[trainer fails]\ncommand=/bin/sh -c "echo the last words; while ! test -e {run_dir}/go; do sleep 0.05; done; exit 7"\n', sets: ['bot.default_trainer=fails'] });
  t.after(() => bot.remove());
  await bot.start();
  bot.command('开始 fails').catch(() => {}); // its answer dies with the bot
  const run = await until('the run', async () => (await bot.runs())[0]);
  await bot.kill();
  const { writeFileSync } = await import('node:fs');
  writeFileSync(`${bot.state}/runs/${run.id}/go`, '');
  await until('the exit file', () => existsSync(`${bot.state}/runs/${run.id}/exit`));
  await bot.start();
  const ended = await until('the end', async () => { const now = await bot.run(run.id); return now.state === 'failed' && now; });
  assert.equal(ended.exit, 7);
  const messages = await history(bot, 0);
  assert.equal(messages.filter((message) => /7/.test(message.text) && /the last words/.test(message.text)).length, 1);
});

test('a trainer that is killed is told within a second, with its signal and last lines', { timeout: 60000 * SLOW }, async (t) => {
  const bot = new Bot({ config: '[trainer waits]\ncommand=/bin/sh -c "echo my pid is $$; exec sleep 1000"\n', sets: ['bot.default_trainer=waits'] });
  t.after(() => bot.remove());
  await bot.start();
  bot.command('开始').catch(() => {});
  const run = await until('the run', async () => (await bot.runs())[0]);
  const log = `${bot.state}/runs/${run.id}/output.log`;
  const pid = Number(await until('its pid', () => existsSync(log) && /my pid is (\d+)/.exec(readFileSync(log, 'utf8'))?.[1]));
  const socket = await Socket.open(bot);
  socket.send({ type: 'since', rev: 1 });
  process.kill(pid, 'SIGKILL');
  const killed = Date.now();
  const told = await until('the alert', () => socket.messages.find((message) => message.class === 'alert' && /SIGKILL/.test(message.text)));
  t.diagnostic(`told after ${Date.now() - killed} ms: ${told.text}`);
  assert.match(told.text, /my pid is/);
  assert.equal((await bot.run(run.id)).signal, 9);
});
