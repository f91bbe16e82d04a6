// Clients that break the rules of WeCom's long connection: the stand-in answers as the service does, and writes each breach
// down.
import test from 'node:test';
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import { WecomGateway } from '../../support/wecom_gateway.mjs';

// A client that does as it is told: no queue, no acknowledgement table.
class Raw {
  static open(gateway, path = '/', headers = {}) {
    return new Promise((resolve, reject) => {
      const request = http.request({ host: '127.0.0.1', port: gateway.server.port, path, headers: { connection: 'Upgrade', upgrade: 'websocket',
        'sec-websocket-version': '13', 'sec-websocket-key': randomBytes(16).toString('base64'), ...headers } });
      request.on('upgrade', (_, stream, head) => resolve(new Raw(stream, head)));
      request.on('response', (answer) => reject(new Error(`status ${answer.statusCode}`)));
      request.on('error', reject);
      request.end();
    });
  }
  constructor(stream, head) {
    Object.assign(this, { stream, bytes: head, heard: [], waits: [], count: 0, open: true });
    stream.on('error', () => {});
    stream.on('close', () => { this.open = false; this.look(); });
    stream.on('data', (data) => { this.bytes = Buffer.concat([this.bytes, data]); this.read(); });
    this.read();
  }
  read() {
    for (;;) {
      if (this.bytes.length < 2) return;
      let size = this.bytes[1], at = 2;
      if (size === 126) { if (this.bytes.length < 4) return; size = this.bytes.readUInt16BE(2); at = 4; }
      if (this.bytes.length < at + size) return;
      if ((this.bytes[0] & 15) === 1) this.heard.push(JSON.parse(this.bytes.subarray(at, at + size)));
      this.bytes = this.bytes.subarray(at + size);
      this.look();
    }
  }
  look() { this.waits = this.waits.filter((wait) => !wait()); }
  until(check) {
    return new Promise((resolve) => { const wait = () => { const value = check(); if (value) resolve(value); return value; }; if (!wait()) this.waits.push(wait); });
  }
  frame(op, body, { mask = true, final = true } = {}) {
    const key = mask ? randomBytes(4) : Buffer.alloc(0), length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(body.length));
    const bytes = mask ? Buffer.from(body.map((byte, i) => byte ^ key[i & 3])) : body;
    this.stream.write(Buffer.concat([Buffer.from([(final ? 0x80 : 0) | op, (mask ? 0x80 : 0) | 127]), length, key, bytes]));
  }
  say(frame) { this.frame(1, Buffer.from(typeof frame === 'string' ? frame : JSON.stringify(frame))); }
  post(cmd, body, reqId = `${cmd}_${++this.count}`) {
    const before = this.heard.length;
    this.say({ cmd, headers: { req_id: reqId }, ...(body ? { body } : {}) });
    return this.until(() => this.heard.slice(before).find((one) => one.headers?.req_id === reqId && one.errcode !== undefined));
  }
}

async function begin(t, options) {
  const gateway = await new WecomGateway({ speed: 1, ...options }).start(), raw = await Raw.open(gateway);
  t.after(async () => { raw.stream.destroy(); await gateway.stop(); });
  const subscribe = (fields) => raw.post('aibot_subscribe', { bot_id: gateway.botId, secret: gateway.secret, ...fields });
  const zhang = gateway.person('zhangsan');
  // Something is done; then exactly these are written down, in any order.
  const breaks = async (done, errcode, ...patterns) => {
    const before = gateway.violations.length, answer = await done;
    if (errcode !== undefined) assert.equal(answer.errcode, errcode, JSON.stringify(answer));
    const fresh = gateway.violations.slice(before);
    assert.equal(fresh.length, patterns.length, JSON.stringify(fresh));
    for (const pattern of patterns) assert.ok(fresh.some((one) => pattern.test(one)), `${pattern} not in ${JSON.stringify(fresh)}`);
  };
  return { gateway, raw, subscribe, zhang, breaks };
}
async function up(t, options) {
  const all = await begin(t, options);
  assert.equal((await all.subscribe()).errcode, 0);
  const req = all.zhang.says('hi').reqId;
  const stream = (id, content, finish = false, more = {}) => all.raw.post('aibot_respond_msg', { msgtype: 'stream', stream: { id, finish, content, ...more } }, req);
  const push = (body) => all.raw.post('aibot_send_msg', { chatid: 'zhangsan', chat_type: 1, ...body });
  const say = (content) => push({ msgtype: 'markdown', markdown: { content } });
  return { ...all, req, stream, push, say };
}

test('the handshake and the frames of WebSocket', async (t) => {
  const { gateway, raw } = await begin(t);
  const other = await Raw.open(gateway, '/ws', { 'sec-websocket-protocol': 'chat', authorization: 'Bearer x' });
  assert.deepEqual(gateway.violations, ['handshake: path /ws', 'handshake: subprotocol chat', 'handshake: credentials in headers']);
  other.frame(1, Buffer.from('{}'), { mask: false });
  await other.until(() => !other.open);
  raw.frame(2, Buffer.from('{}'));
  raw.frame(1, Buffer.from('{"a"'), { final: false });
  raw.frame(0, Buffer.from(':1}'));
  raw.frame(1, Buffer.from('\xff', 'latin1'));
  await raw.until(() => !raw.open);
  assert.deepEqual(gateway.violations.slice(3), ['WebSocket: a frame without a mask', 'a binary message', "the frame's field a", 'cmd undefined', 'WebSocket: text that is not UTF-8']);
});

test('envelopes', async (t) => {
  const { gateway, raw, subscribe, breaks } = await begin(t);
  await breaks(raw.post('ping'), 846601, /before the subscription/);
  await breaks(subscribe({ token: 'x' }), 0, /the field token/);
  await breaks(subscribe(), 846602, /twice on one connection/);
  for (const frame of ['nonsense', [], { cmd: 'aibot_shout', headers: { req_id: 'a' }, body: {} }, { cmd: 'ping', headers: {} }, { cmd: 'ping', headers: { req_id: 'b' }, body: {} }]) raw.say(frame);
  await gateway.waitFor('five more', () => gateway.violations.length === 8);
  await breaks(raw.post('ping', undefined, 'p1'), 0);
  await breaks(raw.post('ping', undefined, 'p1'), 0, /not fresh/, /ping after/);
});

test('a wrong secret leaves the socket open; whoever stays or speaks is written down', async (t) => {
  const { gateway, raw, subscribe } = await begin(t);
  assert.equal((await subscribe({ secret: 'no' })).errcode, 853000);
  assert.ok(raw.open);
  raw.say({ cmd: 'ping', headers: { req_id: 'x' } });
  await gateway.waitFor('the violation', () => gateway.violations.length);
  assert.deepEqual(gateway.violations, ['ping after 853000']);
  gateway.newest.refused -= 6000;
  await raw.until(() => !raw.open);
  assert.match(gateway.violations[1], /did not close/);
});

test('streams', async (t) => {
  const { gateway, raw, zhang, stream, breaks } = await up(t);
  await breaks(stream('a', 'one'), 0);
  const first = stream('a', 'two'), second = stream('a', 'three');
  await breaks(Promise.all([first, second]), undefined, /a second frame on req_id/);
  gateway.clock.advance(2000);
  await breaks(stream('a', 'x'.repeat(20481)), 40058, /20481 bytes/);
  await breaks(stream('a', ' \n', true), 0, /without a visible character/);
  await breaks(stream('a', 'late'), 846608, /is finished/);
  await breaks(stream('b', 'x', false, { msg_item: [] }), 0, /field msg_item/);
  gateway.clock.advance(2000);
  await breaks(stream('b', 'x', false, { feedback: { id: 'f' } }), 0, /feedback/);
  await breaks(raw.post('aibot_respond_msg', { msgtype: 'stream', stream: { id: 'b', finish: true, content: 'x' } }, zhang.says('again').reqId), 846605, /belongs to another/);
  await breaks(raw.post('aibot_respond_msg', { msgtype: 'stream', stream: { id: 'c', finish: true, content: 'x' } }, 'made up'), 846605, /nobody called/);
  await breaks(raw.post('aibot_respond_msg', { msgtype: 'text', text: { content: 'x' } }, zhang.says('again').reqId), 40008, /msgtype text/);
  await breaks(stream('c', 'x'), 0);
  await breaks(stream('d', 'x'), 0);
  await breaks(stream('e', 'x'), 0, /a fourth message in work/);
  gateway.clock.advance(6 * 60000 + 1);
  await breaks(stream('c', 'y'), 846608);
  for (let i = 0; i < 3; i++) await stream('f', `${i}`);
  await breaks(stream('f', '3'), 0);
  await breaks(stream('f', '4'), 0, /refreshes a second/);
  gateway.clock.advance(24 * 3600000);
  await breaks(stream('g', 'x'), 846605);
});

test('pushes', async (t) => {
  const { gateway, raw, push, say, breaks } = await up(t);
  await breaks(push({ msgtype: 'text', text: { content: 'x' } }), 40008, /msgtype text/);
  await breaks(push({ msgtype: 'stream', stream: { id: 'x', finish: true, content: 'x' } }), 40008, /msgtype stream/);
  await breaks(push({ chatid: 'Zhangsan', msgtype: 'markdown', markdown: { content: 'x' } }), 93006);
  await breaks(push({ chat_type: 2, msgtype: 'markdown', markdown: { content: 'x' } }), 93006, /chat_type 2/);
  await breaks(push({ chat_type: '1', msgtype: 'markdown', markdown: { content: 'x' } }), 0, /chat_type "1"/);
  await breaks(push({ msgtype: 'markdown', markdown: { content: '' } }), 40058, /empty/);
  await breaks(push({ msgtype: 'image', image: { media_id: 'M1' } }), 40007, /media_id M1/);
  const group = gateway.group('wrkG', 'zhangsan');
  group.says('hi');
  await breaks(push({ chatid: 'wrkG', chat_type: 2, msgtype: 'template_card', template_card: { card_type: 'text_notice', main_title: { title: 'x' }, card_action: { type: 1, url: 'https://x' } } }), 40058, /in a group/);
  for (let i = 0; i < 29; i++) assert.equal((await say(`${i}`)).errcode, 0);
  await breaks(say('31'), 45009, /more than 30/);
  await breaks(say('32'), 45009, /within 60 s/);
  gateway.clock.advance(60001);
  await breaks(say('33'), 0);
});

test('cards, clicks, welcomes', async (t) => {
  const { gateway, raw, zhang, push, breaks } = await up(t);
  const button = (key) => ({ text: key.slice(0, 10), style: 1, key });
  const card = (task_id, more = {}) => ({ msgtype: 'template_card', template_card: { card_type: 'button_interaction', task_id, main_title: { title: 'x' }, button_list: [button('stop')], ...more } });
  await breaks(push(card('a b')), 40058, /task_id "a b"/);
  await breaks(push(card(undefined)), 40058, /no task_id/);
  await breaks(push(card('a', { button_list: [button('x'), button('x')] })), 40058, /two buttons/);
  await breaks(push(card('a', { button_list: '1234567'.split('').map(button) })), 40058, /button_list of 7/);
  await breaks(push(card('a', { main_title: { title: 'x'.repeat(27) } })), 40058, /27 characters/);
  await breaks(push(card('a')), 0);
  await breaks(push(card('a')), 40058, /used before/);
  const update = (reqId, task_id) => raw.post('aibot_respond_update_msg', { response_type: 'update_template_card', template_card: { card_type: 'text_notice', task_id, main_title: { title: 'done' }, card_action: { type: 1, url: 'https://x' } } }, reqId);
  await breaks(update(zhang.clicks('stop').reqId, 'b'), 846605, /task_id b for a/);
  const late = zhang.clicks('stop').reqId;
  gateway.callbacks.get(late).real -= 6000;
  await breaks(update(late, 'a'), 846605, /after the click/);
  const good = zhang.clicks('stop').reqId;
  await breaks(update(good, 'a'), 0);
  assert.equal(zhang.messages.at(-1).text, 'done');
  await breaks(update(good, 'a'), 846605, /twice/);
  const welcome = (reqId) => raw.post('aibot_respond_welcome_msg', { msgtype: 'text', text: { content: 'hello' } }, reqId), entered = zhang.enters().reqId;
  await breaks(raw.post('aibot_respond_msg', { msgtype: 'markdown', markdown: { content: 'x' } }, entered), 846605, /is of enter_chat/);
  await breaks(welcome(entered), 0);
  await breaks(welcome(entered), 846605, /twice/);
});

test('uploads', async (t) => {
  const { raw, gateway, breaks } = await up(t);
  const bytes = Buffer.concat([Buffer.from('\x89PNG', 'latin1'), randomBytes(600000)]), md5 = createHash('md5').update(bytes).digest('hex');
  const init = (more) => raw.post('aibot_upload_media_init', { type: 'image', filename: 'x.png', total_size: bytes.length, total_chunks: 2, md5, ...more });
  const chunk = (id, index, data) => raw.post('aibot_upload_media_chunk', { upload_id: id, chunk_index: index, base64_data: typeof data === 'string' ? data : data.toString('base64') });
  const finish = (id) => raw.post('aibot_upload_media_finish', { upload_id: id });
  await breaks(init({ total_size: 3 << 20, total_chunks: 6 }), 40058, /out of limit/);
  await breaks(init({ total_size: 4 }), 40058, /total_size/);
  await breaks(init({ total_chunks: 1 }), 40058, /does not fit/);
  await breaks(init({ md5: md5.toUpperCase() }), 40058, /md5/);
  const { upload_id: id } = (await init()).body, half = 512 * 1024;
  await breaks(chunk(id, 2, bytes.subarray(half)), 40058, /chunk_index: 2/);
  await breaks(chunk(id, 0, 'not base64!'), 40058, /base64_data/);
  await breaks(chunk(id, 0, bytes), 40058, /too large/);
  await breaks(chunk('UP999', 0, 'AAAA'), 40007, /upload_id/);
  assert.equal((await chunk(id, 1, bytes.subarray(half))).errcode, 0);
  await breaks(finish(id), 40058, /chunks missing/);
  assert.equal((await chunk(id, 0, bytes.subarray(0, half))).errcode, 0);
  assert.match((await finish(id)).body.media_id, /^M/);
  const wrong = (await init({ md5: md5.replace(/./g, '0') })).body.upload_id;
  await chunk(wrong, 0, bytes.subarray(0, half));
  await chunk(wrong, 1, bytes.subarray(half));
  await breaks(finish(wrong), 40058, /md5 mismatch/);
  for (let i = 0; i < 28; i++) await init();
  await breaks(init(), 45009, /freq/);
  gateway.clock.advance(60001);
  await breaks(init(), undefined);
});

test('eviction, and no heartbeat', async (t) => {
  const { gateway, raw } = await up(t);
  gateway.kick();
  await raw.until(() => raw.heard.some((one) => one.body?.event?.eventtype === 'disconnected_event'));
  raw.say({ cmd: 'ping', headers: { req_id: 'z' } });
  await gateway.waitFor('the violation', () => gateway.violations.length === 1);
  const back = await Raw.open(gateway);
  await back.post('aibot_subscribe', { bot_id: gateway.botId, secret: gateway.secret }, 'again');
  gateway.clock.advance(101000);
  await back.until(() => !back.open);
  assert.deepEqual(gateway.violations, ['ping after disconnected_event', 'back by itself within 10 minutes of disconnected_event', 'no heartbeat']);
});
