// What a Bot API server may answer that it should not: at every method, every kind of malformed answer. The bot logs each
// kind once, with the field, stays within its memory, and works on.
import test from 'node:test';
import assert from 'node:assert/strict';
import { SLOW, Trainer } from '../../support/bot.mjs';
import { ask, chatBot, logged, resident, speed } from '../../support/chat_bot.mjs';
import { TelegramServer } from '../../support/telegram_server.mjs';

speed(50);
const OWNER = 420001;
async function begin(t) {
  const server = await new TelegramServer().start();
  t.after(() => server.stop());
  const bot = await chatBot(t, { files: { token: server.token }, config: (dir) =>
    `[channel telegram]\nbase_url=${server.url}\ntoken_file=${dir}/token\n[access]\nowner=telegram:${OWNER}\n` });
  await server.waitFor('its first poll', () => server.updates.poll);
  return { server, bot, owner: server.user(OWNER) };
}
const utf8 = (text) => Buffer.from(text, 'latin1');
const ANSWERS = ['', 'null', '7', '"x"', '[]', '{}', 'not json', '<html><h1>Bad Gateway</h1></html>', '{"ok":true', '{"ok":true}', '{"ok":"yes","result":[]}', '{"ok":true,"result":null}',
  '{"ok":true,"result":7}', '{"ok":true,"result":"x"}', '{"ok":true,"result":{}}', '{"ok":true,"result":[7,"x",null,[],{}]}', '{"ok":true,"result":{"message_id":"x"}}',
  '{"ok":true,"result":{"message_id":1e300}}', '{"ok":true,"result":{"message_id":-1}}', '{"ok":true,"result":{"message_id":18446744073709551616}}', '{"ok":false}', '{"ok":false,"error_code":"x","description":[]}',
  '{"ok":false,"error_code":1e300,"description":7}', utf8('{"ok":true,"result":"\xff\xfe"}'), '{"ok":true,"result":' + '['.repeat(100000), '{"ok":true,"result":' + '{"a":'.repeat(50000) + '1' + '}'.repeat(50000) + '}'];
const LIMITS = ['-5', '"soon"', '1e300', 'null', '{}', '0'].map((value) => `{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":${value}}}`);
const MOVED = ['"x"', '1e300', '{}', '0', '7'].map((value) => `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded","parameters":{"migrate_to_chat_id":${value}}}`);

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
  assert.ok(lines.length >= 3 && lines.length <= 60, lines.join('\n'));
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
  assert.ok(lines.length <= 80, lines.join('\n'));
});

test('answers to every other method', { timeout: 200000 * SLOW }, async (t) => {
  const { server, bot, owner } = await begin(t);
  server.limits = false;
  const one = new Trainer(bot, { total: 100000 });
  t.after(() => one.close());
  await one.ready();
  let step = 0;
  const timer = setInterval(() => one.progress(++step, { loss: 1 / step }), 20);
  t.after(() => clearInterval(timer));
  await ask(owner, '状态', /#1/);
  const from = bot.log.length, before = resident(bot);
  for (const method of ['sendmessage', 'editmessagetext', 'sendphoto', 'answercallbackquery', 'sendchataction', 'editmessagereplymarkup']) {
    for (const body of [...ANSWERS, ...LIMITS, ...MOVED]) server.fault((request) => request.method === method, { status: 200, body, type: 'application/json' });
    server.fault((request) => request.method === method, { flood: 100 << 20 });
  }
  owner.says('列表');
  owner.says('曲线');
  for (let i = 0; i < 10; i++) owner.press('曲线', { data: owner.chat.button('曲线')?.button.callback_data ?? 'x' });
  await server.waitFor('some eaten', () => server.faults.length < 100, 60000);
  server.noFaults();
  clearInterval(timer);
  const after = owner.seen;
  await ask(owner, '帮助', /开始/, { ms: 90000 });
  assert.ok(owner.seen > after);
  const lines = logged(bot, from, 'telegram');
  assert.ok(lines.length <= 150, `${lines.length} lines:\n${lines.slice(0, 200).join('\n')}`);
  assert.ok(resident(bot) - before < 80 * (SLOW > 1 ? 4 : 1), 'its memory');
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
  assert.ok(logged(bot, 0, 'telegram').length <= 40);
});
