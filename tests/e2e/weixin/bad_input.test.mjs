// Whatever the service answers, at every path: the bot says once per kind what was wrong with it, goes on working, and
// does not grow.
import test from 'node:test';
import assert from 'node:assert/strict';
import { logged, resident, speed, trainer } from '../../support/chat_bot.mjs';
import { SLOW, until } from '../../support/bot.mjs';
import { encode, malformed } from '../../support/weixin_gateway.mjs';
import { begin, clean, gatewayFor, home, Login, logIn, noSecrets, polls } from './phone.mjs';

speed(100);
const GROWTH_MB = SLOW > 1 ? 600 : 24; // a sanitizer keeps up to 256 MiB of freed memory, and its margins
const LONG = '--param ti=1000000000000 --param ds=1000';
async function up(t) {
  const all = await begin(t, { trainers: trainer('cnn', 'softmax', LONG), switches: { holdMs: 20000, probes: true } });
  await logIn(t, all.gateway, all.bot, all.owner);
  await polls(all.gateway, all.owner);
  await all.owner.ask('状态', /训练/);
  return all;
}
let asked = 1000;
async function works({ owner }) {
  const n = ++asked;
  await owner.ask(`参数 ${n}`, new RegExp(`${n}`), 60000);
  assert.equal(owner.texts.filter((text) => text.includes(`${n}`)).length, 1);
}
// Each line of the log about this stands there once, but for its time.
function once(bot, from) {
  const seen = new Map();
  for (const line of logged(bot, from, 'weixin')) {
    const what = line.replace(/^\S+ \S+ /, '');
    if (/ is (up|down|connecting)/.test(what)) continue;
    seen.set(what, (seen.get(what) ?? 0) + 1);
  }
  for (const [line, times] of seen) assert.equal(times, 1, `${times} times: ${line}`);
  return [...seen.keys()];
}
const message = (owner, text) => ({ seq: 1, message_id: 7466108239911239999n, from_user_id: owner.id, to_user_id: owner.bot.id, client_id: 'x', create_time_ms: Date.now(),
  session_id: 's', group_id: '', message_type: 1, message_state: 2, item_list: [{ type: 1, msg_id: 'm', text_item: { text } }], context_token: 'odd' });

test('getupdates', { timeout: 240000 * SLOW }, async (t) => {
  const all = await up(t), { gateway, bot, owner } = all;
  const from = bot.log.length, before = resident(bot);
  // the message is another person's: what it is taken for renews and answers nothing of the owner's
  const somebody = gateway.person('o9somebody@im.wechat');
  const good = { ret: 0, msgs: [{ ...message(owner, '状态'), from_user_id: somebody.id }], get_updates_buf: '', longpolling_timeout_ms: 35000 };
  const bodies = [...malformed(good)].filter(([name]) => !name.startsWith('get_updates_buf: ') && !/longpolling_timeout_ms: (huge|beyond)/.test(name));
  let sent = 0;
  for (const [, raw] of bodies) {
    gateway.inject('getupdates', { raw });
    sent++;
  }
  await gateway.waitFor('all of them taken', () => { if (owner.bot.open.size) { owner.bot.wake(); } return gateway.faults.get('getupdates').length === 0; }, 120000);
  await works(all);
  const lines = once(bot, from);
  assert.ok(lines.some((line) => /getupdates/.test(line) && /msgs/.test(line)), `a field's name: ${lines.join('\n')}`);
  assert.ok(resident(bot) - before < GROWTH_MB, `${before} → ${resident(bot)} MiB`);
  t.diagnostic(`${sent} answers, ${lines.length} lines, ${before.toFixed(0)} → ${resident(bot).toFixed(0)} MiB`);
  assert.equal((await bot.runs()).length, 0);
  noSecrets(gateway, bot.log);
});

test('sendmessage', { timeout: 240000 * SLOW }, async (t) => {
  const all = await up(t), { gateway, bot } = all;
  const from = bot.log.length, before = resident(bot);
  const bodies = [...malformed({ ret: 0, message_id: 7466108239911234568n })].filter(([name]) => !/deep (arrays|but)|a long|keys twice/.test(name) || SLOW === 1);
  for (const [name, raw] of bodies.filter((one, i) => i % 8 === 0 || /HTML|UTF-8$|deep objects|ret: text|cut/.test(one[0]))) {
    gateway.inject('sendmessage', { raw, handled: true });
    await works(all).catch((error) => { throw new Error(`${name}: ${error.message}`); });
  }
  once(bot, from);
  assert.ok(resident(bot) - before < GROWTH_MB, `${before} → ${resident(bot)} MiB`);
  noSecrets(gateway, bot.log);
});

test('typing, notifystart, upload addresses, the CDN: no answer of these stops a curve for good', { timeout: 240000 * SLOW }, async (t) => {
  const all = await up(t), { gateway, bot, owner } = all;
  const from = bot.log.length, before = resident(bot);
  await owner.ask('开始 cnn', /已开始/);
  await until('steps', async () => (await bot.run(1)).step >= 100, 60000);
  const picked = (good) => [...malformed(good)].filter(([name]) => /HTML|cut|deep objects|^(ret|typing_ticket): (null|text|huge)$|^upload_\w+: (null|array|minus|missing|text)$/.test(name));
  const faults = [...picked({ ret: 0, upload_param: 'x', upload_full_url: `${gateway.cdnUrl}/upload?x` }).map(([name, raw]) => ['getuploadurl', { raw }, name]),
    ['getuploadurl', { json: { ret: 0, upload_full_url: 'http://evil.example/upload' } }, 'an address elsewhere'],
    ['getuploadurl', { json: { ret: 0, upload_full_url: 'file:///etc/passwd' } }, 'a file'],
    ['getuploadurl', { ret: -2 }, 'refused'], ['cdn/upload', { status: 403, headers: { 'x-error-message': 'no such thing' } }, '403'],
    ['cdn/upload', { raw: '', headers: {} }, 'no parameter', 3], ['cdn/upload', { raw: '', headers: { 'x-encrypted-param': 'p'.repeat(9000) } }, 'a long parameter'], ['cdn/upload', { status: 500 }, '500', 3]];
  for (const [path, fault, name, times = 1] of faults) {
    gateway.inject(path, fault, times);
    const at = owner.sent.length;
    owner.says('曲线');
    await owner.waitFor(() => true, { from: at, ms: 60000 }).catch((error) => { throw new Error(`${path} ${name}: ${error.message}`); });
    gateway.faults.clear();
    gateway.violations = gateway.violations.filter(({ what }) => !/encrypt_query_param is not what|upload parameter that was never given/.test(what)); // as it was told
  }
  const at = owner.sent.length;
  owner.says('曲线');
  await owner.waitFor((item) => item.kind === 'image', { from: at });
  for (const [, raw] of picked({ ret: 0, typing_ticket: 'x' })) for (const path of ['getconfig', 'sendtyping', 'msg/notifystart', 'msg/notifystop']) gateway.inject(path, { raw });
  await owner.ask('停止', /已停/);
  await works(all);
  once(bot, from);
  assert.ok(resident(bot) - before < GROWTH_MB, `${before} → ${resident(bot)} MiB`);
  clean(gateway);
  noSecrets(gateway, bot.log);
});

test('100 MB answers everywhere', { timeout: 240000 * SLOW }, async (t) => {
  const all = await up(t), { gateway, bot, owner } = all;
  await owner.ask('开始 cnn', /已开始/);
  await until('steps', async () => (await bot.run(1)).step >= 100, 60000);
  const before = resident(bot), from = bot.log.length;
  let peak = before;
  const watch = setInterval(() => { peak = Math.max(peak, resident(bot)); }, 20);
  t.after(() => clearInterval(watch));
  for (const path of ['getupdates', 'sendmessage', 'getuploadurl', 'cdn/upload', 'getconfig']) {
    gateway.inject(path, { huge: 100e6 }, path === 'cdn/upload' ? 3 : 1);
    const at = owner.sent.length;
    owner.says('曲线');
    await owner.waitFor(() => true, { from: at, ms: 60000 });
    gateway.faults.clear();
    await works(all);
  }
  clearInterval(watch);
  await owner.ask('停止', /已停/);
  once(bot, from);
  assert.ok(peak - before < (SLOW > 1 ? 150 : 40), `${before} → ${peak} MiB`);
  t.diagnostic(`${before.toFixed(0)} MiB, at most ${peak.toFixed(0)}`);
});

test('the login survives each odd answer too', { timeout: 240000 * SLOW }, async (t) => {
  speed(2000);
  t.after(() => speed(100));
  const gateway = await gatewayFor(t, { statusHoldMs: 600000 });
  const owner = gateway.person('o9owner@im.wechat');
  const statuses = [...malformed({ status: 'wait', redirect_host: 'x' })].filter(([name]) => !name.startsWith('status: missing'));
  const bot = home(t, gateway);
  const login = new Login(t, bot);
  const code = await gateway.nextCode();
  for (const [, raw] of statuses) gateway.inject('get_qrcode_status', { raw });
  gateway.inject('get_qrcode_status', { huge: 100e6 });
  code.scan(owner);
  await gateway.waitFor('all taken', () => gateway.faults.get('get_qrcode_status')?.length === 0 || login.child.exitCode !== null, 60000);
  code.confirm();
  assert.equal(await login.exited, 0, login.err + login.out.slice(-500));
  clean(gateway);
  for (const [name, raw] of [...malformed({ qrcode: 'q', qrcode_img_content: 'https://liteapp.weixin.qq.com/q/x' })].filter((one, i) => i % 5 === 0)) {
    const other = home(t, gateway);
    gateway.inject('get_bot_qrcode', { raw });
    gateway.inject('get_qrcode_status', { json: { status: 'binded_redirect' } }); // ends it, whatever it took for a code
    const second = new Login(t, other);
    const end = await second.exited;
    assert.equal(end, 1, `${name}: ${end} ${second.out.slice(-300)}${second.err}`);
    gateway.faults.clear();
  }
});
