// A stand-in for the gateway and the CDN of personal WeChat's bot interface (iLink), on 127.0.0.1. It refuses and records
// (`violations`) whatever the official client 2.4.9 would not send, and plays the service's faults. Node 18's standard
// library only. What the official client's code leaves open about the service is a switch.
//
//   const gateway = await new Gateway({ switches: { quota: 10 } }).start();
//   // the client is given gateway.url and gateway.cdnUrl
//   const person = gateway.person('o9owner@im.wechat');
//   const code = await gateway.nextCode();          // after get_bot_qrcode: code.url is what the QR code must hold
//   code.scan(person, { number: '42' });            // or without a number; code.redirect(), code.expire()
//   code.confirm();                                 // { withoutId: true } …
//   const account = gateway.account({ owner: person });   // or a bot without a login: account.id, account.token
//   person.says('状态');  await person.waitFor(/#1/);  person.sent  // [{kind: 'text', text} | {kind: 'image', bytes} …]
//   account.expire('ret');                          // 'errcode' | 'ret' | 'both' | 'http401'
//   gateway.inject('sendmessage', { drop: 'after' }, 2);  // the next two; the kinds stand below
//   await gateway.close(); await gateway.start();   // the network goes away; the same ports again
//   assert.deepEqual(gateway.violations, []);
//
// Faults: {drop: 'before'} (nothing read), 'during' (read, not handled), 'after' (handled, no answer), 'answer' (half of
// it) · {status, body?, handled?} · {html: true} · {raw: bytes or text} · {json: value} · {ret: -2} {errcode: -14} ·
// {delay: ms} · {huge: bytes}. The clock: `speed` divides all waits (TRAINBOT_TEST_SPEED), advance(ms) moves the windows.
import http from 'node:http';
import { randomInt } from 'node:crypto';
import { encode } from './weixin_gateway_json.mjs';
import * as rules from './weixin_gateway_rules.mjs';
import { Account, Chat, Person, config, send, typing } from './weixin_gateway_chat.mjs';
import { Cdn } from './weixin_gateway_cdn.mjs';
import { Code } from './weixin_gateway_login.mjs';

export { encode, Bare, malformed } from './weixin_gateway_json.mjs';
export { clientVersion } from './weixin_gateway_rules.mjs';

const API = '/ilink/bot/';
const SLOW = process.env.TRAINBOT_SANITIZED ? 4 : 1;
export const SWITCHES = {
  version: '2.4.9',
  redeliver: true,          // a message is handed out until the cursor passes it; false: once, whatever the cursor says
  batchMax: 100,
  reorder: false,           // messages of one batch the wrong way round
  holdMs: 35000,            // how long an empty poll is held
  pollHint: 35000,          // longpolling_timeout_ms; 0: left out
  emptyCursor: false,       // an empty batch brings get_updates_buf ""
  dedupe: true,             // a repeated client_id is answered as before and not shown again
  quota: 10,                // messages after each one from the person
  quotaCounts: 'accepted',  // or 'wire': every request that arrived
  renewAt: 'handout',       // the quota begins anew when the message is handed out; or 'write': when it is written
  probes: false,            // attempts while refused are no violation
  refusalText: 'prepare failed',
  missingContext: 'refuse', // or 'drop', 'deliver'
  staleContext: true,       // context tokens before the newest are good as well
  successRet: true,         // "ret": 0 in good answers
  sendAnswer: 'full',       // or 'ret', 'id', 'none'
  ids: 'number',            // or 'string'
  uploadUrl: 'full',        // or 'param' (upload_full_url absent), 'blank' (" "), 'both', 'none', 'refused' (-2)
  wrongNumbers: 3,          // so many wrong numbers block a code
  statusHoldMs: 20000,
  statusRet: false,
  needsAppHeaders: true,    // without iLink-App-* a good token is answered -14
};

export class Gateway {
  constructor({ switches = {}, speed = Number(process.env.TRAINBOT_TEST_SPEED) || 1 } = {}) {
    this.switches = { ...SWITCHES, ...switches };
    this.speed = speed;
    this.violations = []; // {path, what}
    this.notes = [];      // {path, what}: odd, but allowed
    this.requests = [];   // {at, path, status, fault}, the last 20,000
    this.codes = [];
    this.accounts = new Map(); // by token
    this.persons = new Map();
    this.chats = new Map();
    this.clientIds = new Map();
    this.typings = [];
    this.uins = [];
    this.faults = new Map();
    this.lastId = 7466108239911234567n;
    this.skew = 0;
    this.waiters = new Set();
    this.cdn = new Cdn(this);
    this.ports = [0, 0, 0];
    this.sockets = new Set();
    this.servers = [];
  }
  async start() {
    const handlers = [(...both) => this.api(...both, false), (...both) => this.api(...both, true), (...both) => this.media(...both)];
    for (const [i, handler] of handlers.entries()) {
      const server = http.createServer({ keepAliveTimeout: 60000 }, handler);
      server.on('checkContinue', handler);
      server.on('connection', (socket) => { this.sockets.add(socket); socket.on('close', () => this.sockets.delete(socket)); });
      await new Promise((resolve, reject) => server.once('error', reject).listen(this.ports[i], '127.0.0.1', resolve));
      this.ports[i] = server.address().port;
      this.servers.push(server);
    }
    return this;
  }
  // The network goes away, or the test ends. What was said and read stays; start() opens the same ports again.
  async close() {
    const closed = this.servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const socket of this.sockets) socket.destroy();
    this.servers = [];
    await Promise.all(closed);
  }
  get url() { return `http://127.0.0.1:${this.ports[0]}`; }
  get secondHost() { return `127.0.0.1:${this.ports[1]}`; }
  get cdnUrl() { return `http://127.0.0.1:${this.ports[2]}/c2c`; }
  now() { return Date.now() + this.skew; }
  advance(ms) { this.skew += ms; }

  // --- what tests make and wait for ---
  person(id) {
    if (!this.persons.has(id)) this.persons.set(id, new Person(this, id));
    return this.persons.get(id);
  }
  // A bot that `owner` scanned; an older one of the same person dies.
  account({ owner, id } = {}) {
    owner.bot?.expire(owner.bot.expiry);
    const account = new Account(this, owner, id);
    owner.bot = account;
    this.accounts.set(account.token, account);
    return account;
  }
  chat(account, person) {
    const key = `${account.id} ${person}`;
    if (!this.chats.has(key)) this.chats.set(key, new Chat(this, account, person));
    return this.chats.get(key);
  }
  async nextCode(ms = 20000) {
    const count = this.codesTaken ?? 0;
    await this.waitFor('another QR code', () => this.codes.length > count, ms);
    this.codesTaken = count + 1;
    return this.codes[count];
  }
  inject(path, fault, times = 1) {
    const list = this.faults.get(path) ?? [];
    for (let i = 0; i < times; i++) list.push(fault);
    this.faults.set(path, list);
  }
  count(path) { return this.requests.filter((request) => request.path === path).length; }
  async waitFor(what, check, ms = 20000) {
    const end = Date.now() + ms * SLOW;
    for (;;) {
      const value = await check();
      if (value) return value;
      if (Date.now() > end) throw new Error(`not within ${ms * SLOW} ms: ${what}`);
      await new Promise((resolve) => { // until something happens here, or a moment passed
        const timer = setTimeout(resolve, 20);
        this.waiters.add(() => { clearTimeout(timer); resolve(); });
      });
    }
  }
  wake() {
    for (const waiter of this.waiters) waiter();
    this.waiters.clear();
  }
  id() {
    this.lastId += BigInt(1 + randomInt(1000));
    return this.switches.ids === 'string' ? String(this.lastId) : this.lastId;
  }
  ok() { return this.switches.successRet ? { ret: 0 } : {}; }
  violation(path, what) { this.violations.push({ path, what }); this.wake(); }
  note(path, what) { if (this.notes.length < 20000) this.notes.push({ path, what }); }

  // --- requests ---
  async api(incoming, outgoing, second) {
    const url = new URL(incoming.url, 'http://x');
    const path = url.pathname.startsWith(API) ? url.pathname.slice(API.length) : url.pathname;
    await this.serve(incoming, outgoing, path, (request) => this.handle(request, path, url, second));
  }
  async media(incoming, outgoing) {
    const url = new URL(incoming.url, 'http://x');
    const name = { '/c2c/upload': 'upload', '/c2c/download': 'download' }[url.pathname];
    await this.serve(incoming, outgoing, `cdn/${name ?? url.pathname}`, (request) => {
      const wrong = name ? rules.cdn(request, name) : ['an unknown path'];
      if (!name || wrong.length) return { status: 400, headers: { 'x-error-message': wrong[0] }, body: '', wrong };
      return { ...this.cdn[name](request, url.searchParams, wrong), wrong };
    });
  }
  // Reads, applies a fault, handles, answers.
  async serve(incoming, outgoing, path, handle) {
    const entry = { at: Date.now(), path, status: 0 };
    this.requests.push(entry);
    if (this.requests.length > 20000) this.requests.shift();
    const fault = this.faults.get(path)?.shift() ?? this.faults.get('*')?.shift();
    entry.fault = fault;
    incoming.on('error', () => {});
    outgoing.on('error', () => {});
    if (fault?.drop === 'before') { incoming.socket.destroy(); return this.wake(); }
    const request = { method: incoming.method, headers: incoming.headers, rawHeaders: incoming.rawHeaders, closed: false, goneList: [], deliveredList: [] };
    request.gone = (done) => { if (request.closed) done(); else request.goneList.push(done); };
    request.delivered = (done) => request.deliveredList.push(done);
    outgoing.on('close', () => { if (!outgoing.writableFinished) { request.closed = true; for (const done of request.goneList) done(); } });
    try { request.body = await read(incoming); } catch { return this.wake(); }
    if (fault?.drop === 'during') { incoming.socket.write('HTTP/1.1 200 OK\r\nContent-Le'); incoming.socket.destroy(); return this.wake(); }
    if (fault) this.told(fault, path, request);
    const answer = fault && unhandled(fault) ? null : await handle(request);
    for (const what of answer?.wrong ?? []) this.violation(path, what);
    if (request.closed) return this.wake();
    await this.answer(outgoing, request, entry, fault, answer);
    this.wake();
  }
  // An injected -2 or -14 obliges the client like a real one.
  told(fault, path, request) {
    const account = this.accounts.get((request.headers.authorization ?? '').replace(/^Bearer /, ''));
    if (!account) return;
    if (fault.ret === -14 || fault.errcode === -14) account.deadTold = Date.now();
    if (fault.ret === -2 && path === 'sendmessage') this.chat(account, JSON.parse(request.body).msg.to_user_id).refused = true;
  }
  async answer(outgoing, request, entry, fault, answer) {
    const { status, headers, body } = faulty(fault, answer);
    if (fault?.delay) await new Promise((resolve) => setTimeout(resolve, fault.delay / this.speed));
    if (fault?.drop === 'after') return outgoing.socket?.destroy();
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body);
    entry.status = status;
    if (fault?.drop === 'answer') {
      outgoing.socket?.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes.length + 10}\r\n\r\n`);
      outgoing.socket?.end(bytes.subarray(0, bytes.length / 2));
      return undefined;
    }
    if (fault?.huge) return flood(outgoing, fault.huge);
    if (!fault || fault.delay) for (const done of request.deliveredList) done();
    outgoing.writeHead(status, { ...headers, 'content-length': bytes.length });
    return new Promise((resolve) => { outgoing.end(bytes, resolve); outgoing.on('close', resolve); });
  }
  async handle(request, path, url, second) {
    const wrong = [];
    if (!(path in rules.METHODS)) return { ...json({ ret: -1, errmsg: 'no such path' }, 404), wrong: [`an unknown path ${url.pathname}`] };
    request.second = second;
    const { version, needsAppHeaders } = this.switches;
    wrong.push(...rules.headers(request, path, { version, seen: this.uins }));
    if (second && path !== 'get_qrcode_status') wrong.push('this path at the second host');
    if (path === 'get_qrcode_status') return this.status(request, url, wrong);
    if (path === 'get_bot_qrcode') return this.newCode(request, url, wrong);
    if (url.search) wrong.push('a query');
    const body = rules.body(request, path, version, wrong);
    const account = this.accounts.get((request.headers.authorization ?? '').replace(/^Bearer /, ''));
    if (!account) return { ...json({ errcode: -14, errmsg: 'session timeout' }), wrong: [...wrong, 'an unknown token'] };
    if (needsAppHeaders && request.headers['ilink-app-id'] === undefined) return { ...json({ errcode: -14, errmsg: 'session timeout' }), wrong };
    if (wrong.length || !body) return refused(wrong);
    if (path === 'msg/notifystart') account.started = true;
    if (!account.alive) return this.late(account, request, path, wrong);
    return this.operate(account, request, path, body, wrong);
  }
  async operate(account, request, path, body, wrong) {
    const answer = await {
      'msg/notifystart': () => this.ok(),
      'msg/notifystop': () => { account.started = false; return this.ok(); },
      getupdates: () => account.poll(request, body, wrong),
      sendmessage: () => send(this, account, request, body, wrong),
      getconfig: () => config(this, account, body),
      sendtyping: () => typing(this, account, body, wrong),
      getuploadurl: () => this.switches.uploadUrl === 'refused' ? { ret: -2, errmsg: '' } : this.cdn.ticket(body, wrong),
    }[path]();
    if (!answer) return refused(wrong);
    return { ...(answer.status401 ? json(answer.body, 401) : json(answer)), wrong };
  }
  newCode(request, url, wrong) {
    if (url.search !== '?bot_type=3') wrong.push(`the query is ${url.search}`);
    const body = rules.body(request, 'get_bot_qrcode', this.switches.version, wrong);
    if (wrong.length) return refused(wrong);
    const code = new Code(this, body.local_token_list);
    this.codes.push(code);
    return { ...json({ ...(this.switches.statusRet ? { ret: 0 } : {}), qrcode: code.qrcode, qrcode_img_content: code.url }), wrong };
  }
  async status(request, url, wrong) {
    for (const key of url.searchParams.keys()) if (!['qrcode', 'verify_code'].includes(key)) wrong.push(`query field ${key}`);
    const code = this.codes.find((one) => one.qrcode === url.searchParams.get('qrcode'));
    if (!code) wrong.push('a qrcode that was never given');
    if (wrong.length) return refused(wrong);
    return { ...json(await code.ask(request, url.searchParams, wrong)), wrong };
  }
  // Requests with a dead token.
  late(account, request, path, wrong) {
    if (path === 'getupdates' && account.deadTold && Date.now() - account.deadTold < 60000 / this.speed * 0.9) wrong.push('a poll within 60 s of -14');
    if (account.deadTold && ['sendmessage', 'getuploadurl', 'sendtyping'].includes(path)) wrong.push('a send with a dead token');
    const answer = this.dead(account, request);
    return { ...(answer.status401 ? json(answer.body, 401) : json(answer)), wrong };
  }
  dead(account, request) {
    request.delivered(() => { account.deadTold = Date.now(); });
    const errmsg = 'session timeout';
    if (account.expiry === 'http401') return { status401: true, body: { errmsg } };
    if (account.expiry === 'ret') return { ret: -14, errmsg };
    return account.expiry === 'both' ? { ret: -14, errcode: -14, errmsg } : { errcode: -14, errmsg };
  }
}

function json(value, status = 200) {
  return { status, headers: { 'content-type': 'application/json' }, body: encode(value) };
}
function refused(wrong) {
  return { ...json({ ret: -1, errmsg: wrong[0] ?? 'refused' }, 400), wrong };
}
async function read(incoming) {
  const parts = [];
  for await (const part of incoming) parts.push(part);
  return Buffer.concat(parts);
}
// Whether a fault keeps the request from being handled.
function unhandled(fault) {
  if (fault.handled !== undefined) return !fault.handled;
  return !fault.drop && fault.delay === undefined;
}
function faulty(fault, answer) {
  if (fault?.html) return { status: fault.status ?? 200, headers: { 'content-type': 'text/html' }, body: '<!DOCTYPE html><html><body>Bad gateway</body></html>' };
  if (fault?.raw !== undefined) return { status: fault.status ?? 200, headers: fault.headers ?? { 'content-type': 'application/json' }, body: fault.raw };
  if (fault?.json !== undefined) return json(fault.json, fault.status);
  if (fault?.ret !== undefined) return json({ ret: fault.ret, errmsg: fault.errmsg ?? 'prepare failed' });
  if (fault?.errcode !== undefined) return json({ errcode: fault.errcode, errmsg: fault.errmsg ?? 'session timeout' });
  if (fault?.status) return { status: fault.status, headers: { 'content-type': 'text/html', ...fault.headers }, body: fault.body ?? `<html>${fault.status}</html>` };
  return answer ?? { status: 200, headers: {}, body: '' };
}
// An answer of so many bytes that begins like a good one.
async function flood(outgoing, bytes) {
  outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes });
  const block = Buffer.alloc(1 << 16, ' ');
  for (let left = bytes; left > 0 && !outgoing.destroyed; left -= block.length) {
    if (!outgoing.write(block.subarray(0, Math.min(left, block.length)))) await new Promise((resolve) => { outgoing.once('drain', resolve); outgoing.once('close', resolve); });
  }
  if (!outgoing.destroyed) outgoing.end();
}
