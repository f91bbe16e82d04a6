// The stand-in is the service as its own SDK knows it: @wecom/aibot-node-sdk 1.0.7 connects, authenticates, receives,
// answers with streams and cards, pushes and uploads, and breaks no rule on the way. SDK names its module.
import test from 'node:test';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { WecomGateway } from '../../support/wecom_gateway.mjs';

const { WSClient } = createRequire(import.meta.url)(process.env.SDK);
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const once = (client, event) => new Promise((resolve) => client.once(event, resolve));
const png = (size) => Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), randomBytes(size)]);
const CARD = { card_type: 'button_interaction', task_id: 'alert-1', main_title: { title: '损失变成 NaN', desc: '第 803 步' },
  button_list: [{ text: '停止', style: 2, key: '停止 7' }, { text: '忽略', style: 1, key: 'ignore' }] };

async function begin(t, options = {}, more = {}) {
  const gateway = await new WecomGateway(options).start();
  const client = new WSClient({ botId: gateway.botId, secret: gateway.secret, wsUrl: gateway.url + '/', logger: quiet, reconnectInterval: 50, ...more });
  t.after(async () => { client.disconnect(); await gateway.stop(); });
  return { gateway, client, zhang: gateway.person('zhangsan') };
}
async function up(t, options, more) {
  const all = await begin(t, options, more);
  const ready = once(all.client, 'authenticated');
  all.client.connect();
  await ready;
  return all;
}
const clean = (gateway) => assert.deepEqual(gateway.violations, []);

test('a message comes, a stream answers it: one message with versions', async (t) => {
  const { gateway, client, zhang } = await up(t);
  const heard = once(client, 'message.text');
  const sent = zhang.says('/status run-7');
  const frame = await heard;
  assert.equal(frame.body.text.content, '/status run-7');
  assert.equal(frame.body.msgid, sent.msgid);
  await client.replyStream(frame, 'st_1', 'step 1', false);
  await client.replyStream(frame, 'st_1', 'step 2', false);
  await client.replyStream(frame, 'st_1', 'step 3', true);
  await client.replyStream(frame, 'st_2', 'another on the same req_id', true);
  assert.deepEqual(zhang.messages[0].versions, ['step 1', 'step 2', 'step 3']);
  assert.deepEqual(zhang.messages.map((message) => [message.kind, message.finished]), [['stream', true], ['stream', true]]);
  clean(gateway);
});

test('groups, quotes, mixed messages, voice, files, duplicates, control characters', async (t) => {
  const { gateway, client, zhang } = await up(t);
  const frames = [];
  client.on('message', (frame) => frames.push(frame.body));
  const first = gateway.group('wrkG', 'lisi').says('/runs', { quote: { msgtype: 'text', text: { content: 'what' } } });
  first.again();
  gateway.group('wrkG', 'lisi').says('not for the bot', { mention: false });
  zhang.mixed(['look', { image: true }, 'there']);
  zhang.speaks('状态');
  zhang.shows('file');
  zhang.says('状态', { control: '\x07\x1f' });
  await new Promise((resolve) => { const look = () => (frames.length >= 6 ? resolve() : setImmediate(look)); look(); });
  assert.deepEqual(frames.map((body) => body.msgtype), ['text', 'text', 'mixed', 'voice', 'file', 'text']);
  assert.equal(frames[0].text.content, '@TrainBot /runs');
  assert.equal(frames[0].msgid, frames[1].msgid);
  assert.equal(frames[5].text.content, '状态');
  clean(gateway);
});

test('pushes to people and groups, cards, a click, its update, a welcome', async (t) => {
  const { gateway, client, zhang } = await up(t);
  await assert.rejects(client.sendMessage('nobody', { msgtype: 'markdown', markdown: { content: 'x' } }), (error) => error.errcode === 93006);
  zhang.says('hi');
  gateway.group('wrkG', 'zhangsan').says('hi');
  await client.sendMessage('zhangsan', { msgtype: 'markdown', markdown: { content: '# run-7\n> NaN' } });
  await client.sendMessage('wrkG', { msgtype: 'markdown', markdown: { content: 'for all' } });
  await client.sendMessage('zhangsan', { msgtype: 'template_card', template_card: CARD });
  const entered = once(client, 'event.enter_chat');
  zhang.enters();
  await client.replyWelcome(await entered, { msgtype: 'text', text: { content: '你好' } });
  const clicked = once(client, 'event.template_card_event');
  zhang.clicks('停止', { flat: true });
  const frame = await clicked;
  assert.equal(frame.body.event.event_key, '停止 7');
  await client.updateTemplateCard(frame, { card_type: 'text_notice', task_id: frame.body.event.task_id, main_title: { title: '已停止' },
    card_action: { type: 1, url: 'https://example.org/run-7' } });
  assert.deepEqual(zhang.chat.texts(), ['# run-7\n> NaN', '已停止', '你好']);
  assert.deepEqual(zhang.messages[1].versions.length, 2);
  assert.deepEqual(gateway.group('wrkG', 'x').chat.texts(), ['for all']);
  clean(gateway);
});

test('pictures: one chunk, and a file of many', async (t) => {
  const { gateway, client, zhang } = await up(t);
  zhang.says('曲线');
  const small = png(80000), large = randomBytes(3 << 20);
  const one = await client.uploadMedia(small, { type: 'image', filename: 'loss.png' });
  const many = await client.uploadMedia(large, { type: 'file', filename: 'weights.bin' });
  await client.sendMediaMessage('zhangsan', 'image', one.media_id);
  await client.sendMediaMessage('zhangsan', 'file', many.media_id);
  assert.ok(zhang.messages[0].bytes.equals(small));
  assert.ok(zhang.messages[1].bytes.equals(large));
  clean(gateway);
});

test('the heartbeat is answered, an unanswered one ends the connection, and it comes back', async (t) => {
  const { gateway, client } = await up(t, { speed: 300 }, { heartbeatInterval: 100 }); // 30 s of the service's time
  await gateway.waitFor('three pings', () => gateway.frames.filter((frame) => frame.cmd === 'ping').length >= 3);
  gateway.deaf();
  await gateway.waitFor('a second subscription', () => gateway.subscriptions.length === 2);
  gateway.noFaults();
  gateway.cut();
  await gateway.waitFor('a third', () => gateway.subscriptions.length === 3 && gateway.ready);
  assert.ok(client.isConnected);
  clean(gateway);
});

test('a wrong secret: 853000 on an open socket, a few tries', async (t) => {
  const { gateway, client } = await begin(t, {}, { secret: 'no', maxAuthFailureAttempts: 2 });
  const errors = [];
  const exhausted = new Promise((resolve) => client.on('error', (error) => { errors.push(error.message); if (error.name === 'WSAuthFailureError' || /exceeded|exhaust|max/i.test(error.message)) resolve(); }));
  client.connect();
  await exhausted;
  assert.match(errors[0], /853000/);
  assert.equal(gateway.subscriptions.length, 3);
  assert.ok(gateway.subscriptions.every((one) => !one.ok));
  clean(gateway);
});

test('a second subscriber evicts the first, which stays away', async (t) => {
  const { gateway, client } = await up(t);
  const evicted = once(client, 'event.disconnected_event');
  const other = new WSClient({ botId: gateway.botId, secret: gateway.secret, wsUrl: gateway.url + '/', logger: quiet });
  t.after(() => other.disconnect());
  other.connect();
  await evicted;
  await gateway.waitFor('the first gone', () => gateway.subscriptions[0].ended);
  assert.ok(!client.isConnected);
  assert.ok(gateway.ready);
  clean(gateway);
});

test('faults: error codes, no acknowledgement, fragments, frames of 2 MB', { timeout: 30000 }, async (t) => {
  const { gateway, client, zhang } = await up(t);
  const heard = once(client, 'message.text');
  zhang.says('hi');
  const frame = await heard;
  gateway.fault((one) => one.cmd === 'aibot_respond_msg', { errcode: -1, errmsg: 'system error' });
  await assert.rejects(client.replyStream(frame, 'st_1', 'x', true), (error) => error.errcode === -1);
  gateway.fault((one) => one.cmd === 'aibot_send_msg', 'noAck');
  await assert.rejects(client.sendMessage('zhangsan', { msgtype: 'markdown', markdown: { content: 'shown all the same' } }), /timeout/);
  assert.deepEqual(zhang.chat.texts(), ['shown all the same']);
  gateway.pieces = 7;
  const again = once(client, 'message.text');
  zhang.says('x'.repeat(2 << 20));
  assert.equal((await again).body.text.content.length, 2 << 20);
  clean(gateway);
});
