// The stand-in is the service as its official client knows it: 2.4.9 logs in through every state, polls, sends text and
// media, types, downloads, and breaks no rule on the way.
import test from 'node:test';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as sdk from './sdk.mjs';
import { Gateway } from '../../support/weixin_gateway.mjs';

async function begin(t, switches = {}) {
  const gateway = await new Gateway({ switches, speed: 1 }).start();
  sdk.pointAt(gateway);
  t.after(() => gateway.close());
  return { gateway, owner: gateway.person('o9owner@im.wechat') };
}
const clean = (gateway) => assert.deepEqual(gateway.violations, []);

// A login as the client's command line does it; `typed` are the lines of its keyboard.
let logins = 0;
async function login(gateway, typed = []) {
  const accountId = `login-${++logins}`;
  const begun = await sdk.startWeixinLoginWithQr({ accountId, apiBaseUrl: gateway.url });
  const code = await gateway.nextCode();
  assert.equal(begun.qrcodeUrl, code.url);
  for (const [i, line] of typed.entries()) setTimeout(() => process.stdin.emit('data', `${line}\n`), 1500 + 1500 * i);
  return { code, done: sdk.waitForWeixinLogin({ sessionKey: accountId, apiBaseUrl: gateway.url }) };
}

test('login: scanned, confirmed', async (t) => {
  const { gateway, owner } = await begin(t);
  const { code, done } = await login(gateway);
  code.scan(owner);
  await gateway.waitFor('"scaned" told', () => code.told === 'scaned');
  code.confirm();
  const result = await done;
  assert.equal(result.connected, true);
  assert.equal(result.botToken, owner.bot.token);
  assert.equal(result.accountId, owner.bot.id);
  assert.equal(result.baseUrl, gateway.url);
  assert.equal(result.userId, owner.id);
  clean(gateway);
});

test('login: a wrong number, the right one', { timeout: 30000 }, async (t) => {
  const { gateway, owner } = await begin(t);
  const { code, done } = await login(gateway, ['41', '42']);
  code.scan(owner, { number: '42' });
  await gateway.waitFor('the number accepted', () => code.accepted);
  assert.equal(code.wrongNumbers, 1);
  code.confirm();
  assert.equal((await done).connected, true);
  clean(gateway);
});

test('login: an old code, then too many wrong numbers, then a redirect', { timeout: 60000 }, async (t) => {
  const { gateway, owner } = await begin(t, { wrongNumbers: 1 });
  const { code, done } = await login(gateway);
  code.expire();
  const second = await gateway.nextCode();
  second.scan(owner, { number: '42' });
  await gateway.waitFor('the number asked for', () => second.told === 'need_verifycode');
  const timer = setInterval(() => process.stdin.emit('data', '7\n'), 200);
  const third = await gateway.nextCode();
  clearInterval(timer);
  third.redirect();
  await gateway.waitFor('the redirect followed', () => third.redirectTold && third.polls > 1);
  third.scan(owner).confirm();
  assert.equal((await done).connected, true);
  clean(gateway);
});

test('login: given up after three codes; bound before; confirmed without a bot', { timeout: 60000 }, async (t) => {
  const { gateway, owner } = await begin(t);
  const first = await login(gateway);
  first.code.expire();
  (await gateway.nextCode()).expire();
  (await gateway.nextCode()).expire();
  assert.equal((await first.done).connected, false);
  assert.equal(gateway.codes.length, 3);

  const none = await login(gateway);
  none.code.scan(owner).confirm({ withoutId: true });
  assert.equal((await none.done).connected, false);

  sdk.saveWeixinAccount('bound', { token: owner.bot.token, baseUrl: gateway.url, userId: owner.id });
  sdk.registerWeixinAccountId('bound');
  const again = await login(gateway);
  assert.ok(again.code.tokens.includes(owner.bot.token));
  again.code.scan(owner).confirm();
  assert.equal((await again.done).alreadyConnected, true);
  clean(gateway);
});

test('its own loop polls, and answers a command in order', async (t) => {
  const { gateway, owner } = await begin(t, { holdMs: 300 });
  const account = gateway.account({ owner });
  await sdk.notifyStart({ baseUrl: gateway.url, token: account.token });
  const abort = new AbortController();
  t.after(() => abort.abort());
  const loop = sdk.monitorWeixinProvider({ baseUrl: gateway.url, cdnBaseUrl: gateway.cdnUrl, token: account.token, accountId: 'loop', config: {},
    channelRuntime: {}, abortSignal: abort.signal });
  await gateway.waitFor('three polls', () => account.polls.length >= 3);
  assert.equal((await owner.ask('/echo 训练 "status" \u{1F600}', /训练/)).text, '训练 "status" \u{1F600}');
  await owner.waitFor(/通道耗时/);
  owner.says('/echo second');
  await owner.waitFor(/second/);
  abort.abort();
  await loop;
  await sdk.notifyStop({ baseUrl: gateway.url, token: account.token });
  assert.equal(account.started, false);
  clean(gateway);
});

// One poll with the client's own function.
async function heard(gateway, account, text = 'hi') {
  await sdk.notifyStart({ baseUrl: gateway.url, token: account.token });
  const id = account.owner.says(text);
  const answer = await sdk.getUpdates({ baseUrl: gateway.url, token: account.token, get_updates_buf: '' });
  const message = answer.msgs.at(-1);
  assert.equal(message.message_id, id); // every digit of it
  return { answer, message, opts: { baseUrl: gateway.url, token: account.token, contextToken: message.context_token, accountId: 'one' } };
}

for (const switches of [{}, { ids: 'string', successRet: false, sendAnswer: 'none', uploadUrl: 'param', emptyCursor: true },
  { sendAnswer: 'id', uploadUrl: 'blank', redeliver: false }, { sendAnswer: 'ret', uploadUrl: 'both', renewAt: 'write', quotaCounts: 'wire' }]) {
  test(`text, picture, file, video, typing: ${JSON.stringify(switches)}`, async (t) => {
    const { gateway, owner } = await begin(t, switches);
    const account = gateway.account({ owner });
    const { message, opts } = await heard(gateway, account);
    assert.equal(sdk.weixinMessageToMsgContext(message, 'one', {}).Body, 'hi');
    await sdk.sendMessageWeixin({ to: owner.id, text: '损失 0.42', opts });
    const files = { 'a.png': randomBytes(48211), 'b.txt': randomBytes(16), 'c.mp4': randomBytes(1000) };
    for (const [name, bytes] of Object.entries(files)) {
      const filePath = join(sdk.folder, name);
      writeFileSync(filePath, bytes);
      await sdk.sendWeixinMediaFile({ filePath, to: owner.id, text: name === 'a.png' ? 'the curve' : '', opts, cdnBaseUrl: gateway.cdnUrl });
    }
    assert.deepEqual(owner.sent.map((item) => item.kind), ['text', 'text', 'image', 'file', 'video']);
    assert.deepEqual(owner.texts, ['损失 0.42', 'the curve']);
    for (const [i, bytes] of Object.values(files).entries()) assert.ok(owner.sent[i + 2].bytes.equals(bytes));
    const config = await new sdk.WeixinConfigManager(opts, () => {}).getForUser(owner.id, opts.contextToken);
    for (const status of [1, 2]) await sdk.sendTyping({ ...opts, body: { ilink_user_id: owner.id, typing_ticket: config.typingTicket, status } });
    assert.deepEqual(gateway.typings.map((typing) => typing.status), [1, 2]);
    clean(gateway);
  });
}

test('a picture of a person is downloaded and decrypted', async (t) => {
  for (const fullUrl of [true, false]) {
    const { gateway, owner } = await begin(t);
    const account = gateway.account({ owner });
    const { answer } = await heard(gateway, account);
    const bytes = randomBytes(5000), saved = [];
    owner.shows(bytes, { fullUrl });
    const { msgs } = await sdk.getUpdates({ baseUrl: gateway.url, token: account.token, get_updates_buf: answer.get_updates_buf });
    await sdk.downloadMediaFromItem(msgs[0].item_list[0], { cdnBaseUrl: gateway.cdnUrl, label: 'test', log() {}, errLog() {},
      saveMedia: async (buffer) => { saved.push(buffer); return { path: '/x' }; } });
    assert.ok(saved[0].equals(bytes));
    clean(gateway);
  }
});

test('uploads are tried three times; refusals and dead tokens are errors to it too', async (t) => {
  const { gateway, owner } = await begin(t, { quota: 1 });
  const account = gateway.account({ owner });
  const { opts } = await heard(gateway, account);
  const filePath = join(sdk.folder, 'a.png');
  writeFileSync(filePath, randomBytes(100));
  gateway.inject('cdn/upload', { status: 500 });
  gateway.inject('cdn/upload', { raw: '', status: 200, headers: {} }); // no x-encrypted-param
  await sdk.sendWeixinMediaFile({ filePath, to: owner.id, text: '', opts, cdnBaseUrl: gateway.cdnUrl });
  assert.equal(owner.sent[0].kind, 'image');
  assert.equal(gateway.count('cdn/upload'), 3);
  await assert.rejects(sdk.sendMessageWeixin({ to: owner.id, text: 'one more', opts }), /ret=-2/);
  clean(gateway);
  for (const how of ['errcode', 'ret', 'both', 'http401']) {
    account.expire(how);
    const answer = await sdk.getUpdates({ baseUrl: gateway.url, token: account.token, get_updates_buf: '' }).catch((error) => error);
    if (how === 'http401') assert.match(String(answer), /401/);
    else assert.equal(answer.ret ?? answer.errcode, -14);
    account.revive();
  }
});
