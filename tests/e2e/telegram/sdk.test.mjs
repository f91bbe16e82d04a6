// The stand-in is the service as grammY, a client in wide use, knows it: polling, /start CODE, pictures, edits, buttons,
// commands, and breaks no rule on the way. SDK names the module.
import test from 'node:test';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { TelegramServer } from '../../support/telegram_server.mjs';

const { Bot, GrammyError, InlineKeyboard, InputFile } = createRequire(import.meta.url)(process.env.SDK);
const PNG = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAFElEQVR4nGP4z8CAB+GTG8HSALfKY52fTcuYAAAAAElFTkSuQmCC', 'base64');

async function begin(t, set = () => {}, options = {}) {
  const server = await new TelegramServer(options).start();
  const bot = new Bot(server.token, { client: { apiRoot: server.url } });
  bot.catch((error) => { throw error; });
  set(bot);
  const running = new Promise((resolve) => bot.start({ onStart: resolve, timeout: 30 }).catch(() => {}));
  t.after(async () => { await bot.stop().catch(() => {}); await server.stop(); });
  await running;
  return { server, bot, zhang: server.user(420001) };
}
const clean = (server) => assert.deepEqual(server.violations, []);

test('polling, a deep link, an answer, an edit', async (t) => {
  const { server, zhang } = await begin(t, (bot) => bot.command('start', async (context) => {
    const sent = await context.reply(`code ${context.match}`);
    await context.api.editMessageText(context.chat.id, sent.message_id, 'welcome');
  }));
  zhang.starts('abcDEF_-123');
  const message = await zhang.waitFor('welcome');
  assert.deepEqual(message.versions, ['code abcDEF_-123', 'welcome']);
  await server.waitFor('the offset', () => !server.updates.pending().length);
  clean(server);
});

test('pictures by upload and again by id, captions, documents, a changed picture', async (t) => {
  const { server, bot, zhang } = await begin(t);
  zhang.starts();
  const sent = await bot.api.sendPhoto(zhang.id, new InputFile(PNG, 'loss.png'), { caption: '曲线', reply_markup: new InlineKeyboard().text('停止', 'stop') });
  assert.equal(sent.caption, '曲线');
  await bot.api.sendPhoto(zhang.id, sent.photo.at(-1).file_id);
  await bot.api.sendDocument(zhang.id, new InputFile(PNG, 'loss.png'));
  await bot.api.editMessageMedia(zhang.id, sent.message_id, { type: 'photo', media: new InputFile(PNG, 'new.png'), caption: 'new' });
  assert.deepEqual(zhang.messages.map((message) => [message.kind, message.bytes.equals(PNG)]), [['photo', true], ['photo', true], ['document', true]]);
  assert.equal(zhang.messages[0].filename, 'new.png');
  clean(server);
});

test('buttons are pressed and answered; a keyboard goes', async (t) => {
  const { server, bot, zhang } = await begin(t, (one) => one.on('callback_query:data', async (context) => {
    await context.answerCallbackQuery({ text: context.callbackQuery.data });
    await context.editMessageReplyMarkup();
  }));
  zhang.starts();
  await bot.api.sendMessage(zhang.id, '<b>a &lt; b</b>', { parse_mode: 'HTML', reply_markup: new InlineKeyboard().text('停止', 'stop:7') });
  const query = zhang.press('停止');
  await server.waitFor('the answer', () => query.answers.length && !zhang.messages[0].markup);
  assert.equal(query.answers[0].text, 'stop:7');
  assert.equal(zhang.messages[0].text, 'a < b');
  clean(server);
});

test('groups, commands, typing, deleting', async (t) => {
  const { server, bot } = await begin(t, (one) => one.command('status', (context) => context.reply('fine')));
  const group = server.newGroup(-77), one = group.user(5);
  await bot.api.setMyCommands([{ command: 'status', description: '状态' }], { language_code: 'zh' });
  assert.deepEqual(server.commands.get('default/zh'), [{ command: 'status', description: '状态' }]);
  one.says('just talking');
  one.says('/status@another_bot');
  one.says('/status@train_bot');
  const message = await group.waitFor('fine');
  await bot.api.sendChatAction(-77, 'typing');
  await bot.api.deleteMessage(-77, message.id);
  assert.deepEqual(group.chat.texts(), []);
  clean(server);
});

test('refusals read as the service writes them', async (t) => {
  const { server, bot, zhang } = await begin(t);
  const refused = (promise, code, pattern) => assert.rejects(promise, (error) => error instanceof GrammyError && error.error_code === code && pattern.test(error.description));
  await refused(bot.api.sendMessage(zhang.id, 'x'), 403, /can't initiate/);
  await refused(bot.api.sendMessage(99, 'x'), 400, /chat not found/);
  zhang.starts();
  const sent = await bot.api.sendMessage(zhang.id, 'same');
  await refused(bot.api.editMessageText(zhang.id, sent.message_id, 'same'), 400, /message is not modified/);
  await refused(bot.api.editMessageText(zhang.id, 9999, 'x'), 400, /message to edit not found/);
  server.demand429(2);
  await assert.rejects(bot.api.sendMessage(zhang.id, 'x'), (error) => error.error_code === 429 && error.parameters.retry_after === 2);
  zhang.blocks();
  server.clock.advance(3000);
  await refused(bot.api.sendMessage(zhang.id, 'x'), 403, /blocked by the user/);
  const group = server.newGroup(-5), to = group.migrates({ told: false });
  await assert.rejects(bot.api.sendMessage(-5, 'x'), (error) => error.parameters.migrate_to_chat_id === to);
  clean(server);
});
