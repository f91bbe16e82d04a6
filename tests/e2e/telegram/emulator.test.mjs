// The bot on the emulator telegram-test-api 4.2.1, which is not ours: it answers getUpdates at once, knows no offset, and
// lacks sendPhoto and setMyCommands. The bot must survive that, and what the emulator can do works. SDK names its module.
import test from 'node:test';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import net from 'node:net';
import { SLOW, Trainer, until } from '../../support/bot.mjs';
import { chatBot } from '../../support/chat_bot.mjs';

const Emulator = createRequire(import.meta.url)(process.env.SDK), TOKEN = '7654321:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw9', OWNER = 420001;
const freePort = () => new Promise((resolve) => { const server = net.createServer().listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => resolve(port)); }); });

test('commands, edits and buttons; what it lacks does no harm', { timeout: 100000 * SLOW }, async (t) => {
  const emulator = new Emulator({ port: await freePort(), host: '127.0.0.1', storeTimeout: 3600 });
  await emulator.start();
  t.after(() => emulator.stop());
  const base = emulator.config.apiURL;
  const post = async (path, body) => (await fetch(`${base}/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).json();
  const person = { id: OWNER, first_name: 'Z' }, chat = { id: OWNER, type: 'private', first_name: 'Z' };
  const say = (text) => post('sendMessage', { botToken: TOKEN, date: Math.floor(Date.now() / 1000), from: person, chat, text });
  const sent = async () => (await post('getUpdatesHistory', { token: TOKEN })).result.filter((one) => one.message?.text !== undefined && one.message.chat_id !== undefined).map((one) => one.message);
  const answer = (pattern, from = 0) => until(`an answer like ${pattern}`, async () => (await sent()).slice(from).find((message) => pattern.test(message.text)));
  const bot = await chatBot(t, { files: { token: TOKEN }, config: (dir) => `[channel telegram]\nbase_url=${base}\ntoken_file=${dir}/token\n[access]\nowner=telegram:${OWNER}\n` });
  const one = new Trainer(bot, { total: 1000 });
  t.after(() => one.close());
  await one.ready();
  await say('状态');
  await answer(/#1/);
  for (let step = 1; step <= 20; step++) one.progress(step, { loss: 1 / step });
  await answer(/[▓░]{20}/);
  let from = (await sent()).length;
  await say('/plot');
  await say('列表');
  await answer(/^#1/, from);
  from = (await sent()).length;
  one.progress(21, { loss: 0.5 });
  await say('/status');
  const status = await answer(/21\/1000/, from);
  const keyboard = typeof status.reply_markup === 'string' ? JSON.parse(status.reply_markup) : status.reply_markup;
  const button = keyboard.inline_keyboard.flat().find((each) => each.text === '曲线' || each.text === 'plot');
  from = (await sent()).length;
  await post('sendCallback', { botToken: TOKEN, date: Math.floor(Date.now() / 1000), from: person, message: { message_id: 2, chat }, data: button.callback_data });
  await say('列表');
  await answer(/^#1/, from);
  assert.equal((await bot.send('通道')).code, 0);
  assert.ok(!bot.log.includes(TOKEN.split(':')[1]));
});
