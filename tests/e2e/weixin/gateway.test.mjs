// The stand-in catches clients that break the rules: each case is a right request with one thing wrong, and the one
// violation that must be recorded for it. The right requests themselves record none.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { Gateway, malformed, encode } from '../../support/weixin_gateway.mjs';

const BASE = { channel_version: '2.4.9', bot_agent: 'trainbot/0.1 (test)' };
// Headers as a list, so that one can stand twice.
function request(url, { method = 'POST', headers = [], body = '' } = {}) {
  return new Promise((resolve, reject) => {
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body);
    const list = method === 'POST' ? [...headers, ['Content-Length', bytes.length]] : headers;
    const call = http.request(url, { method, agent: false, headers: list.flat() }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString() }));
      answer.on('error', reject);
    });
    call.on('error', reject);
    call.end(bytes);
  });
}
class Client {
  static async begin(t, switches = {}) {
    const client = new Client();
    client.gateway = await new Gateway({ switches, speed: 50 }).start();
    t.after(() => client.gateway.close());
    client.owner = client.gateway.person('o9owner@im.wechat');
    client.account = client.gateway.account({ owner: client.owner });
    await client.post('msg/notifystart');
    await client.hear();
    return client;
  }
  headers() {
    const uin = Buffer.from(String(randomBytes(4).readUInt32BE())).toString('base64');
    return [['Host', 'x'], ['Content-Type', 'application/json'], ['AuthorizationType', 'ilink_bot_token'], ['Authorization', `Bearer ${this.account.token}`],
      ['X-WECHAT-UIN', uin], ['iLink-App-Id', 'bot'], ['iLink-App-ClientVersion', '132105']];
  }
  async post(path, body = {}, { headers = this.headers(), method, raw, query = '' } = {}) {
    const answer = await request(`${this.gateway.url}/ilink/bot/${path}${query}`, { method, headers, body: raw ?? encode({ ...body, base_info: BASE, ...(body.base_info === null ? { base_info: undefined } : {}) }) });
    return answer.text.startsWith('{') ? { ...JSON.parse(answer.text), http: answer.status } : answer;
  }
  async hear(text = 'hi') {
    this.owner.says(text);
    const answer = await this.post('getupdates', { get_updates_buf: this.cursor ?? '' });
    this.cursor = answer.get_updates_buf;
    this.context = answer.msgs.at(-1).context_token;
    return answer;
  }
  message(more = {}) {
    return { from_user_id: '', to_user_id: this.owner.id, client_id: `t:${Date.now()}-${randomBytes(4).toString('hex')}`, message_type: 2, message_state: 2,
      item_list: [{ type: 1, text_item: { text: 'loss 0.42' } }], context_token: this.context, ...more };
  }
  send(more, how) { return this.post('sendmessage', { msg: this.message(more) }, how); }
  ticket(bytes, more = {}) {
    this.key = randomBytes(16);
    return { filekey: randomBytes(16).toString('hex'), media_type: 1, to_user_id: this.owner.id, rawsize: bytes.length, rawfilemd5: createHash('md5').update(bytes).digest('hex'),
      filesize: (Math.floor(bytes.length / 16) + 1) * 16, no_need_thumb: true, aeskey: this.key.toString('hex'), ...more };
  }
  cipher(bytes, padding = true) {
    const cipher = createCipheriv('aes-128-ecb', this.key, null).setAutoPadding(padding);
    return Buffer.concat([cipher.update(bytes), cipher.final()]);
  }
  async upload(bytes, { body, method, headers = [['Host', 'x'], ['Content-Type', 'application/octet-stream']], more } = {}) {
    const { upload_full_url: url } = await this.post('getuploadurl', this.ticket(bytes, more));
    return request(url, { method, headers, body: body ? body(this) : this.cipher(bytes) });
  }
  async picture(item = {}, media = {}) {
    const answer = await this.upload(Buffer.alloc(100, 7));
    return this.send({ item_list: [{ type: 2, image_item: { media: { encrypt_query_param: answer.headers['x-encrypted-param'], aes_key: Buffer.from(this.key.toString('hex')).toString('base64'), encrypt_type: 1, ...media }, mid_size: 112, ...item } }] });
  }
}
const without = (name) => (client) => client.headers().filter(([header]) => header.toLowerCase() !== name);
const instead = (name, value) => (client) => [...without(name)(client), [name, value]];
const text = (value) => [{ type: 1, text_item: { text: value } }];
const BYTES = Buffer.alloc(100, 7);

// [what must be recorded, what the client does]
const CASES = [
  [/header authorizationtype is undefined/, (c) => c.send({}, { headers: without('authorizationtype')(c) })],
  [/header ilink-app-id is undefined/, (c) => c.send({}, { headers: without('ilink-app-id')(c) })],
  [/header ilink-app-clientversion is "1"/, (c) => c.send({}, { headers: instead('ilink-app-clientversion', '1')(c) })],
  [/header x-wechat-uin is undefined/, (c) => c.send({}, { headers: without('x-wechat-uin')(c) })],
  [/header x-wechat-uin is "MDE="/, (c) => c.send({}, { headers: instead('x-wechat-uin', 'MDE=')(c) })], // "01"
  [/header x-wechat-uin is "OTk5OTk5OTk5OQ=="/, (c) => c.send({}, { headers: instead('x-wechat-uin', 'OTk5OTk5OTk5OQ==')(c) })],
  [/header x-wechat-uin was used before/, async (c) => { const headers = instead('x-wechat-uin', 'MjcxODI4MTgyOA==')(c); await c.send({}, { headers }); await c.send({}, { headers }); }],
  [/header content-type 2 times/, (c) => c.send({}, { headers: [...c.headers(), ['content-type', 'application/json']] })],
  [/header content-type is "text\/plain"/, (c) => c.send({}, { headers: instead('content-type', 'text/plain')(c) })],
  [/header authorization is not/, (c) => c.send({}, { headers: instead('authorization', c.account.token)(c) })],
  [/an unknown token/, (c) => c.send({}, { headers: instead('authorization', 'Bearer nonsense')(c) })],
  [/header Expect/, (c) => c.send({}, { headers: [...c.headers(), ['Expect', '100-continue']] })],
  [/PUT instead of POST/, (c) => c.send({}, { method: 'PUT', headers: [...c.headers(), ['Content-Length', '2']], raw: '{}' })],
  [/an unknown path/, (c) => c.post('sendmsg')],
  [/an unknown path .*bot\/\/getupdates/, (c) => c.post('../../../ilink/bot//getupdates')],
  [/a query/, (c) => c.post('getconfig', { ilink_user_id: c.owner.id }, { query: '?a=1' })],
  [/no base_info/, (c) => c.post('msg/notifystop', { base_info: null })],
  [/base_info.channel_version is "1"/, (c) => c.post('msg/notifystop', {}, { raw: '{"base_info":{"channel_version":"1","bot_agent":"a/1"}}' })],
  [/base_info.bot_agent is "a b"/, (c) => c.post('msg/notifystop', {}, { raw: '{"base_info":{"channel_version":"2.4.9","bot_agent":"a b"}}' })],
  [/the body is not JSON/, (c) => c.post('msg/notifystop', {}, { raw: '{' })],
  [/the body is not UTF-8/, (c) => c.post('msg/notifystop', {}, { raw: Buffer.from([0x7b, 0xff, 0x7d]) })],
  [/unknown field more/, (c) => c.post('msg/notifystop', { more: 1 })],
  [/field get_updates_buf is undefined/, (c) => c.post('getupdates', {})],
  [/a get_updates_buf that was never given/, (c) => c.post('getupdates', { get_updates_buf: 'x' })],
  [/the cursor was forgotten/, (c) => c.post('getupdates', { get_updates_buf: '' })],
  [/two polls at once/, (c) => Promise.all([1, 2].map(() => c.post('getupdates', { get_updates_buf: c.cursor })))],
  [/a poll before notifystart/, async (c) => { await c.post('msg/notifystop'); await c.hear().catch(() => {}); }],
  [/msg.from_user_id is "me"/, (c) => c.send({ from_user_id: 'me' })],
  [/msg.to_user_id is empty/, (c) => c.send({ to_user_id: '' })],
  [/a message to somebody who never wrote/, (c) => c.send({ to_user_id: 'o9nobody@im.wechat' })],
  [/msg.client_id is "t:1"/, (c) => c.send({ client_id: 't:1' })],
  [/a client_id that was used for something else/, async (c) => { const msg = c.message(); await c.send(msg); await c.send({ ...msg, item_list: text('other') }); }],
  [/msg.message_type is 1/, (c) => c.send({ message_type: 1 })],
  [/msg.message_state is 1/, (c) => c.send({ message_state: 1 })],
  [/does not hold exactly one item/, (c) => c.send({ item_list: [...text('a'), ...text('b')] })],
  [/does not hold exactly one item/, (c) => c.send({ item_list: [] })],
  [/an empty text/, (c) => c.send({ item_list: text('') })],
  [/half of a surrogate pair/, (c) => c.send({ item_list: text('\ud83d') })],
  [/a text of 2001 units/, (c) => c.send({ item_list: text('数'.repeat(2001)) })],
  [/no context_token/, (c) => c.send({ context_token: undefined })],
  [/a context_token that is not this chat's/, (c) => c.send({ context_token: 'x' })],
  [/send 11 after one message/, async (c) => { for (let i = 0; i < 11; i++) await c.send(); }],
  [/an attempt while refused/, async (c) => { c.gateway.switches.quota = 2; for (let i = 0; i < 4; i++) await c.send(); }],
  [/an attempt while refused/, async (c) => { c.gateway.inject('sendmessage', { ret: -2 }); await c.send(); await c.send(); }],
  [/a typing_ticket that was never given/, (c) => c.post('sendtyping', { ilink_user_id: c.owner.id, typing_ticket: 'x', status: 1 })],
  [/field typing_ticket is undefined/, (c) => c.post('sendtyping', { ilink_user_id: c.owner.id, status: 1 })],
  [/field status is 3/, (c) => c.post('sendtyping', { ilink_user_id: c.owner.id, typing_ticket: 'x', status: 3 })],
  [/field filesize is 100 for 100/, (c) => c.upload(BYTES, { more: { filesize: 100 } }).catch(() => {})],
  [/neither no_need_thumb/, (c) => c.upload(BYTES, { more: { no_need_thumb: undefined } }).catch(() => {})],
  [/field rawfilemd5 is/, (c) => c.upload(BYTES, { more: { rawfilemd5: 'ABC' } }).catch(() => {})],
  [/PUT instead of POST/, (c) => c.upload(BYTES, { method: 'PUT', headers: [['Host', 'x'], ['Content-Type', 'application/octet-stream'], ['Content-Length', '112']] })],
  [/header authorization on the CDN/, (c) => c.upload(BYTES, { headers: [['Host', 'x'], ['Content-Type', 'application/octet-stream'], ['Authorization', `Bearer ${c.account.token}`]] })],
  [/header ilink-app-id on the CDN/, (c) => c.upload(BYTES, { headers: [['Host', 'x'], ['Content-Type', 'application/octet-stream'], ['iLink-App-Id', 'bot']] })],
  [/header content-type is "application\/json"/, (c) => c.upload(BYTES, { headers: [['Host', 'x'], ['Content-Type', 'application/json']] })],
  [/96 bytes uploaded, filesize said 112/, (c) => c.upload(BYTES, { body: (client) => client.cipher(Buffer.alloc(96), false) })],
  [/not AES-128-ECB with PKCS#7/, (c) => c.upload(BYTES, { body: () => randomBytes(112).fill(1) })],
  [/rawfilemd5 is not that/, (c) => c.upload(BYTES, { more: { rawfilemd5: '0'.repeat(32) } })],
  [/encrypt_query_param is not what/, (c) => c.picture({}, { encrypt_query_param: 'x' })],
  [/32 hex digits: the picture stays grey/, (c) => c.picture({}, { aes_key: randomBytes(16).toString('base64') })],
  [/aes_key is not the upload's/, (c) => c.picture({}, { aes_key: Buffer.from('0'.repeat(32)).toString('base64') })],
  [/encrypt_type is 0/, (c) => c.picture({}, { encrypt_type: 0 })],
  [/mid_size is "112"/, (c) => c.picture({ mid_size: '112' })],
  [/a poll within 60 s of -14/, async (c) => { c.account.expire(); for (let i = 0; i < 2; i++) await c.post('getupdates', { get_updates_buf: c.cursor }); }],
  [/a send with a dead token/, async (c) => { c.account.expire('ret'); await c.post('getupdates', { get_updates_buf: c.cursor }); await c.send(); }],
  [/used for something else/, async (c) => { c.gateway.switches.dedupe = false; const msg = c.message(); await c.send(msg); await c.send({ ...msg, to_user_id: c.owner.id, item_list: text('x') }); }],
  [/a body with GET/, (c) => c.post('get_qrcode_status', {}, { method: 'GET', headers: [...c.headers(), ['Content-Length', '2']], raw: '{}' })],
];
test('one thing wrong, one violation', async (t) => {
  for (const [pattern, act] of CASES) {
    const client = await Client.begin(t);
    assert.deepEqual(client.gateway.violations, []);
    await act(client);
    const found = client.gateway.violations.map((violation) => `${violation.path}: ${violation.what}`);
    assert.ok(found.some((line) => pattern.test(line)), `${pattern}: ${JSON.stringify(found)}`);
  }
});

// Login, by hand.
class Login {
  static async begin(t, switches) {
    const login = new Login();
    login.gateway = await new Gateway({ switches, speed: 50 }).start();
    t.after(() => login.gateway.close());
    login.owner = login.gateway.person('o9owner@im.wechat');
    return login;
  }
  async code(body = '{"local_token_list":[]}', more = []) {
    const uin = Buffer.from(String(randomBytes(4).readUInt32BE())).toString('base64');
    return request(`${this.gateway.url}/ilink/bot/get_bot_qrcode?bot_type=3`, { headers: [['Host', 'x'], ['Content-Type', 'application/json'], ['AuthorizationType', 'ilink_bot_token'], ['X-WECHAT-UIN', uin], ['iLink-App-Id', 'bot'], ['iLink-App-ClientVersion', '132105'], ...more], body });
  }
  async ask(code, { number, more = [], host = this.gateway.url } = {}) {
    const query = `qrcode=${encodeURIComponent(code.qrcode)}${number === undefined ? '' : `&verify_code=${number}`}`;
    const answer = await request(`${host}/ilink/bot/get_qrcode_status?${query}`, { method: 'GET', headers: [['Host', 'x'], ['iLink-App-Id', 'bot'], ['iLink-App-ClientVersion', '132105'], ...more] });
    return JSON.parse(answer.text);
  }
}
test('logins that break the rules', async (t) => {
  const cases = [
    [/header authorization where none belongs/, (login) => login.code(undefined, [['Authorization', 'Bearer x']])],
    [/unknown field base_info/, (login) => login.code(encode({ local_token_list: [], base_info: BASE }))],
    [/field local_token_list is/, (login) => login.code(encode({ local_token_list: Array(11).fill('x') }))],
    [/header content-type where none belongs/, async (login) => { await login.code(); await login.ask(login.gateway.codes[0], { more: [['Content-Type', 'application/json']] }); }],
    [/a qrcode that was never given/, (login) => login.ask({ qrcode: 'x' })],
    [/asked after "expired"/, async (login) => { await login.code(); login.gateway.codes[0].expire(); await login.ask(login.gateway.codes[0]); await login.ask(login.gateway.codes[0]); }],
    [/at the first host after a redirect/, async (login) => { await login.code(); login.gateway.codes[0].redirect(); await login.ask(login.gateway.codes[0]); await login.ask(login.gateway.codes[0]); }],
    [/verify_code after "scaned"/, async (login) => { await login.code(); const [code] = login.gateway.codes; code.scan(login.owner, { number: '42' }); assert.equal((await login.ask(code)).status, 'need_verifycode'); assert.equal((await login.ask(code, { number: '42' })).status, 'scaned'); await login.ask(code, { number: '42' }); }],
  ];
  for (const [pattern, act] of cases) {
    const login = await Login.begin(t);
    await act(login);
    const found = login.gateway.violations.map((violation) => violation.what);
    assert.ok(found.some((line) => pattern.test(line)), `${pattern}: ${JSON.stringify(found)}`);
  }
});
test('three wrong numbers block a code', async (t) => {
  const login = await Login.begin(t);
  await login.code();
  const [code] = login.gateway.codes;
  code.scan(login.owner, { number: '42' });
  const told = [];
  for (const number of [undefined, '1', '2', '3']) told.push((await login.ask(code, { number })).status);
  assert.deepEqual(told, ['need_verifycode', 'need_verifycode', 'need_verifycode', 'verify_code_blocked']);
  assert.deepEqual(login.gateway.violations, []);
});

test('switches: hand-out, repeats, quota', async (t) => {
  const once = await Client.begin(t, { redeliver: false });
  const cursor = once.cursor;
  await once.hear('one');
  const again = await once.post('getupdates', { get_updates_buf: cursor });
  assert.deepEqual(again.msgs, []);
  const kept = await Client.begin(t, { redeliver: true });
  const before = kept.cursor;
  const { msgs } = await kept.hear('one');
  assert.deepEqual((await kept.post('getupdates', { get_updates_buf: before })).msgs, msgs);
  kept.owner.again(kept.owner.says('two'), { withoutId: true });
  const two = await kept.post('getupdates', { get_updates_buf: kept.cursor });
  assert.deepEqual(two.msgs.map((message) => message.message_id === undefined), [false, true]);

  for (const dedupe of [true, false]) {
    const client = await Client.begin(t, { dedupe });
    const msg = client.message();
    await client.send(msg);
    await client.send(msg);
    assert.equal(client.owner.sent.length, dedupe ? 1 : 2);
  }
  const client = await Client.begin(t);
  client.gateway.inject('sendmessage', { drop: 'after' });
  await assert.rejects(client.send());
  assert.equal(client.owner.sent.length, 1); // handled, the answer lost
  for (const drop of ['before', 'during']) {
    client.gateway.inject('sendmessage', { drop });
    await assert.rejects(client.send());
    assert.equal(client.owner.sent.length, 1);
  }
  client.gateway.advance(25 * 3600 * 1000);
  assert.equal((await client.send()).ret, -2); // the window of 24 hours
  assert.deepEqual(client.gateway.violations, []);
});

test('malformed answers are many, and none of them is the good one', () => {
  const good = { ret: 0, msgs: [{ message_id: 7466108239911234567n, item_list: [{ type: 1, text_item: { text: 'x' } }] }] };
  assert.match(encode(good), /"message_id":7466108239911234567,/);
  const all = [...malformed(good)];
  assert.ok(all.length > 150);
  assert.equal(new Set(all.map(([name]) => name)).size, all.length);
  assert.ok(all.every(([, body]) => String(body) !== encode(good)));
});
