// The network goes away, answers get lost, the service logs the bot out, the bot dies: nothing is lost, nothing is
// doubled, no command is carried out twice, and nobody has to scan again who need not.
import test from 'node:test';
import assert from 'node:assert/strict';
import { alert, restart, speed, trainer } from '../../support/chat_bot.mjs';
import { SLOW, Trainer, until } from '../../support/bot.mjs';
import { Login, begin, clean, logIn, noSecrets, polls } from './phone.mjs';

speed(20);
async function up(t, options) {
  const all = await begin(t, options);
  await logIn(t, all.gateway, all.bot, all.owner);
  await polls(all.gateway, all.owner);
  await all.owner.ask('状态', /训练/);
  return all;
}
// A training that comes to its end: one alert.
let ended = 0;
async function ends(bot) {
  const name = `net${++ended}`;
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
const about = (person, id) => person.texts.join('\n').split('\n').filter((line) => new RegExp(`#${id} 完成`).test(line)).length;
const told = (person, ids, ms = 30000) => person.gateway.waitFor(`the ends of ${ids}; received: ${JSON.stringify(person.texts)}`, () => ids.every((id) => about(person, id) > 0), ms);
function onceEach(person, ids) {
  for (const id of ids) assert.equal(about(person, id), 1, `#${id}: ${JSON.stringify(person.texts)}`);
}
// Answers to "参数 N" for a run that is not there.
const asked = (person, n) => person.texts.join('\n').split('\n').filter((line) => line.includes(`${n}`)).length;

test('the network is away for a while', { timeout: 120000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await up(t);
  await gateway.close();
  const ids = [await ends(bot), await ends(bot), await ends(bot)];
  owner.says('参数 771');
  await until('the channel is down', async () => /微信 · 断开/.test((await bot.send('通道')).out));
  await gateway.start();
  await told(owner, ids);
  await owner.waitFor(/771/);
  onceEach(owner, ids);
  assert.equal(asked(owner, 771), 1);
  assert.match((await bot.send('通道')).out, /微信 · 连着/);
  clean(gateway);
  noSecrets(gateway, bot.log);
});

test('sends: each kind of fault, with a service that knows a repeated id', { timeout: 180000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await up(t);
  const kinds = [{ drop: 'before' }, { drop: 'during' }, { drop: 'after' }, { drop: 'answer' }, { status: 500 }, { status: 502, handled: true }, { status: 524, handled: true }, { html: true }, { raw: '{"ret":' }, { ret: -1 }];
  for (const [i, fault] of kinds.entries()) {
    gateway.inject('sendmessage', fault);
    const id = await ends(bot);
    await told(owner, [id]);
    onceEach(owner, [id]);
    assert.equal(gateway.faults.get('sendmessage').length, 0);
    await owner.ask(`参数 ${800 + i}`, new RegExp(`${800 + i}`)); // also sets the budget anew
    assert.equal(asked(owner, 800 + i), 1);
  }
  clean(gateway);
});

test('sends: a service that knows no repeated id shows one twice only where its answer was lost', { timeout: 120000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await up(t, { switches: { dedupe: false } });
  let doubled = 0;
  for (const [fault, most] of [[{ drop: 'before' }, 1], [{ drop: 'after' }, 2], [{ status: 500 }, 1], [{ drop: 'answer' }, 2]]) {
    gateway.inject('sendmessage', fault);
    const id = await ends(bot);
    await told(owner, [id]);
    await owner.ask('参数 900', /900/);
    assert.ok(about(owner, id) <= most, `${JSON.stringify(fault)}: ${JSON.stringify(owner.texts)}`);
    doubled += about(owner, id) - 1;
  }
  t.diagnostic(`shown twice: ${doubled} of 2 lost answers`);
  clean(gateway);
});

test('polls: lost answers, repeats with and without ids, the wrong order', { timeout: 120000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await up(t, { trainers: trainer('cnn', 'softmax', '--param ti=1000000000000 --param ds=1000') });
  const kinds = [{ drop: 'before' }, { drop: 'during' }, { drop: 'after' }, { drop: 'answer' }, { status: 500 }, { status: 502 }, { status: 524 }, { html: true }, { raw: '{}' }, { ret: -1 }, { status: 524, handled: true }];
  for (const [i, fault] of kinds.entries()) {
    gateway.inject('getupdates', fault);
    await owner.ask(`参数 ${600 + i}`, new RegExp(`${600 + i}`));
    assert.equal(asked(owner, 600 + i), 1);
  }
  gateway.switches.reorder = true;
  for (const [i, how] of [{}, { withoutId: true }, { newId: true }].entries()) {
    const id = owner.says(`参数 ${700 + i}`);
    owner.again(id, how);
    await owner.waitFor(new RegExp(`${700 + i}`));
    owner.again(id, how);
    await owner.ask(`参数 ${750 + i}`, new RegExp(`${750 + i}`)); // the repeat was taken before this one
    assert.equal(asked(owner, 700 + i), 1, JSON.stringify(how));
  }
  const start = owner.says('开始 cnn');
  for (const how of [{}, { withoutId: true }, { newId: true }]) owner.again(start, how);
  await owner.waitFor(/已开始/);
  await owner.ask('停止', /已停/);
  owner.again(start);
  await owner.ask('参数 799', /799/);
  assert.equal((await bot.runs()).filter((run) => run.name === 'softmax').length, 1);
  clean(gateway);
});

for (const how of ['errcode', 'ret', 'http401']) {
  test(`logged out (${how}): told, then a new login goes on without a restart`, { timeout: 120000 * SLOW }, async (t) => {
    const { gateway, bot, owner } = await up(t);
    const old = owner.bot;
    old.expire(how);
    await alert(bot, /微信.*(失效|扫码|登录)/);
    assert.match((await bot.send('通道')).out, /trainbot login weixin/);
    const ids = [await ends(bot)];
    await logIn(t, gateway, bot, owner);
    assert.notEqual(owner.bot, old);
    await polls(gateway, owner);
    await owner.ask('参数 555', /555/);
    await told(owner, ids);
    onceEach(owner, ids);
    assert.equal(asked(owner, 555), 1);
    clean(gateway);
    noSecrets(gateway, bot.log);
    assert.match((await bot.send('通道')).out, /微信 · 连着/);
  });
}

test('退出 logs out; without a login nothing is asked of the service', { timeout: 60000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await up(t);
  await owner.ask('退出', /60 秒内回"是"/);
  const account = owner.bot;
  await owner.ask('是', /./);
  await gateway.waitFor('notifystop', () => !account.started);
  const before = gateway.requests.length;
  await until('the state', async () => (await bot.json('/api/channels')).channels.find((one) => one.name === 'weixin').state === 'logged_out');
  await bot.send('状态');
  assert.equal(gateway.requests.length, before);
  const login = new Login(t, bot); // the old token is named, and the service still knows it
  const code = await gateway.nextCode();
  assert.deepEqual(code.tokens, [account.token]);
  code.scan(owner).confirm();
  assert.equal(await login.exited, 0, login.err);
  await polls(gateway, owner);
  await owner.ask('参数 556', /556/);
  clean(gateway);
});

test('killed at any moment and started again: no scan, nothing lost, nothing twice', { timeout: (process.env.TRAINBOT_FULL ? 1800000 : 180000) * SLOW }, async (t) => {
  const { gateway, bot, owner } = await up(t);
  const kills = process.env.TRAINBOT_FULL ? 60 : 6, ids = [];
  for (let i = 0; i < kills; i++) {
    ids.push(await ends(bot));
    owner.says(`参数 ${4000 + i}`);
    const moment = Math.random() * 200;
    await new Promise((resolve) => setTimeout(resolve, moment)); // anywhere between its arrival and its answer
    await restart(bot, i === kills - 1 ? 'SIGTERM' : 'SIGKILL');
    if (i % 5 === 4) await owner.ask(`参数 ${4500 + i}`, new RegExp(`${4500 + i}`), 30000);
  }
  await told(owner, ids);
  for (let i = 0; i < kills; i++) await owner.waitFor(new RegExp(`${4000 + i}`));
  await owner.ask('参数 4999', /4999/);
  onceEach(owner, ids);
  for (let i = 0; i < kills; i++) assert.equal(asked(owner, 4000 + i), 1, JSON.stringify(owner.texts));
  assert.equal(gateway.codes.length, 1);
  clean(gateway);
});
