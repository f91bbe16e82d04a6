// The channel "telegram" in the real bot, on the stand-in of the Bot API: the question before a stop, pictures that are
// not taken, edits of what is gone, other programs with the same token, logging out and in, presses that are old.
import test from 'node:test';
import assert from 'node:assert/strict';
import { SLOW, Trainer, until } from '../../support/bot.mjs';
import { ask, chatBot, curves, once, restart, speed } from '../../support/chat_bot.mjs';
import { TelegramServer } from '../../support/telegram_server.mjs';

speed(20);
const OWNER = 420001, VIEWER = 420002;

async function begin(t) {
  const server = await new TelegramServer().start();
  t.after(async () => { assert.deepEqual(server.violations, [], 'the service was used as it wants'); await server.stop(); });
  const bot = await chatBot(t, { files: { token: `${server.token}\n` }, config: (dir) =>
    `[channel telegram]\nbase_url=${server.url}\ntoken_file=${dir}/token\n[access]\nowner=telegram:${OWNER}\nviewers=telegram:${VIEWER}\n` });
  await server.waitFor('its first poll', () => server.updates.poll);
  server.limits = false; // time is fast, and the limits have tests of their own
  const one = new Trainer(bot, { total: 100000 });
  t.after(() => one.close());
  await one.ready();
  return { server, bot, one, owner: server.user(OWNER) };
}
const labels = (message) => (message?.markup?.inline_keyboard ?? []).flat().map((button) => button.text);
const stops = (one) => one.controls.filter((frame) => frame.type === 'stop').length;
// Rows without end, so that the progress message is edited again and again.
function trains(t, one) {
  let step = 0;
  const timer = setInterval(() => one.progress(++step, { loss: 1 / step }), 20);
  t.after(() => clearInterval(timer));
  return () => clearInterval(timer);
}
const progress = (owner) => owner.waitFor((message) => message.silent && message.versions.length >= 3 && labels(message).includes('停止'));
const edits = async (server, message, more) => {
  const from = message.versions.length;
  await server.waitFor(`${more} edits`, () => message.versions.length >= from + more);
};

test('a stop is asked about once; edits carry the question; a no brings the buttons back', { timeout: 60000 * SLOW }, async (t) => {
  const { server, one, owner } = await begin(t);
  await ask(owner, '状态', /#1/);
  trains(t, one);
  const message = await progress(owner), before = labels(message);
  assert.ok(before.includes('停止') && before.includes('曲线'), before.join(' '));
  owner.press('停止');
  await server.waitFor('the question', () => labels(message).includes('确认停止 #1'));
  await edits(server, message, 3);
  assert.deepEqual(labels(message), ['确认停止 #1', '不']);
  owner.press('不');
  await server.waitFor('the buttons again', () => labels(message).includes('停止'));
  await edits(server, message, 2);
  assert.deepEqual(labels(message), before);
  assert.equal(stops(one), 0);
  owner.press('停止');
  await server.waitFor('the question', () => labels(message).includes('确认停止 #1'));
  await server.waitFor('nobody answered', () => labels(message).includes('停止'));
  assert.equal(stops(one), 0);
  owner.press('停止');
  await server.waitFor('the question', () => labels(message).includes('确认停止 #1'));
  owner.press('确认停止 #1');
  await until('the stop', () => stops(one));
  await server.waitFor('every press answered', () => [...server.queries.values()].every((query) => query.answers.length === 1));
  assert.equal(stops(one), 1);
});

test('the buttons that stood there come back as they were', { timeout: 60000 * SLOW }, async (t) => {
  const { server, owner } = await begin(t);
  const shown = await ask(owner, '状态', (message) => labels(message).includes('停止')), before = labels(shown);
  const { button } = owner.chat.button('停止'), id = server.queryId();
  const update = server.updates.add('callback_query', { id, from: owner.from(), chat_instance: '-55', data: button.callback_data,
    message: { message_id: shown.id, chat: owner.chat.json(), from: server.me(), date: server.seconds(), text: shown.text, reply_markup: shown.markup } });
  server.queries.set(id, { id, at: Date.now(), user: OWNER, update, answers: [] });
  await server.waitFor('the question', () => labels(shown).includes('确认停止 #1'));
  owner.press('不');
  await server.waitFor('the buttons again', () => labels(shown).includes('停止'));
  assert.deepEqual(labels(shown), before);
});

test('who may only look is refused at once, not asked', { timeout: 60000 * SLOW }, async (t) => {
  const { server, one } = await begin(t);
  const viewer = server.user(VIEWER);
  const shown = await ask(viewer, '状态', (message) => labels(message).includes('停止')), after = viewer.seen;
  viewer.press('停止');
  await viewer.waitFor(/操作者|只能看|权限/, { after });
  assert.ok(labels(shown).includes('停止'));
  assert.equal(stops(one), 0);
});

test('presses without a message, and of data that no button of ours carries', { timeout: 60000 * SLOW }, async (t) => {
  const { server, one, owner } = await begin(t);
  await ask(owner, '状态', (message) => labels(message).includes('停止'));
  const { callback_data: data } = owner.chat.button('暂停').button, after = owner.seen;
  const odd = [owner.press('暂停', { message: 'missing' }), owner.press('暂停', { message: 'inaccessible' }), owner.press('x', { data: data.replace('1', '2') }),
    owner.press('x', { data: `!${data}` }), server.user(VIEWER).press('x', { data })];
  for (const query of odd) await server.waitFor('its answer', () => query.answers.length === 1);
  await ask(owner, '列表', /#1/);
  assert.equal(owner.seen, after + 1, 'no other reply');
  assert.equal(one.controls.filter((frame) => frame.type === 'pause').length, 0);
});

test('pictures go as files where photos are refused, and in words where nothing else is left', { timeout: 90000 * SLOW }, async (t) => {
  const { server, one, owner } = await begin(t);
  for (let step = 1; step <= 20; step++) one.metrics(step, { loss: 1 / step });
  await ask(owner, '状态', /#1/);
  const photo = (request) => request.method === 'sendphoto', file = (message) => message.kind === 'document';
  server.fault(photo, { code: 400, description: 'Bad Request: PHOTO_INVALID_DIMENSIONS' });
  const first = await ask(owner, '曲线', file);
  curves(first.bytes, 'telegram-document');
  server.fault(photo, { code: 413, description: 'Request Entity Too Large' });
  await ask(owner, '曲线', file, { after: owner.seen });
  for (const [code, description] of [[400, 'Bad Request: not enough rights to send photos to the chat'], [403, 'Forbidden: CHAT_SEND_PHOTOS_FORBIDDEN']]) {
    server.fault(photo, { code, description });
    const words = await ask(owner, '曲线', (message) => message.kind === 'text' && /#1/.test(message.text));
    assert.match(words.text, /[▁▂▃▄▅▆▇█]|loss|损失/, description);
  }
  const again = await ask(owner, '曲线', (message) => message.kind === 'photo');
  curves(again.bytes, 'telegram-photo');
});

test('a progress message that was deleted is sent anew', { timeout: 60000 * SLOW }, async (t) => {
  const { server, one, owner } = await begin(t);
  await ask(owner, '状态', /#1/);
  trains(t, one);
  const message = await progress(owner);
  message.deleted = true;
  const next = await owner.waitFor((other) => other.silent && other.id > message.id && other.versions.length >= 3);
  assert.notEqual(next.id, message.id);
  assert.equal(owner.chat.shown.filter((other) => other.silent).length, 1);
});

test('a webhook is taken away; another program with the token is said once', { timeout: 90000 * SLOW }, async (t) => {
  const { server, bot, owner } = await begin(t);
  await ask(owner, '状态', /#1/);
  server.updates.webhook = 'https://example.org/hook';
  await ask(owner, '列表', /#1/); /* the poll that waited is not disturbed, the next one is */
  await server.waitFor('it to be taken away', () => server.updates.webhook === '');
  await ask(owner, '状态', /#1/);
  for (let i = 0; i < 3; i++) {
    await server.waitFor('a poll', () => server.updates.poll);
    server.updates.rival();
  }
  await server.waitFor('a poll', () => server.updates.poll);
  await ask(owner, '状态', /#1/);
  assert.equal(bot.log.split('telegram: another program polls with this token').length - 1, 1, bot.log);
});

test('quit says goodbye and stops; login listens again, and nothing said meanwhile is lost', { timeout: 90000 * SLOW }, async (t) => {
  const { server, bot, owner } = await begin(t);
  await ask(owner, '退出', /退出/);
  const after = owner.seen;
  owner.says('是');
  await owner.waitFor(/./, { after });
  await until('it to be out', () => /telegram.*logged out/i.test(bot.log));
  const requests = server.requests.length;
  owner.says('列表');
  for (let i = 0; i < 3; i++) assert.equal((await bot.send('通道')).code, 0); /* it lives, and turns */
  assert.equal(server.requests.length, requests, 'nothing is asked any more');
  const seen = owner.seen;
  bot.page.send({ type: 'say', id: '00112233445566778899aabbccddeeff', text: '登录 telegram' });
  await owner.waitFor(/#1/, { after: seen, ms: 30000 });
  once(owner, /^#1 fake/);
});

test('a restart goes on where it was; the buttons of before still work', { timeout: 90000 * SLOW }, async (t) => {
  const { server, bot, one, owner } = await begin(t);
  await ask(owner, '状态', (message) => labels(message).includes('暂停'));
  await ask(owner, '列表', /^#1 fake/); /* the answer before it is known to have arrived */
  await restart(bot, 'SIGKILL');
  await server.waitFor('a poll', () => server.updates.poll);
  await one.ready();
  owner.press('暂停');
  await until('the pause', () => one.controls.some((frame) => frame.type === 'pause'));
  once(owner, /^fake #1/);
});
