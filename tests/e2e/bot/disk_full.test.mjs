// The disk is full: the bot answers all the same, says what is wrong, acknowledges nothing it could not keep, and takes
// everything once there is room again. On a small tmpfs of the test's own.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync, unlinkSync } from 'node:fs';
import { Bot, SLOW, Socket, Trainer, join, scratch, until } from '../../support/bot.mjs';

function mounted(dir) {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m,mode=0700', 'tmpfs', dir], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

test('a full disk: answered, told, nothing lost', { timeout: 120000 * SLOW }, async (t) => {
  const dir = scratch(), state = join(dir, 's');
  mkdirSync(state, { mode: 0o700 });
  if (!mounted(state)) return t.skip('SKIP: a tmpfs cannot be mounted here');
  const bot = new Bot({ dir });
  t.after(async () => {
    await bot.stop();
    execFileSync('umount', [state]);
    await bot.remove();
  });
  await bot.start();
  const trainer = new Trainer(bot, { name: 'writer' });
  t.after(() => trainer.close());
  await trainer.ready();
  let step = 0;
  const row = () => trainer.metrics(++step, { loss: 1 / step });
  for (let i = 0; i < 100; i++) row();
  await trainer.drained();
  const page = await Socket.open(bot);
  page.send({ type: 'since', rev: 0 });

  const filler = join(state, 'filler');
  for (let size = 6 << 20; size >= 1; size = Math.floor(size / 2)) {
    try { writeFileSync(filler, Buffer.alloc(size), { flag: 'a' }); } catch (error) { assert.equal(error.code, 'ENOSPC'); }
  }
  const flow = setInterval(row, 5);
  t.after(() => clearInterval(flow));
  const told = await until('the full disk is told', () => page.messages.find((message) => message.class === 'alert' && /磁盘|disk|数据库|database/.test(message.text)), 60000);
  t.diagnostic(`told: ${told.text}`);
  const answer = await bot.send('状态');
  assert.equal(answer.code, 0, answer.err);
  assert.match(answer.out, /writer/);
  page.send({ type: 'say', text: '状态', id: 'while-full' });
  await until('an answer or a refusal on the page', () => page.messages.some((message) => message.type === 'refused' || (message.class === 'reply' && /writer/.test(message.text))));

  unlinkSync(filler);
  await until('rows are taken again', () => trainer.acked > 110, 60000);
  clearInterval(flow);
  await trainer.drained();
  const rows = await bot.csv(trainer.id);
  assert.equal(rows.length, step);
  rows.forEach((one, i) => assert.equal(Number(one.step), i + 1));
  assert.equal(page.messages.filter((message) => message.class === 'alert' && message.text === told.text).length, 1, 'said once');
});
