// What a Bot API server may answer that it should not: at every method, every kind of malformed answer. The bot logs each
// kind once, with the field, stays within its memory, and works on.
import test from 'node:test';
import assert from 'node:assert/strict';
import { SLOW, Trainer } from '../../support/bot.mjs';
import { ask, chatBot, logged, resident, speed, stripped } from '../../support/chat_bot.mjs';
import { TelegramServer } from '../../support/telegram_server.mjs';

speed(300);
const OWNER = 420001;
async function begin(t, access = '') {
  const server = await new TelegramServer().start();
  t.after(() => server.stop());
  const bot = await chatBot(t, { files: { token: server.token }, config: (dir) =>
    `[channel telegram]\nbase_url=${server.url}\ntoken_file=${dir}/token\n[access]\nowner=telegram:${OWNER}\n${access}` });
  await server.waitFor('its first poll', () => server.updates.poll);
  return { server, bot, owner: server.user(OWNER) };
}
const utf8 = (text) => Buffer.from(text, 'latin1');
const ANSWERS = ['', 'null', '7', '"x"', '[]', '{}', 'not json', '<html><h1>Bad Gateway</h1></html>', '{"ok":true', '{"ok":true}', '{"ok":"yes","result":[]}', '{"ok":true,"result":null}',
  '{"ok":true,"result":7}', '{"ok":true,"result":"x"}', '{"ok":true,"result":{}}', '{"ok":true,"result":[7,"x",null,[],{}]}', '{"ok":true,"result":{"message_id":"x"}}',
  '{"ok":true,"result":{"message_id":1e300}}', '{"ok":true,"result":{"message_id":-1}}', '{"ok":true,"result":{"message_id":18446744073709551616}}', '{"ok":false}', '{"ok":false,"error_code":"x","description":[]}',
  '{"ok":false,"error_code":1e300,"description":7}', utf8('{"ok":true,"result":"\xff\xfe"}'), '{"ok":true,"result":' + '['.repeat(100000), '{"ok":true,"result":' + '{"a":'.repeat(50000) + '1' + '}'.repeat(50000) + '}'];
const LIMITS = ['-5', '"soon"', 'null', '{}', '0'].map((value) => `{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":${value}}}`);

const once = (lines) => { const said = lines.filter((line) => /malformed/.test(line)).map(stripped); assert.equal(new Set(said).size, said.length, `each kind once:\n${lines.join('\n')}`); };

test('answers to getUpdates', { timeout: 150000 * SLOW }, async (t) => {
  const { server, bot, owner } = await begin(t);
  await ask(owner, '帮助', /开始/);
  const before = resident(bot), from = bot.log.length;
  for (const body of ANSWERS) { server.fault((request) => request.method === 'getupdates', { status: 200, body, type: 'application/json' }); owner.says(''); }
  await server.waitFor('all of them eaten', () => !server.faults.length, 60000);
  server.fault((request) => request.method === 'getupdates', { flood: 100 << 20 });
  await server.waitFor('the flood', () => !server.faults.length, 60000);
  await ask(owner, '帮助', /开始/, { ms: 60000 });
  const lines = logged(bot, from, 'telegram');
  assert.ok(lines.length >= 3, lines.join('\n'));
  once(lines);
  assert.ok(resident(bot) - before < 80 * (SLOW > 1 ? 4 : 1), 'its memory');
});

test('updates of every wrong shape, among good ones', { timeout: 100000 * SLOW }, async (t) => {
  const { server, bot, owner } = await begin(t);
  await ask(owner, '帮助', /开始/);
  const from = bot.log.length, at = () => server.updates.next, chat = `{"id":${OWNER},"type":"private"}`, sender = `{"id":${OWNER},"is_bot":false,"first_name":"Z"}`;
  const shapes = [`"message":7`, `"message":[]`, `"message":{}`, `"message":{"message_id":1}`, `"message":{"message_id":"x","date":1,"chat":${chat},"from":${sender},"text":"停止"}`,
    `"message":{"message_id":9007199254740993,"date":1,"chat":${chat},"from":${sender},"text":"停止"}`, `"message":{"message_id":1,"date":1,"chat":{"id":"420001"},"from":${sender},"text":"停止"}`,
    `"message":{"message_id":2,"date":1,"chat":${chat},"from":[],"text":"停止"}`, `"message":{"message_id":3,"date":1,"chat":${chat},"text":"停止"}`, `"message":{"message_id":4,"date":1,"chat":${chat},"from":{"id":1e300},"text":"停止"}`,
    `"message":{"message_id":5,"date":"now","chat":${chat},"from":${sender},"text":7}`, `"message":{"message_id":6,"date":1e300,"chat":${chat},"from":${sender},"text":"状态","entities":[{"type":"bot_command","offset":-7,"length":1e9}]}`,
    `"message":{"message_id":7,"date":1,"chat":${chat},"from":${sender},"text":"${'长'.repeat(200000)}"}`, `"message":{"message_id":8,"date":1,"chat":{"id":-1e17,"type":"group"},"from":${sender},"migrate_to_chat_id":"x"}`,
    `"callback_query":{}`, `"callback_query":{"id":7,"from":${sender},"data":"x"}`, `"callback_query":{"id":"8","from":7,"data":{}}`, `"callback_query":{"id":"9","from":${sender},"message":[],"data":"${'x'.repeat(5000)}"}`,
    `"wonder":{"a":${'['.repeat(500)}${']'.repeat(500)}}`, `"edited_message":{"message_id":1,"date":1,"chat":${chat},"from":${sender},"text":"停止"}`, `"channel_post":{"message_id":1,"date":1,"chat":{"id":-100,"type":"channel"},"text":"停止"}`];
  for (const shape of shapes) { server.updates.raw(at(), `{"update_id":${at()},${shape}}`); server.updates.raw(at(), `{"update_id":${at()},${shape}}`); }
  server.updates.raw(at(), utf8(`{"update_id":${at()},"message":{"message_id":99,"date":1,"chat":${chat},"from":${sender},"text":"\xc3\x28"}}`).toString('latin1'));
  await ask(owner, '帮助', /开始/, { ms: 60000 });
  await server.waitFor('all confirmed', () => !server.updates.pending().length, 60000);
  for (const raw of ['7', 'null', '[]', '{}', '{"update_id":"x","message":{}}', '{"update_id":1e300}', '{"update_id":-1}']) server.updates.raw(at(), raw);
  await ask(owner, '列表', /./, { ms: 60000 });
  const lines = logged(bot, from, 'telegram');
  assert.ok(lines.some((line) => /chat|from|text|message/.test(line)), 'the field is named');
  once(lines);
});

test('answers to messages, edits, pictures and presses: each person gets another kind', { timeout: 150000 * SLOW }, async (t) => {
  const kinds = [...ANSWERS, ...LIMITS], ids = kinds.map((_, i) => 1000 + i);
  const { server, bot } = await begin(t, `operators=${ids.map((id) => `telegram:${id}`).join(',')}\n`);
  server.limits = false; // so many at once
  const people = ids.map((id) => server.user(id)), one = new Trainer(bot, { total: 100000 });
  t.after(() => one.close());
  await one.ready();
  const all = (pattern, options) => Promise.all(people.map((person) => person.waitFor(pattern, { ms: 60000, ...options })));
  const spoiled = (body) => ({ status: 200, body, type: 'application/json', after: String(body).startsWith('{"ok":true') }); // what says ok was taken
  const spoil = (method) => kinds.forEach((body, i) => server.fault((request) => request.method === method && Number(request.params.chat_id) === ids[i], spoiled(body)));
  for (const person of people) person.says('状态');
  await all(/0\/100000/);
  const from = bot.log.length, before = resident(bot);
  spoil('sendmessage');
  for (const person of people) person.says('列表');
  await all(/^#1 fake · 运行中/);
  assert.equal(server.faults.length, 0);
  one.progress(1, { loss: 1 });
  await all(/1\/100000/);
  spoil('editmessagetext');
  one.progress(2, { loss: 0.5 });
  await server.waitFor('all edits spoiled', () => !server.faults.length, 60000);
  one.progress(3, { loss: 0.25 });
  await all(/3\/100000/);
  for (const method of ['answercallbackquery', 'sendchataction', 'editmessagereplymarkup']) kinds.forEach((body) => server.fault((request) => request.method === method, spoiled(body)));
  for (const person of people) {
    const left = server.faults.length;
    person.press('停止');
    await server.waitFor('an answer to the press', () => server.faults.length < left, 60000);
  }
  server.noFaults();
  const few = people.filter((_, i) => i % 5 === 0);
  for (const person of few) {
    server.fault((request) => request.method === 'sendphoto' && request.params.chat_id === String(person.id), spoiled(kinds[person.id - 1000]));
    person.says('曲线');
  }
  await Promise.all(few.map((person) => person.waitFor((message) => message.kind === 'photo' || /▁|▂|█/.test(message.text), { ms: 60000 })));
  const lines = logged(bot, from, 'telegram');
  assert.ok(lines.length >= 10, lines.join('\n'));
  once(lines);
  assert.ok(resident(bot) - before < 80 * (SLOW > 1 ? 4 : 1), 'its memory');
  assert.equal((await bot.run(1)).state, 'running');
});

test('answers while it starts: getMe, deleteWebhook, setMyCommands', { timeout: 150000 * SLOW }, async (t) => {
  const server = await new TelegramServer().start();
  t.after(() => server.stop());
  for (const method of ['getme', 'deletewebhook', 'setmycommands'])
    for (const body of ANSWERS.slice(0, 12)) server.fault((request) => request.method === method, { status: 200, body, type: 'application/json' });
  const bot = await chatBot(t, { files: { token: server.token }, config: (dir) =>
    `[channel telegram]\nbase_url=${server.url}\ntoken_file=${dir}/token\n[access]\nowner=telegram:${OWNER}\n` });
  await server.waitFor('its first poll', () => server.updates.poll, 60000);
  await ask(server.user(OWNER), '帮助', /开始/, { ms: 60000 });
  once(logged(bot, 0, 'telegram'));
});
