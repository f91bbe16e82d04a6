// WeCom from outside: the real bot and the real trainer, on the stand-in of the gateway.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { SLOW, Trainer, join, scratch, until } from '../../support/bot.mjs';
import { alert, ask, chatBot, curves, once, restart, speed, trainer } from '../../support/chat_bot.mjs';
import { WecomGateway } from '../../support/wecom_gateway.mjs';

async function begin(t, { access = 'owner=wecom:zhangsan', more = '', channel = '', gateway: options, fast = 5 } = {}) {
  speed(fast);
  const gateway = await new WecomGateway(options).start();
  t.after(async () => { assert.deepEqual(gateway.violations, [], 'the service was used as it wants'); await gateway.stop(); });
  const bot = await chatBot(t, { files: { secret: `${gateway.secret}\n` }, config: (dir) =>
    `[channel wecom]\nurl=${gateway.url}\nbot_id=${gateway.botId}\nsecret_file=${dir}/secret\n${channel}[access]\n${access}\n${more}` });
  await gateway.waitReady();
  return { gateway, bot, owner: gateway.person('zhangsan') };
}
const fake = (t, bot) => { const one = new Trainer(bot, { params: [{ name: 'lr', type: 'float', value: 0.1, min: 0, max: 1, live: true }], total: 1000 }); t.after(() => one.close()); return one; };
const streams = (person) => person.messages.filter((message) => message.kind === 'stream');

test('a training from the phone', { timeout: 200000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t, { more: trainer('cnn', 'cnn') });
  await ask(owner, '开始 cnn', /^#1 cnn 已开始/);
  const progress = await owner.waitFor((message) => message.kind === 'stream' && message.versions.length >= 4, { ms: 60000 });
  assert.match(progress.seen, /[▓░]{20} [\d,]+\/[\d,]+ 步/);
  await ask(owner, 'lr x0.5', /^#1 lr 0\.001 → 0\.0005,从第 \d+ 步起生效。$/);
  const picture = await ask(owner, '曲线', (message) => message.kind === 'image');
  curves(picture.bytes, 'wecom');
  await ask(owner, '暂停', /^#1 已暂停在第 \d+ 步/);
  await ask(owner, '继续', /^#1 从第 \d+ 步继续/);
  await ask(owner, '状态', (message) => message.card);
  const after = owner.seen, card = owner.card('停止');
  owner.clicks('停止');
  const stopped = await owner.waitFor(/^#1 已停在第 \d+ 步/, { after, ms: 40000 });
  assert.match(stopped.seen, /存档:runs\/1\/checkpoints\/step-\d+/);
  once(owner, /已停在/);
  assert.match(card.text, /已收到/, 'the card says that it was pressed');
  await gateway.waitFor('every stream finished', () => !gateway.openStreams().length);
  assert.ok(!bot.log.includes(gateway.secret), 'no secret in the log');
  assert.ok(!gateway.notes.some((note) => /chat_type|md5/.test(note)), JSON.stringify(gateway.notes));
});

test('a stream for five minutes, then pushes', { timeout: 100000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t, { fast: 60, channel: 'report_every=60\n' });
  const one = fake(t, bot);
  await one.ready();
  await ask(owner, '状态', /#1/);
  let step = 0;
  const timer = setInterval(() => { if (step < 990) one.progress(++step, { loss: 1 / step }); }, 100);
  t.after(() => clearInterval(timer));
  const stream = await owner.waitFor((message) => message.kind === 'stream' && message.finished, { ms: 40000 });
  assert.ok(stream.versions.length > 3);
  assert.ok(stream.changed - stream.at > 4 * 60000 && stream.changed - stream.at < 6 * 60000, `${stream.changed - stream.at} ms`);
  const pushes = () => owner.messages.filter((message) => message.via === 'push' && /[▓░]{20}/.test(message.seen));
  await gateway.waitFor('three pushes of progress', () => pushes().length >= 3, 40000);
  const [first, second, third] = pushes();
  assert.ok(second.at - first.at > 50000 && third.at - second.at > 50000, 'not more often than report_every');
  await ask(owner, '列表', /#1/);
  await gateway.waitFor('a new stream after a new message', () => streams(owner).length === 2);
  one.say({ type: 'bye', status: 'finished' });
  await owner.waitFor(/完成/);
  clearInterval(timer);
  await gateway.waitFor('every stream finished', () => !gateway.openStreams().length);
});

test('a new message opens a new stream, however long pushes would wait', { timeout: 100000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t, { fast: 60, channel: 'report_every=86400\n' });
  const one = fake(t, bot);
  await one.ready();
  await ask(owner, '状态', /#1/);
  let step = 0;
  const timer = setInterval(() => one.progress(++step, { loss: 1 / step }), 100);
  t.after(() => clearInterval(timer));
  await owner.waitFor((message) => message.kind === 'stream' && message.finished, { ms: 40000 });
  const then = step;
  await until('progress that waits', () => step > then + 5);
  assert.equal(owner.messages.filter((message) => message.via === 'push').length, 0);
  await ask(owner, '列表', /#1/);
  await gateway.waitFor('a new stream', () => streams(owner).length === 2);
});

test('strangers, an operator by a code, groups, every kind of message', { timeout: 100000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t);
  const one = fake(t, bot);
  let sets = 0;
  one.onControl = (frame) => frame.type === 'set' && (sets++, one.say({ type: 'applied', id: frame.id, step: 3, old: { lr: 0.1 }, new: frame.params }));
  await one.ready();
  const stranger = gateway.person('lisi'), operator = gateway.person('wangwu'), group = gateway.group('wrkG', 'zhangsan');
  stranger.enters();
  stranger.says('状态');
  await stranger.waitFor(/还没有权限/);
  stranger.says('停止');
  gateway.group('wrkG', 'lisi').says('状态');
  group.says('状态');
  owner.enters();
  await owner.waitFor((message) => message.via === 'welcome');
  await ask(owner, '状态', /#1/);
  assert.equal(stranger.seen, 1, 'told once');
  assert.equal(group.seen, 0, 'a group that nobody let in');
  const code = /([0-9A-Z]{8})/.exec((await ask(owner, '配对 operator', /[0-9A-Z]{8}/)).seen)[1];
  await ask(operator, code, /配对成功,你是操作者/);
  await owner.waitFor(/wecom:wangwu/);
  const said = operator.says('lr 0.5');
  said.again();
  said.again();
  await operator.waitFor(/lr 0\.1 → 0\.5/);
  const again = /([0-9A-Z]{8})/.exec((await ask(owner, '配对 viewer', /[0-9A-Z]{8}/)).seen)[1];
  await ask(group, again, /这个群可以用我了/);
  const member = gateway.group('wrkG', 'wangwu');
  await ask(member, '状态', /#1/);
  assert.ok(!group.messages.some((message) => message.card), 'no cards in groups');
  const before = group.seen;
  gateway.group('wrkG', 'lisi').says('停止');
  await ask(member, '列表', /#1/);
  assert.equal(group.messages.slice(before).filter((message) => message.kind !== 'stream').length, 1);
  let seen = owner.seen;
  owner.mixed(['状', '态', { image: true }].slice(1));
  owner.shows('file');
  owner.speaks('状态');
  await owner.waitFor(/#1/, { after: seen });
  gateway.bare = true;
  seen = owner.seen;
  owner.says('列表', { control: '\\u0007'.replace('\\u0007', '\x07\x1b') });
  await owner.waitFor(/#1/, { after: seen });
  assert.equal(sets, 1, 'delivered three times, done once');
  await ask(owner, '状态', (message) => message.card);
  owner.clicks('x', { forged: { event_key: '停止 1', task_id: 'made-up-1' } });
  operator.clicks('x', { forged: { event_key: '停止 1', task_id: owner.card('停止').card.task_id } });
  await ask(owner, '列表', /#1/);
  assert.ok(!one.controls.some((frame) => frame.type === 'stop'));
});

test('the network goes away for a while: nothing is lost and nothing comes twice', { timeout: 150000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t);
  const one = fake(t, bot);
  await one.ready();
  await ask(owner, '状态', /#1/);
  await gateway.close();
  gateway.offline = 'kept';
  owner.says('列表');
  one.say({ type: 'event', kind: 'failed', why: 'x' });
  one.say({ type: 'bye', status: 'failed' });
  await until('the end', async () => (await bot.run(1)).state === 'failed');
  await gateway.reopen();
  const words = (pattern) => owner.messages.filter((message) => message.kind === 'markdown' && pattern.test(message.seen));
  for (const pattern of [/^⚠ #1 崩溃/, /^#1 fake · 失败/]) {
    await owner.waitFor(pattern, { ms: 60000 });
    assert.equal(words(pattern).length, 1);
  }
});

test('what goes wrong on the wire: errors, lost acknowledgements, a dead line, fragments', { timeout: 150000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t, { fast: 25 });
  const one = fake(t, bot);
  await one.ready();
  await ask(owner, '状态', /#1/);
  const replies = (frame) => ['aibot_respond_msg', 'aibot_send_msg'].includes(frame.cmd) && frame.body.msgtype === 'markdown';
  gateway.fault(replies, { errcode: -1, errmsg: 'system error' });
  await ask(owner, '列表', /#1/, { ms: 60000 });
  gateway.fault(replies, { errcode: 45009, errmsg: 'api freq out of limit' });
  await ask(owner, '列表', /#1/, { ms: 60000 });
  for (const callback of gateway.callbacks.values()) callback.forgotten = true;
  one.say({ type: 'event', kind: 'note', text: 'x' });
  owner.says('帮助');
  for (const callback of gateway.callbacks.values()) callback.forgotten = true;
  const pushed = await owner.waitFor(/开始/, { ms: 60000 });
  assert.equal(pushed.via, 'push', 'a forgotten req_id falls back to a push');
  gateway.pieces = 5;
  await ask(owner, '列表', /#1/);
  gateway.deaf();
  await gateway.waitFor('a new connection', () => gateway.subscriptions.length === 2, 60000);
  gateway.noFaults();
  await ask(owner, '状态', /#1/);
  for (const times of [1, 2]) { gateway.fault((frame) => frame.cmd === 'aibot_upload_media_chunk', { errcode: -1, errmsg: 'system error' }, times); }
  for (let step = 1; step <= 30; step++) one.progress(step, { loss: 1 / step });
  await ask(owner, '曲线', /./, { ms: 60000 });
  assert.ok(!owner.messages.some((message) => /203\.0\.113\.9/.test(message.text ?? '')), 'errmsg is for the log alone');
});

test('taken over by another program: told on the page, quiet, and back by 登录; a wrong secret; a restart', { timeout: 150000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t, { fast: 20 });
  const one = fake(t, bot);
  await one.ready();
  await ask(owner, '状态', /#1/);
  gateway.kick();
  await alert(bot, /企业微信|WeCom|wecom/);
  await gateway.waitFor('it closed', () => !gateway.ready);
  const tries = gateway.server.handshakes;
  assert.match((await bot.send('通道')).out, /企业微信/);
  assert.equal(gateway.server.handshakes, tries, 'it does not fight');
  gateway.mayReturn();
  assert.equal((await bot.send('登录 wecom')).code, 0);
  await gateway.waitReady();
  await ask(owner, '状态', /#1/);
  await restart(bot);
  await gateway.waitReady();
  await ask(owner, '列表', /#1/);
  await restart(bot, 'SIGKILL');
  await gateway.waitReady();
  await ask(owner, '状态', /#1/);
  gateway.secret = 'another';
  gateway.cut();
  await gateway.waitFor('a few tries', () => gateway.subscriptions.filter((one) => !one.ok).length >= 2, 60000);
  await until('it gives up', async () => /secret|密钥|登录/.test((await bot.send('通道')).out), 60000);
  const refused = gateway.subscriptions.filter((one) => !one.ok).length;
  assert.ok(refused <= 6, `${refused} tries`);
});

test('over TLS with an authority of its own', { timeout: 60000 * SLOW }, async (t) => {
  const dir = scratch(), file = (name) => join(dir, name);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=gateway',
    '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', file('key'), '-out', file('crt')], { stdio: 'ignore' });
  const tls = { key: readFileSync(file('key')), cert: readFileSync(file('crt')) };
  const { bot, owner } = await begin(t, { gateway: { tls }, channel: `ca_file=${file('crt')}\n` });
  const one = fake(t, bot);
  await one.ready();
  await ask(owner, '状态', /#1/);
});
