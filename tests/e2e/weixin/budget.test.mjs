// Ten messages may follow each one from a person, and these are spent well: nothing is sent beyond them, nothing that
// matters is missing in the end, a refusal ends the sending, and the person is told how it goes on.
import test from 'node:test';
import assert from 'node:assert/strict';
import { alert, speed } from '../../support/chat_bot.mjs';
import { SLOW, Trainer, until } from '../../support/bot.mjs';
import { begin, clean, logIn, polls } from './phone.mjs';

speed(20);
async function up(t, options) {
  const all = await begin(t, options);
  await logIn(t, all.gateway, all.bot, all.owner);
  await polls(all.gateway, all.owner);
  await all.owner.ask('状态', /训练/);
  return { ...all, chat: all.gateway.chat(all.owner.bot, all.owner.id) };
}
async function ends(bot, name) {
  const run = new Trainer(bot, { name, total: 10 });
  await run.ready();
  run.event('started');
  run.metrics(10, { loss: 0.5 });
  run.event('finished');
  run.say({ type: 'bye', status: 'finished' });
  await run.drained();
  run.close();
  return run.id;
}
const count = (person, id) => (person.texts.join('\n').match(new RegExp(`#${id} 完成`, 'g')) ?? []).length;
const idle = (gateway, bot) => until('all that may leave has left', async () => {
  const before = gateway.count('sendmessage');
  await new Promise((resolve) => setTimeout(resolve, 1500)); // longer than the gap between two sends and the first back-off
  return gateway.count('sendmessage') === before && (await bot.send('状态')).code === 0;
}, 60000);

test('more alerts than may leave: ten at most, the rest with the next message, none missing, none twice', { timeout: 180000 * SLOW }, async (t) => {
  const { gateway, bot, owner, chat } = await up(t);
  const ids = [];
  for (let i = 0; i < 24; i++) {
    ids.push(await ends(bot, `many${i}`));
    if (i < 10) await gateway.waitFor(`#${ids[i]} or no send left`, () => count(owner, ids[i]) || chat.used >= 10, 10000);
  }
  await idle(gateway, bot);
  assert.ok(chat.mostUsed <= 10, `${chat.mostUsed} sends`);
  assert.ok(ids.some((id) => count(owner, id) === 0), 'not all could leave');
  assert.match(owner.texts.join('\n'), /微信只许我再发|随便回一个字/, 'the person was told');
  const before = chat.used;
  await owner.ask('状态', /many23|#24/);
  await gateway.waitFor(`every alert; received ${JSON.stringify(owner.texts)}`, () => ids.every((id) => count(owner, id) === 1), 30000);
  await idle(gateway, bot);
  for (const id of ids) assert.equal(count(owner, id), 1);
  assert.ok(chat.used <= 6 && before <= 10, `what waited left in ${chat.used} messages`);
  assert.ok(chat.mostUsed <= 10);
  clean(gateway);
});

test('progress leaves the reserve alone, and the last digest says what is left', { timeout: 180000 * SLOW }, async (t) => {
  const { gateway, bot, owner, chat } = await up(t, { weixin: 'budget=6\nreserve=3\n' });
  const run = new Trainer(bot, { name: 'long', total: 1000, batch: 1 });
  t.after(() => run.close());
  await run.ready();
  run.event('started');
  let step = 0;
  const upTo = (end) => {
    for (; step < end; step += 10) { run.metrics(step + 10, { loss: 1 / (step + 10), acc: 0.5 }); run.progress(step + 10, { loss: 1 / (step + 10), acc: 0.5 }); }
    return run.drained();
  };
  for (const percent of [5, 12, 26, 51, 76]) { // milestones: 10, 25, 50, 75 %
    await upTo(percent * 10);
    await idle(gateway, bot);
  }
  assert.equal(chat.used, 3, JSON.stringify(owner.texts)); // 6 less the reserve, the answer among them
  const last = owner.texts.at(-1);
  assert.match(last, /long #1/);
  assert.match(last, /只许我再发 3 条[^]*随便回一个字/);
  assert.equal(owner.texts.filter((text) => /只许我再发/.test(text)).length, 1);
  const id = await ends(bot, 'alert'); // an alert may use what was kept for it
  await gateway.waitFor('the alert', () => count(owner, id) === 1);
  assert.ok(chat.used >= 4 && chat.used <= 6);
  const from = owner.sent.length;
  owner.says('好'); // anything renews it, and what waited comes: the newest, once
  await owner.waitFor(/long #1 ·.*76 %/, { from });
  await idle(gateway, bot);
  assert.equal(owner.texts.filter((text) => /long #1 ·.*76 %/.test(text)).length, 1);
  assert.ok(chat.mostUsed <= 6);
  clean(gateway);
});

test('a service that refuses sooner: no attempts while refused, all of it with the next message', { timeout: 180000 * SLOW }, async (t) => {
  const { gateway, bot, owner, chat } = await up(t, { switches: { quota: 3, refusalText: 'rate limited' } });
  const ids = [];
  for (let i = 0; i < 8; i++) {
    ids.push(await ends(bot, `strict${i}`));
    await gateway.waitFor('it, or the refusal', () => chat.refused || count(owner, ids[i]));
  }
  assert.ok(chat.refused);
  await idle(gateway, bot);
  assert.match((await bot.send('通道')).out, /微信 · 连着/);
  await owner.ask('状态', /./);
  await gateway.waitFor(`every alert; received ${JSON.stringify(owner.texts)}`, () => ids.every((id) => count(owner, id) === 1), 30000);
  clean(gateway);
});

test('after 24 hours the service takes nothing: the alert waits for the next message', { timeout: 120000 * SLOW }, async (t) => {
  const { gateway, bot, owner, chat } = await up(t);
  gateway.advance(25 * 3600 * 1000);
  const id = await ends(bot, 'late');
  await gateway.waitFor('a refusal', () => chat.refused);
  await alert(bot, new RegExp(`#${id} 完成`)); // on the page all the same
  await idle(gateway, bot);
  assert.equal(count(owner, id), 0);
  await owner.ask('状态', /./);
  await gateway.waitFor('the alert', () => count(owner, id) === 1);
  clean(gateway);
});

test('what reached the wire counts, also where no answer came', { timeout: 120000 * SLOW }, async (t) => {
  for (const dedupe of [true, false]) {
    const { gateway, bot, owner, chat } = await up(t, { switches: { quotaCounts: 'wire', dedupe } });
    const ids = [];
    for (let i = 0; i < 14; i++) {
      if (i % 3 === 0 && chat.used < 10) gateway.inject('sendmessage', { drop: i % 2 ? 'after' : 'answer' });
      ids.push(await ends(bot, `wire${i}`));
      await gateway.waitFor('it, or no send left', () => count(owner, ids[i]) || chat.used >= 10, 15000);
    }
    await idle(gateway, bot);
    assert.ok(chat.used <= 10, `${chat.used} sends`);
    gateway.faults.clear();
    await owner.ask('状态', /./);
    await gateway.waitFor(`every alert; received ${JSON.stringify(owner.texts)}`, () => ids.every((id) => count(owner, id) >= 1), 30000);
    if (dedupe) for (const id of ids) assert.equal(count(owner, id), 1, `#${id}: ${JSON.stringify(owner.texts)}`);
    // the line that says what is left counts the attempt before, so a repeat may have it where the first had not
    gateway.violations = gateway.violations.filter(({ what }) => !/^a client_id that was used for something else.*微信[只不]许我再发/.test(what));
    clean(gateway);
  }
});
