// Services that are out of order, or out to harm: each bot is asked how often it knocks in a minute, how much it takes
// into memory, and whether what it was told in confidence shows up anywhere.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bot, SLOW, scratch, until } from '../../support/bot.mjs';
import { WsServer } from '../../support/ws_server.mjs';
import { SIDES } from './sides.mjs';

const SPEED = 20, MINUTE_MS = 60000 / SPEED;
process.env.TRAINBOT_TEST_SPEED = String(SPEED);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const cpu = (bot) => readFileSync(`/proc/${bot.child.pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).reduce((a, b) => a + Number(b), 0) * 10; // ms
const resident = (bot) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${bot.child.pid}/status`, 'utf8'))[1]) / 1024;

// A server that answers every request with answer(path, out) and counts them.
async function service(answer) {
  const one = { count: 0, sockets: new Set() };
  const server = http.createServer((request, out) => {
    one.count++;
    request.on('error', () => {});
    out.on('error', () => {});
    request.on('end', () => answer(request.url.split('/').at(-1), out)).resume();
  });
  server.on('connection', (socket) => { one.sockets.add(socket); socket.on('error', () => {}); socket.on('close', () => one.sockets.delete(socket)); });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  one.url = `http://127.0.0.1:${server.address().port}`;
  one.close = () => { for (const socket of one.sockets) socket.destroy(); return new Promise((resolve) => server.close(resolve)); };
  return one;
}
const json = (value) => (path, out) => out.end(typeof value === 'function' ? value(path) : JSON.stringify(value));
const status = (code) => (path, out) => { out.statusCode = code; out.end('<html>'); };
const big = Buffer.alloc(1 << 20, ' ');
function flood(path, out) { // 100 MB, unannounced
  let left = 100;
  const more = () => { while (left > 0 && !out.destroyed) { left--; if (!out.write(big)) return void out.once('drain', more); } out.end(); };
  more();
}
function heads(path, out) { // a header without end
  const { socket } = out, line = `X-Long: ${'x'.repeat(8000)}\r\n`;
  socket.write('HTTP/1.1 200 OK\r\n');
  const more = () => { while (!socket.destroyed) if (!socket.write(line)) return void socket.once('drain', more); };
  more();
}
function drip(path, out) {
  out.writeHead(200, { 'content-length': 100000 });
  const timer = setInterval(() => out.write(' '), 1000 / SPEED);
  out.on('close', () => clearInterval(timer));
}
const COMMON = { 'refusing at once': status(500), 'gateway errors': status(502), '401': status(401), '429': status(429), 'HTML with 200': (path, out) => out.end('<html>'), empty: (path, out) => out.end(),
  '100 MB': flood, 'headers without end': heads, drip, hang: () => {}, hangup: (path, out) => out.socket.destroy(), 'wrong types': json({ ok: 'yes', result: 7, ret: '0', msgs: 'all', get_updates_buf: 3, errcode: [] }) };

// What is good of Telegram, and getUpdates as given.
const telegram = (updates) => json((path) => JSON.stringify({ ok: true, result: path === 'getMe' ? { id: 7654321, is_bot: true, first_name: 'T', username: 'train_bot' } : path === 'getUpdates' ? updates() : true }));
const update = (id, from, text = '状态', date = 1) => ({ update_id: id, message: { message_id: id, date, from: { id: from, is_bot: false, first_name: 'x' }, chat: { id: from, type: 'private' }, text } });
let count = 1000;
const TELEGRAM = { 'nothing, at once': telegram(() => []), 'one update for ever': telegram(() => [update(7, 420001)]), 'others, without end': telegram(() => [update(++count, 5)]),
  '10,000 updates': telegram(() => Array.from({ length: 10000 }, (_, i) => update(i + 1, 420001))), 'clocks': telegram(() => [update(8, 420001, '状态', 9e15), update(9, 420001, '状态', -5)]) };
const weixin = (batch) => json((path) => JSON.stringify(path === 'getupdates' ? { ret: 0, ...batch() } : { ret: 0 }));
const message = (id, from, text = '状态', more = {}) => ({ seq: id, message_id: id, from_user_id: from, to_user_id: 'b@im.bot', create_time_ms: Date.now(), message_type: 1, message_state: 2,
  item_list: [{ type: 1, text_item: { text } }], context_token: 'c', ...more });
const OWNER = 'o9owner@im.wechat';
const WEIXIN = { 'nothing, at once': weixin(() => ({ msgs: [], get_updates_buf: '' })), 'cursors without end': weixin(() => ({ msgs: [], get_updates_buf: `c${++count}` })),
  'one message for ever': weixin(() => ({ msgs: [message(7, OWNER)], get_updates_buf: 'a' })), 'others, without end': weixin(() => ({ msgs: [message(++count, `o${count}@im.wechat`, `t${count}`)], get_updates_buf: `c${count}` })),
  '10,000 messages': weixin(() => ({ msgs: Array.from({ length: 10000 }, (_, i) => message(i + 1, OWNER, `t${i}`)), get_updates_buf: 'b' })),
  'long marks': weixin(() => ({ msgs: [message(1, OWNER, 'x', { context_token: 'k'.repeat(1 << 20) })], get_updates_buf: 'z'.repeat(1 << 20) })),
  'clocks': weixin(() => ({ msgs: [message(1, OWNER, 'x', { create_time_ms: 9e15 }), message(2, OWNER, 'y', { create_time_ms: -4 })], get_updates_buf: 'y' })) };

function weixinAccount(state, url) {
  mkdirSync(join(state, 'weixin'), { recursive: true, mode: 0o700 });
  writeFileSync(join(state, 'weixin', 'account.json'), JSON.stringify({ bot_token: 'b@im.bot:tok', ilink_bot_id: 'b@im.bot', baseurl: url, ilink_user_id: OWNER, saved_ms: 1 }), { mode: 0o600 });
}
async function knock(t, name, kind, answer) {
  const one = await service(answer), dir = scratch(), bot = new Bot({ dir });
  writeFileSync(join(dir, 'token'), '7654321:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw9\n', { mode: 0o600 });
  if (name === 'weixin') weixinAccount(bot.state, one.url);
  const section = name === 'weixin' ? `base_url=${one.url}\ncdn_base_url=${one.url}\nenabled=true` : `base_url=${one.url}\ntoken_file=${dir}/token`;
  Object.assign(bot, new Bot({ dir, config: `[channel ${name}]\n${section}\n[access]\nowner=telegram:420001,weixin:${OWNER}\n` }));
  await bot.start();
  const before = cpu(bot), first = one.count, begun = performance.now();
  await pause(MINUTE_MS * 2);
  const answered = await bot.json('/api/channels');
  const minutes = (performance.now() - begun) / MINUTE_MS; // a busy machine wakes us late, and the bot went on meanwhile
  const figures = { requests: Math.round((one.count - first) / minutes), cpu_ms: cpu(bot) - before, mib: Math.round(resident(bot)) };
  const end = await bot.stop();
  await one.close();
  assert.deepEqual(end, { code: 0, signal: null }, `${kind}:\n${bot.log.slice(-3000)}`);
  await bot.remove();
  t.diagnostic(`${name}, ${kind}: ${JSON.stringify(figures)} ${answered.channels.find((channel) => channel.name === name).state}`);
  /* the start, and what comes at once, are in it: a poll each 0.3 s is 200 */
  assert.ok(figures.requests <= 260, `${kind}: ${figures.requests} requests a minute`);
  if (SLOW === 1) assert.ok(figures.mib < 100, `${kind}: ${figures.mib} MiB`);
  assert.ok(bot.log.length < 20000, `${kind}: ${bot.log.length} bytes of log`);
}
async function many(t, name, kinds) {
  const list = Object.entries(kinds);
  while (list.length) await Promise.all(list.splice(0, 4).map(([kind, answer]) => knock(t, name, kind, answer)));
}
const only = process.env.HOSTILE ?? '';
test('weixin: a service out of order is not asked without end', { timeout: 300000 * SLOW, skip: Boolean(only) && only !== 'weixin' }, (t) => many(t, 'weixin', { ...COMMON, ...WEIXIN }));
test('telegram: a service out of order is not asked without end', { timeout: 300000 * SLOW, skip: Boolean(only) && only !== 'telegram' }, (t) => many(t, 'telegram', { ...COMMON, ...TELEGRAM }));

// A gateway that does `act` with each peer as soon as it has subscribed (or at once).
test('wecom: a gateway out of order is not asked without end', { timeout: 300000 * SLOW, skip: Boolean(only) && only !== 'wecom' }, async (t) => {
  const callback = (i, userid, content = '状态') => JSON.stringify({ cmd: 'aibot_msg_callback', headers: { req_id: `CB${i}` }, body: { msgid: `m${i}`, aibotid: 'aibX7Kq', chattype: 'single', from: { userid }, msgtype: 'text', text: { content }, create_time: i % 2 ? 9e15 : -5 } });
  const storm = (who) => (peer) => { let i = 0; const timer = setInterval(() => { for (let k = 0; k < 100 && peer.open && !peer.stream.destroyed && !peer.stream.writableNeedDrain; k++) peer.text(callback(++i, who(i))); if (!peer.open || peer.stream.destroyed) clearInterval(timer); }, 10); timer.unref(); };
  const kinds = { 'accepts and hangs up': { then: (peer) => peer.destroy() }, 'hangs up at once': { at: (peer) => peer.destroy() }, 'says nothing': { mute: true }, 'refuses': { errcode: -1 }, 'bad secret': { errcode: 853000 },
    'a storm of strangers': { then: storm((i) => `u${i}`) }, 'one person without end': { then: storm(() => 'zhangsan') }, 'pieces without end': { then: (peer) => { const timer = setInterval(() => { if (peer.stream.destroyed) clearInterval(timer); else peer.text('x'.repeat(1 << 20), 64); }, 20); timer.unref(); } } };
  for (const [kind, act] of Object.entries(kinds)) {
    let asked = 0, peers = 0;
    const server = new WsServer({ port: 0, wrong: () => {}, onPeer: (peer) => {
      peers++;
      act.at?.(peer);
      peer.onText = (text) => {
        const frame = JSON.parse(text);
        asked++;
        if (act.mute) return;
        peer.text(JSON.stringify({ headers: { req_id: frame.headers.req_id }, errcode: act.errcode ?? 0, errmsg: 'x' }));
        if (frame.cmd === 'aibot_subscribe' && !act.errcode) act.then?.(peer);
      };
    } });
    await server.listen();
    const dir = scratch(), bot = new Bot({ dir, config: `[channel wecom]\nurl=ws://127.0.0.1:${server.port}\nbot_id=aibX7Kq\nsecret_file=${dir}/secret\n[access]\nowner=wecom:zhangsan\n` });
    writeFileSync(join(dir, 'secret'), 's3cr3t', { mode: 0o600 });
    await bot.start();
    const before = cpu(bot), begun = Date.now();
    await pause(MINUTE_MS * 2);
    await bot.json('/api/channels');
    const figures = { connections: Math.round(peers / 2), frames: Math.round(asked / 2), cpu_ms: cpu(bot) - before, of_ms: Date.now() - begun, mib: Math.round(resident(bot)) };
    assert.deepEqual(await bot.stop(), { code: 0, signal: null }, `${kind}:\n${bot.log.slice(-3000)}`);
    await server.close();
    await bot.remove();
    t.diagnostic(`wecom, ${kind}: ${JSON.stringify(figures)}`);
    assert.ok(figures.connections <= 30, `${kind}: ${figures.connections} connections a minute`);
    assert.ok(bot.log.length < 40000, `${kind}: ${bot.log.length} bytes of log: ${bot.log.slice(-500)}`);
  }
});

test('telegram: a logout and a login in one batch', { timeout: 60000 * SLOW }, async () => {
  const side = new SIDES.telegram(SPEED), dir = scratch(), bot = new Bot({ dir });
  await side.start(bot.state);
  Object.assign(bot, new Bot({ dir, config: `${side.config}[access]\nowner=telegram:${side.id}\n` }));
  await bot.start();
  side.says('退出');
  await until('the question', () => side.shown.some(({ text }) => /60 秒内/.test(text)));
  const greeted = () => side.server.requests.filter((request) => request.method === 'getme').length, before = greeted();
  await side.server.close();
  side.says('是');
  side.says('登录 telegram');
  await side.server.reopen();
  await until('it greets anew', () => greeted() > before);
  await until('it is up under its name', async () => (await bot.json('/api/channels')).channels.some((one) => one.name === 'telegram' && one.state === 'up' && /@train_bot/.test(JSON.stringify(one))));
  assert.deepEqual(await bot.stop(), { code: 0, signal: null });
  await bot.remove();
  await side.close();
});
