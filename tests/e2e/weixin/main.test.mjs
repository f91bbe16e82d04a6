// The main job in a WeChat chat: scan, start, watch, steer, look, stop; a stranger, a paired operator; nothing that the
// service would not take.
import test from 'node:test';
import assert from 'node:assert/strict';
import { curves, speed, trainer } from '../../support/chat_bot.mjs';
import { SLOW, Trainer, until } from '../../support/bot.mjs';
import { begin, clean, logIn, noSecrets, polls } from './phone.mjs';

speed(20);
const LONG = '--param ti=1000000000000 --param ds=50 --param save_every=1000000000';
const SHORT = '--param ti=20000 --param ds=10'; // 156 steps of 128

test('a conversation: start, digests, lr, curve, pause, resume, stop', { timeout: 120000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t, { trainers: trainer('cnn', 'softmax', LONG), weixin: 'report_every=10m\n' });
  await logIn(t, gateway, bot, owner);
  await polls(gateway, owner);
  assert.match((await owner.ask('状态', /训练/)).text, /还没有训练过/);
  assert.match((await owner.ask('开始 cnn lr=0.01', /已开始/)).text, /^#1 softmax 已开始:lr 0\.01,批量 128/);
  await until('step 200', async () => (await bot.run(1)).step >= 200, 60000);
  assert.match((await owner.ask('状态', /softmax #1/)).text, /损失/);
  assert.match((await owner.ask('lr x0.5', /0\.005/)).text, /^#1 lr 0\.01 → 0\.005,从第 \d+ 步起生效。/);
  const from = owner.sent.length;
  owner.says('曲线');
  const picture = await owner.waitFor((item) => item.kind === 'image', { from });
  curves(picture.bytes, 'weixin-curve');
  assert.match((await owner.ask('暂停', /暂停/)).text, /^#1 已暂停在第 \d+ 步/);
  assert.match((await owner.ask('继续', /继续/)).text, /^#1 从第 \d+ 步继续/);
  assert.match((await owner.ask('停止', /已停/)).text, /^#1 已停在第 \d+ 步,准确率 0\.\d+。存档:/);
  assert.equal(owner.texts.filter((text) => /已停在/.test(text)).length, 1);
  assert.equal(new Set(owner.sent.map((item) => item.clientId)).size, owner.sent.length);
  assert.ok(gateway.clientIds.size === owner.sent.length);
  clean(gateway);
  assert.deepEqual(gateway.notes.filter((note) => note.path === 'sendmessage'), []); // 1.5 s apart, none repeated
  noSecrets(gateway, bot.log);
});

test('a run to its end: milestones, then the end with its accuracy', { timeout: 120000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t, { trainers: trainer('cnn', 'softmax', SHORT) });
  await logIn(t, gateway, bot, owner);
  await polls(gateway, owner);
  owner.says('开始 cnn');
  await owner.waitFor(/已开始/);
  const end = await owner.waitFor(/完成/, { ms: 60000 });
  assert.match(end.text, /✓ #1 完成:.*测试准确率 0\.\d+/);
  const chat = gateway.chat(owner.bot, owner.id);
  assert.ok(chat.mostUsed <= 10, `${chat.mostUsed} sends`);
  clean(gateway);
  noSecrets(gateway, bot.log);
});

test('strangers get the hint, once; the owner pairs an operator', { timeout: 120000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t, { trainers: trainer('cnn', 'softmax', LONG) });
  await logIn(t, gateway, bot, owner);
  await polls(gateway, owner);
  const friend = gateway.person('o9Friend@im.wechat'), stranger = gateway.person('o9Stranger@im.wechat');
  stranger.says('开始 cnn');
  await stranger.waitFor(/配对/);
  for (const word of ['停止', '状态', 'start cnn', '帮助']) stranger.says(word);
  const code = /[0-9A-Z]{4}-?[0-9A-Z]{4}/.exec((await owner.ask('配对 operator', /[0-9A-Z]{4}-?[0-9A-Z]{4}/)).text)[0];
  assert.match((await friend.ask(code, /可以|operator|操作/)).text, /./);
  assert.match((await friend.ask('开始 cnn', /已开始/)).text, /^#1 softmax 已开始/);
  assert.match((await friend.ask('停止', /已停/)).text, /^#1 已停在/);
  assert.match((await owner.ask('谁', /o9Friend/)).text, /o9Friend/);
  await friend.ask('配对 viewer', /./); // not an operator's
  assert.doesNotMatch(friend.texts.at(-1), /[0-9A-Z]{4}-[0-9A-Z]{4}/);
  assert.equal(stranger.sent.length, 1, JSON.stringify(stranger.texts));
  assert.equal((await bot.runs()).length, 1);
  clean(gateway);
  noSecrets(gateway, bot.log);
});

test('voice is its transcript; pictures, groups and bots are no commands; capital letters of an id stay', { timeout: 60000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t, { switches: { ids: 'string', sendAnswer: 'ret', successRet: false, uploadUrl: 'param' } });
  await logIn(t, gateway, bot, owner);
  await polls(gateway, owner);
  let from = owner.sent.length;
  owner.speaks('状态。');
  assert.match((await owner.waitFor(/./, { from })).text, /还没有训练过/);
  from = owner.sent.length;
  owner.says('停止', { group_id: 'room@chatroom' });
  owner.says('停止', { message_type: 2 });
  owner.says('停止', { item_list: [] });
  owner.shows(Buffer.alloc(100));
  await owner.ask('参数 99', /99/);
  assert.ok(owner.sent.slice(from).every((item) => !/也还没有训练过|最近一个是|已停/.test(item.text)), JSON.stringify(owner.texts.slice(from)));
  assert.match((await bot.send('谁')).out, /weixin:o9owner@im\.wechat/);
  clean(gateway);
  noSecrets(gateway, bot.log);
});

test('sends are 1.5 s apart', { timeout: 60000 * SLOW }, async (t) => {
  speed(1);
  t.after(() => speed(20));
  const { gateway, bot, owner } = await begin(t);
  await logIn(t, gateway, bot, owner);
  await polls(gateway, owner);
  for (const n of [71, 72, 73]) await owner.ask(`参数 ${n}`, new RegExp(`${n}`));
  const times = gateway.chat(owner.bot, owner.id).sends.map((send) => send.at);
  assert.equal(times.length, 3);
  for (let i = 1; i < times.length; i++) assert.ok(times[i] - times[i - 1] > 1300, `${times[i] - times[i - 1]} ms`); // as they arrive
  clean(gateway);
});

test('typing is shown while an answer takes a while, and costs nothing', { timeout: 60000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t);
  await logIn(t, gateway, bot, owner);
  await polls(gateway, owner);
  await owner.ask('状态', /训练/);
  const run = new Trainer(bot, { params: [{ name: 'lr', type: 'float', value: 0.1, min: 0, max: 1, live: true }] });
  t.after(() => run.close());
  await run.ready();
  owner.says('lr 0.5');
  const set = await until('the set', () => run.controls.find((frame) => frame.type === 'set'));
  await gateway.waitFor('typing is shown', () => gateway.typings.some((typing) => typing.status === 1));
  run.say({ type: 'applied', id: set.id, step: 3, old: { lr: 0.1 }, new: { lr: 0.5 } });
  await owner.waitFor(/lr 0\.1 → 0\.5/);
  await gateway.waitFor('typing is over', () => gateway.typings.at(-1).status === 2);
  assert.equal(gateway.chat(owner.bot, owner.id).sends.length, owner.sent.length);
  clean(gateway);
  for (const fault of [{ ret: -4 }, { status: 500 }, { raw: '{"ret":0}' }, { raw: '{"ret":0,"typing_ticket":7}' }]) {
    gateway.inject('getconfig', fault); // no ticket, no typing, and never an error that a person reads
    gateway.inject('sendtyping', fault);
  }
  assert.match((await owner.ask('参数 99', /99/)).text, /99/);
  clean(gateway);
});
