// The real trainer under a bot that is killed again and again: training goes on, and in the end every step has its row,
// every command its one effect, and the end is told once.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Bot, SLOW, Socket, trainerSection, until } from '../../support/bot.mjs';

const KILLS = process.env.TRAINBOT_FULL ? 60 : 12;

test(`a real training, ${KILLS} times kill -9 of the bot`, { timeout: 600000 * SLOW }, async (t) => {
  const bot = new Bot({ config: trainerSection('cnn', '--model softmax --param bs=50 --param ti=100000000 --param ds=25') });
  t.after(() => bot.remove());
  await bot.start();
  const start = await bot.send('开始');
  assert.equal(start.code, 0, start.out + start.err);
  for (let kill = 0; kill < KILLS; kill++) {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 150 * SLOW)); // the random moment
    await bot.kill();
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 100 * SLOW));
    await bot.start();
  }
  await until('steps again', async () => (await bot.run(1)).step > 100);
  await bot.kill();
  await bot.start();
  const stop = await bot.send('停止');
  assert.equal(stop.code, 0, stop.out + stop.err);
  const run = await bot.run(1);
  assert.equal(run.state, 'stopped');
  assert.equal(run.exit, 0);
  const rows = await bot.csv(1);
  t.diagnostic(`${KILLS} kills, ${rows.length} rows, stopped at step ${run.step}`);
  assert.equal(rows.length, run.step);
  rows.forEach((row, i) => {
    assert.equal(Number(row.step), i + 1);
    assert.ok(Number.isFinite(Number(row.loss)));
  });
  const socket = await Socket.open(bot);
  t.after(() => socket.close());
  socket.send({ type: 'since', rev: 0 });
  await until('the whole conversation', () => socket.messages.some((message) => message.type === 'synced'));
  const told = socket.messages.filter((message) => message.type === 'message' && message.dir === 'out');
  const ends = told.filter((message) => /#1 已停在/.test(message.text));
  assert.equal(ends.length, 1, JSON.stringify(told.map((message) => message.text)));
  assert.equal(told.filter((message) => /崩溃|失联|没有启动/.test(message.text)).length, 0, JSON.stringify(told.map((m) => m.text)));
});
