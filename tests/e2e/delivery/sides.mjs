// The three chat services under one form for the fault campaign: a person who writes, what they were shown and when, and
// random faults. `lost` holds when an answer of the service was kept back though it had handled the request: only then, or
// around a kill, may a message come twice where a service has no idempotency key.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gateway } from '../../support/weixin_gateway.mjs';
import { WecomGateway } from '../../support/wecom_gateway.mjs';
import { TelegramServer } from '../../support/telegram_server.mjs';

const folder = () => mkdtempSync(join(process.env.TRAINBOT_TMP || tmpdir(), 'tbs-'));
function secretFile(text) {
  const path = join(folder(), 'secret');
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}
export const pick = (random, list) => list[Math.floor(random() * list.length)];

// Personal WeChat. The gateway shows a repeated client_id again: what the service does is not known, and this is worse.
export class WeixinSide {
  name = 'weixin';
  id = 'o9owner@im.wechat';
  constructor(speed) {
    this.gateway = new Gateway({ speed, switches: { dedupe: false, probes: true } });
  }
  async start(state) {
    await this.gateway.start();
    this.person = this.gateway.person(this.id);
    this.account = this.gateway.account({ owner: this.person });
    const { mkdirSync } = await import('node:fs');
    mkdirSync(join(state, 'weixin'), { recursive: true, mode: 0o700 });
    writeFileSync(join(state, 'weixin', 'account.json'), JSON.stringify({ bot_token: this.account.token, ilink_bot_id: this.account.id,
      baseurl: this.gateway.url, ilink_user_id: this.id, saved_ms: Date.now() }), { mode: 0o600 });
  }
  get config() { return `[channel weixin]\nenabled=true\nbase_url=${this.gateway.url}\ncdn_base_url=${this.gateway.cdnUrl}\n`; }
  get secrets() { return [this.account.token, this.account.token.split(':')[1]]; }
  says(text, random) {
    const id = this.person.says(text);
    if (random() < 0.15) this.person.again(id, random() < 0.5 ? {} : { withoutId: false });
    this.gateway.switches.reorder = false; // the order of commands is the order they were written in
  }
  disturb(random) {
    const { path, fault } = pick(random, [
      ...['before', 'during', 'after', 'answer'].flatMap((drop) => [{ path: 'sendmessage', fault: { drop } }, { path: 'getupdates', fault: { drop } }]),
      ...[500, 502, 524].flatMap((status) => [{ path: 'sendmessage', fault: { status } }, { path: 'sendmessage', fault: { status, handled: true } }, { path: 'getupdates', fault: { status } }]),
      { path: 'sendmessage', fault: { ret: -2 } }, { path: 'sendmessage', fault: { delay: 20000 } }, { path: 'getupdates', fault: { errcode: -14 } },
      { path: 'sendmessage', fault: { html: true } }, { path: 'getupdates', fault: { html: true } }, { path: 'sendmessage', fault: { raw: '{"ret":' } },
    ]);
    this.gateway.inject(path, fault, 1);
    return `${path} ${JSON.stringify(fault)}`;
  }
  calm() { this.gateway.faults.clear(); }
  get shown() {
    return this.person.sent.map((item) => ({ at: item.at, text: item.text ?? item.kind,
      lost: this.gateway.requests.some((entry) => entry.path === 'sendmessage' && entry.fault && item.at >= entry.at && item.at - entry.at < 200) }));
  }
  get violations() { return this.gateway.violations; }
  get mostPerInbound() { return Math.max(0, ...[...this.gateway.chats.values()].map((chat) => chat.mostUsed)); }
  close() { return this.gateway.close(); }
}

class SideWithClock {
  constructor() { this.lostAt = []; }
  // A fault whose requests are handled, their answer lost.
  losing(match, action) {
    this.server.fault((request) => { const fits = match(request); if (fits) this.lostAt.push(Date.now()); return fits; }, action, 1);
  }
  calm() { this.server.noFaults(); }
  mark(message) { return { at: message.real, text: message.text ?? '', lost: this.lostAt.some((at) => Math.abs(message.real - at) < 100) }; }
  get violations() { return this.server.violations; }
  close() { return this.server.stop(); }
}

export class TelegramSide extends SideWithClock {
  name = 'telegram';
  id = '420001';
  constructor(speed) {
    super();
    this.server = new TelegramServer({ speed });
  }
  async start() {
    await this.server.start();
    this.person = this.server.user(Number(this.id));
    this.file = secretFile(this.server.token);
  }
  get config() { return `[channel telegram]\nbase_url=${this.server.url}\ntoken_file=${this.file}\n`; }
  get secrets() { return [this.server.token, this.server.token.split(':')[1]]; }
  says(text) { this.person.says(text); }
  disturb(random) {
    const send = (request) => ['sendmessage', 'editmessagetext'].includes(request.method), poll = (request) => request.method === 'getupdates';
    const [what, inject] = pick(random, [
      ['drop send', () => this.server.fault(send, 'drop')], ['drop poll', () => this.server.fault(poll, 'drop')],
      ['answer of send lost', () => this.losing(send, 'dropAfter')],
      ['429', () => this.server.demand429(1 + Math.floor(random() * 3), 1)],
      ...[500, 502].flatMap((status) => [[`send ${status}`, () => this.server.fault(send, { status, body: '<html>' })], [`poll ${status}`, () => this.server.fault(poll, { status, body: '<html>' })],
        [`send handled, ${status}`, () => this.losing(send, { status, body: '<html>', after: true })]]),
      ['slow send', () => this.server.fault(send, { delay: 300 })], ['poll: HTML', () => this.server.fault(poll, { status: 200, body: '<html>' })],
    ]);
    inject();
    return what;
  }
  get shown() { return this.person.chat.messages.filter((message) => !message.markup?.inline_keyboard?.length || message.versions.length === 1).map((message) => this.mark(message)); }
}

export class WecomSide extends SideWithClock {
  name = 'wecom';
  id = 'zhangsan';
  constructor(speed) {
    super();
    this.server = new WecomGateway({ speed });
    this.said = [];
    this.server.offline = 'kept'; // whether the real one keeps them is not known; commands must not get lost on our side
  }
  async start() {
    await this.server.start();
    this.person = this.server.person(this.id);
    this.file = secretFile(this.server.secret);
  }
  get config() { return `[channel wecom]\nurl=${this.server.url}\nbot_id=${this.server.botId}\nsecret_file=${this.file}\n`; }
  get secrets() { return [this.server.secret]; }
  says(text, random) {
    const said = this.person.says(text);
    this.said.push({ text, said });
    if (random() < 0.15) said.again();
  }
  // A callback has no acknowledgement: one that was on its way to a bot that died is gone, unless the service delivers it
  // again under its msgid, as it may.
  async restarted(done) {
    await this.server.waitReady(60000);
    this.said = this.said.filter(({ text }) => /^k /.test(text) && !done.has(Number(text.slice(2))));
    for (const { said } of this.said) said.again();
  }
  disturb(random) {
    const send = (frame) => ['aibot_send_msg', 'aibot_respond_msg'].includes(frame.cmd);
    const [what, inject] = pick(random, [
      ['drop', () => this.server.fault(send, 'drop')], ['lost', () => this.server.fault(send, 'lost')],
      ['answer lost', () => this.losing(send, 'noAck')], ['handled, then dropped', () => this.losing(send, 'dropAfter')],
      ['busy', () => this.server.fault(send, { errcode: -1, errmsg: 'system error' })], ['45009', () => this.server.fault(send, { errcode: 45009 })],
      ['slow', () => this.server.fault(send, { delay: 150 })], ['subscribe dropped', () => this.server.fault((frame) => frame.cmd === 'aibot_subscribe', 'drop')],
    ]);
    inject();
    return what;
  }
  get shown() { return this.person.chat.messages.filter((message) => !message.card).map((message) => this.mark(message)); }
}

export function generator(state) { // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
export const SIDES = { weixin: WeixinSide, telegram: TelegramSide, wecom: WecomSide };
