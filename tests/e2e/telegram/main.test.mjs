// Telegram from outside: the real bot and the real trainer, on the stand-in of the Bot API.
import test from 'node:test';
import assert from 'node:assert/strict';
import { SLOW, Trainer, until } from '../../support/bot.mjs';
import { alert, ask, chatBot, curves, once, program, restart, speed, trainer } from '../../support/chat_bot.mjs';
import { TelegramServer } from '../../support/telegram_server.mjs';

speed(5);
const OWNER = 420001;

async function begin(t, { access = `owner=telegram:${OWNER}`, more = '', server: options } = {}) {
  const server = await new TelegramServer(options).start();
  t.after(async () => { assert.deepEqual(server.violations, [], 'the service was used as it wants'); await server.stop(); });
  const bot = await chatBot(t, { files: { token: `${server.token}\n` }, config: (dir) =>
    `[channel telegram]\nbase_url=${server.url}\ntoken_file=${dir}/token\n[access]\n${access}\n${more}` });
  await server.waitFor('its first poll', () => server.updates.poll);
  return { server, bot, owner: server.user(OWNER) };
}
const fake = (t, bot) => { const one = new Trainer(bot, { params: [{ name: 'lr', type: 'float', value: 0.1, min: 0, max: 1, live: true }], total: 1000 }); t.after(() => one.close()); return one; };
const link = (text) => /https:\/\/t\.me\/train_bot\?start=([A-Za-z0-9_-]+)/.exec(text)?.[1];

test('a link from the machine, then a training from the phone', { timeout: 200000 * SLOW }, async (t) => {
  const { server, bot, owner } = await begin(t, { access: '', more: trainer('cnn', 'cnn') });
  const login = await program(bot, 'login', 'telegram');
  assert.equal(login.code, 0, login.err);
  const code = link(login.out);
  assert.ok(code, login.out);
  assert.match(login.out, /▀|▄|█/, 'its QR code');
  owner.starts(code);
  await owner.waitFor(/主人/);
  for (const language of ['default/', 'default/zh']) assert.ok(server.commands.get(language)?.some((one) => one.command === 'status'), language);
  await ask(owner, '/start', /开始/);
  await ask(owner, '开始 cnn', /^#1 cnn 已开始/);
  const progress = await owner.waitFor((message) => /[▓░]{20}/.test(message.text) && message.versions.length >= 4, { ms: 60000 });
  assert.ok(progress.silent, 'progress does not ring');
  await ask(owner, 'lr x0.5', /^#1 lr 0\.001 → 0\.0005,从第 \d+ 步起生效。$/);
  const picture = await ask(owner, '/plot', (message) => message.kind === 'photo');
  curves(picture.bytes, 'telegram');
  await ask(owner, '暂停', /^#1 已暂停在第 \d+ 步/);
  await ask(owner, '继续', /^#1 从第 \d+ 步继续/);
  const after = owner.seen;
  owner.press('停止');
  const [question] = await server.waitFor('to be asked', () => { const found = owner.chat.button(/确认停止/); return found && [found]; });
  owner.press(question.button.text);
  const stopped = await owner.waitFor(/^#1 已停在第 \d+ 步/, { after, ms: 40000 });
  assert.match(stopped.text, /存档:runs\/1\/checkpoints\/step-\d+/);
  once(owner, /已停在/);
  assert.equal(owner.messages.filter((message) => message.versions.some((text) => /[▓░]{20} [\d,]+\/[\d,]+ 步/.test(text)) && message.silent).length, 1, 'one progress message a run');
  assert.ok([...server.queries.values()].every((query) => query.answers.length === 1));
  assert.ok(!bot.log.includes(server.token.split(':')[1]), 'no token in the log');
});

test('strangers, an operator by a code, groups', { timeout: 100000 * SLOW }, async (t) => {
  const { server, bot, owner } = await begin(t, { server: { privacy: false } });
  const one = fake(t, bot);
  await one.ready();
  const stranger = server.user(999), operator = server.user(888), group = server.newGroup(-77);
  stranger.says('状态');
  await stranger.waitFor(/还没有权限/);
  stranger.says('停止');
  stranger.starts();
  await ask(owner, '状态', /#1/);
  assert.equal(stranger.seen, 1, 'told once');
  assert.doesNotMatch(stranger.messages[0].text, /#1|fake/);
  group.user(999).says('/status@train_bot');
  group.user(OWNER).says('/status@another_bot');
  group.user(OWNER).says('what a lovely day');
  await ask(owner, '/status@train_bot', /#1/);
  assert.equal(group.messages.length, 0);
  const answer = await ask(owner, '配对 operator', /[0-9A-Z]{8}/);
  operator.starts(link(answer.text));
  await operator.waitFor(/配对成功,你是操作者/);
  await owner.waitFor(/telegram:888/);
  one.onControl = (frame) => frame.type === 'set' && one.say({ type: 'applied', id: frame.id, step: 3, old: { lr: 0.1 }, new: frame.params });
  await ask(operator, 'lr 0.5', /lr 0\.1 → 0\.5/);
  const again = await ask(owner, '配对 viewer', /[0-9A-Z]{8}/);
  group.user(OWNER).says(`/start@train_bot ${link(again.text)}`);
  await group.waitFor(/这个群可以用我了/);
  group.user(888).says('/status@train_bot');
  await group.waitFor(/#1/);
  const before = group.messages.length;
  group.user(999).says('/stop@train_bot');
  group.anonymous('/stop@train_bot');
  group.user(888).says('/runs@train_bot');
  await group.waitFor(/#1/, { after: before });
  assert.equal(group.messages.length, before + 1, 'nobody without a role is heard');
  const to = group.migrates();
  one.event('note', { text: 'x' });
  group.user(888).says('/runs@train_bot');
  await group.waitFor(/#1/);
  assert.equal(group.chat.id, to);
  const forged = operator.press('x', { data: '停止 1|00000000' });
  await server.waitFor('its answer', () => forged.answers.length);
  assert.ok(!one.controls.some((frame) => frame.type === 'stop'));
});

test('retry_after is kept; what is refused goes out later, once', { timeout: 100000 * SLOW }, async (t) => {
  const { server, bot, owner } = await begin(t);
  const one = fake(t, bot);
  await one.ready();
  await ask(owner, '状态', /#1/);
  server.demand429(5, 1, OWNER);
  const answer = await ask(owner, '列表', /#1/);
  assert.equal(server.limited, 1);
  assert.ok(answer.at - server.requests.find((request) => request.method === 'sendmessage').real > 0);
  server.demand429(4, 2, OWNER);
  for (let step = 1; step <= 30; step++) one.progress(step, { loss: 1 / step });
  one.say({ type: 'bye', status: 'finished' });
  await owner.waitFor(/完成/);
  once(owner, /完成/);
  assert.equal(server.limited, 3);
});

test('the network goes away for a while: nothing is lost and nothing comes twice', { timeout: 150000 * SLOW }, async (t) => {
  const { server, bot, owner } = await begin(t);
  const one = fake(t, bot);
  await one.ready();
  await ask(owner, '状态', /#1/);
  await server.close();
  owner.says('列表');
  one.event('note', { text: '第一件事' });
  one.say({ type: 'bye', status: 'failed' });
  await until('the end', async () => (await bot.run(1)).state === 'failed');
  await until('it is known', async () => /Telegram · 断开/.test((await bot.send('通道')).out));
  await server.reopen();
  for (const pattern of [/^#1 第一件事/, /^⚠ #1 崩溃/, /^#1 fake · 失败/]) {
    await owner.waitFor(pattern, { ms: 60000 });
    once(owner, pattern);
  }
});

test('what waits leaves when the service is there again, though nobody writes', { timeout: 100000 * SLOW }, async (t) => {
  speed(1); // a poll of 50 s is not over within this test
  t.after(() => speed(5));
  const { server, bot, owner } = await begin(t);
  const one = fake(t, bot);
  await one.ready();
  await ask(owner, '状态', /#1/);
  await server.close();
  one.say({ type: 'bye', status: 'failed' });
  await until('it is known', async () => /Telegram · 断开/.test((await bot.send('通道')).out));
  await server.reopen();
  await owner.waitFor(/^⚠ #1 崩溃/);
});

test('answers that are lost on the way: an edit is repeated, a command is not', { timeout: 100000 * SLOW }, async (t) => {
  const { server, bot, owner } = await begin(t);
  const one = fake(t, bot);
  let sets = 0;
  one.onControl = (frame) => frame.type === 'set' && (sets++, one.say({ type: 'applied', id: frame.id, step: 3, old: { lr: 0.1 }, new: frame.params }));
  await one.ready();
  for (const action of ['drop', { status: 502, body: '<html>Bad Gateway</html>' }, { status: 500, body: '' }])
    server.fault((request) => request.method === 'getupdates', action);
  await ask(owner, '状态', /#1/, { ms: 60000 });
  server.fault((request) => request.method === 'getupdates' && request.params.offset, 'drop');
  await ask(owner, 'lr x0.5', /lr 0\.1 → 0\.05/, { ms: 60000 });
  assert.equal(sets, 1);
  server.fault((request) => request.method === 'editmessagetext', 'dropAfter', 3);
  for (let step = 1; step <= 50; step++) { one.progress(step, { loss: 1 / step }); await until('that step', async () => (await bot.run(1)).step >= step); }
  await owner.waitFor((message) => /50\/1000/.test(message.text), { ms: 60000 });
  assert.equal(owner.messages.filter((message) => message.silent).length, 1);
});

test('a revoked token is told on the page; a new one and 登录 bring it back; a restart goes on', { timeout: 150000 * SLOW }, async (t) => {
  const { server, bot, owner } = await begin(t);
  const one = fake(t, bot);
  await one.ready();
  await ask(owner, '状态', /#1/);
  server.revoke();
  server.updates.conflict();
  await alert(bot, /Telegram.*(token|令牌|登录)/);
  const polls = server.requests.length;
  one.event('note', { text: 'while it was out' });
  assert.match((await bot.send('通道')).out, /Telegram/);
  server.restore();
  assert.equal((await bot.send('登录 telegram')).code, 0);
  await ask(owner, '列表', /#1/);
  assert.ok(server.requests.length >= polls);
  await restart(bot);
  await ask(owner, '状态', /#1/, { ms: 40000 });
  await restart(bot, 'SIGKILL');
  const before = owner.seen;
  await ask(owner, '状态', /#1/, { ms: 40000 });
  assert.equal(owner.messages.slice(before).filter((message) => /#1/.test(message.text) && !message.silent).length, 1, 'answered once');
  await server.waitFor('a poll', () => server.updates.poll);
  server.updates.rival();
  await until('the other poller is told', async () => /another|另一个|别的/.test((await bot.send('通道')).out));
  await ask(owner, '列表', /#1/, { ms: 60000 });
});
