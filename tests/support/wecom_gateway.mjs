// A strict stand-in of the gateway of WeCom's AI bots (long connection): ws://127.0.0.1:0, or wss with a key of one's own.
// What a client does against the service's rules stands in violations[]; what each person sees in their conversation.
// Limits (rates, lives of streams and uploads, heartbeats) are counted on `clock`, which `speed` quickens; what must follow
// at once (5 s after a click) is counted in the world's time.
//
//   const gateway = await new WecomGateway({ secret }).start();
//   gateway.person('zhangsan').says('状态');   await gateway.person('zhangsan').waitFor(/#1/);
//   gateway.group('wrkG', 'lisi').says('状态');  person.clicks('停止');  person.messages  gateway.violations
//
// Faults: gateway.fault((frame) => frame.cmd === 'aibot_send_msg', ACTION, times) with ACTION
//   'drop' (the connection ends, nothing handled)  'lost' (nothing handled, no answer)  'noAck' (handled, no answer)
//   'dropAfter' (handled, then the connection ends)  {errcode, errmsg}  {delay: ms}  {answer: text, bytes or
//   (frame) => text, sent as it is}
// and kick() garbage() binary() cut() close()/reopen() server.handshake pieces.
import { randomBytes } from 'node:crypto';
import { StandIn } from './stand_in.mjs';
import { Conversation, Person } from './wecom_people.mjs';
import { Uploads } from './wecom_upload.mjs';
import { push, respond, updateCard, welcome } from './wecom_replies.mjs';
import { WsServer } from './ws_server.mjs';

const HEARTBEAT_MS = 30000, SILENT_MS = 100000, ACK_MS = 5000, AGAIN_MS = 10 * 60000;
const HANDLERS = {
  aibot_respond_msg: respond, aibot_respond_welcome_msg: welcome, aibot_respond_update_msg: updateCard, aibot_send_msg: push,
  aibot_upload_media_init: (gateway, frame) => gateway.uploads.init(frame.body),
  aibot_upload_media_chunk: (gateway, frame) => gateway.uploads.chunk(frame.body),
  aibot_upload_media_finish: (gateway, frame) => gateway.uploads.finish(frame.body),
};

export class WecomGateway extends StandIn {
  constructor({ botId = 'aibX7Kq', secret = 's3cr3t', botName = 'TrainBot', speed, tls, port = 0 } = {}) {
    super({ speed });
    Object.assign(this, { botId, secret, botName, tls });
    this.chats = new Map();     // id → Conversation
    this.callbacks = new Map(); // req_id → {kind, chat, at, real, …}
    this.streams = new Map();
    this.tasks = new Map();     // task_id → shown card
    this.used = new Set();      // req_ids that the bot made
    this.frames = [];           // what came, newest last, at most 5000
    this.subscriptions = [];    // {at, real, ok, ended}
    this.uploads = new Uploads(this);
    this.pieces = 1;            // fragments of an outgoing frame
    this.bare = false;          // callbacks without their optional fields
    this.offline = 'lost';      // what is written while no bot is there: 'lost' or 'kept'
    this.waiting = [];
    this.server = new WsServer({ port, tls, wrong: (what) => this.wrong(what), onPeer: (peer) => this.connected(peer) });
  }
  async start() { await this.server.listen(); return this; }
  get url() { return `${this.tls ? 'wss' : 'ws'}://127.0.0.1:${this.server.port}`; }
  async stop() { this.stopped = true; this.noFaults(); await this.server.close(); }
  close() { return this.server.close(); }   // the network goes away …
  reopen() { return this.server.reopen(); } // … and is back, on the same port
  id(prefix) { return `${prefix}${randomBytes(6).toString('hex')}`; }
  seconds() { return Math.floor(Date.now() / 1000); }
  inboundMedia() { return { url: 'https://ww-aibot-img.example.com/one', aeskey: randomBytes(32).toString('base64') }; }

  // ---- people ----
  conversation(id, kind) {
    if (!this.chats.has(id)) this.chats.set(id, new Conversation(this, id, kind));
    return this.chats.get(id);
  }
  person(userid) { return new Person(this, userid); }
  group(chatid, userid) { return new Person(this, userid, chatid); }
  callback(cmd, body, chat, more, control) {
    const reqId = this.id('CB');
    this.callbacks.set(reqId, { chat, at: this.clock.now(), real: Date.now(), ...more });
    let text = JSON.stringify({ cmd, headers: { req_id: reqId }, body });
    if (control) text = text.replace('"content":"', `"content":"${control}`); // raw control characters inside a JSON string
    if (this.ready) this.write(this.active, text);
    else if (this.offline === 'kept') this.waiting.push(text);
    return reqId;
  }
  openStreams() {
    return [...this.streams.values()].filter((stream) => !stream.finished && this.clock.now() - stream.at < 6 * 60000);
  }
  get ready() { return Boolean(this.active?.peer.open && !this.active.peer.stream.destroyed && this.active.subscribed); }
  waitReady(ms) { return this.waitFor('a subscribed bot', () => this.ready, ms); }

  // ---- connections ----
  connected(peer) {
    const link = { peer, at: Date.now(), heard: this.clock.now(), subscribed: false, inFlight: new Map() };
    peer.onText = (text) => this.take(link, text);
    peer.onClose = () => { clearInterval(link.timer); if (link.subscription) link.subscription.ended = Date.now(); if (this.active === link) this.active = undefined; this.changed(); };
    link.timer = setInterval(() => this.watch(link), 50);
    link.timer.unref();
    this.newest = link;
    this.changed();
  }
  watch(link) {
    if (link.evicted && Date.now() > link.evicted + 5000) { this.wrong('evicted, and did not close at once'); link.peer.destroy(); }
    if (link.refused && Date.now() > link.refused + 5000) { this.wrong('refused, and did not close'); link.peer.destroy(); }
    if (link.subscribed && !link.deaf && this.clock.now() - link.heard > SILENT_MS) { this.wrong('no heartbeat'); link.peer.destroy(); }
  }
  write(link, text) { link.peer.text(text, this.pieces); }
  ack(link, frame, fields) { this.write(link, JSON.stringify({ headers: { req_id: frame.headers.req_id }, ...fields })); }
  take(link, text) {
    let frame;
    try { frame = JSON.parse(text); } catch { return this.wrong('not JSON', text.slice(0, 200)); }
    if (!this.shaped(frame)) return;
    this.frames.push({ ...frame, at: this.clock.now(), real: Date.now() });
    if (this.frames.length > 5000) this.frames.shift();
    const reqId = frame.headers.req_id, now = this.clock.now();
    if (link.evicted) return this.wrong(`${frame.cmd} after disconnected_event`);
    if (link.refused) return this.wrong(`${frame.cmd} after 853000`);
    const since = link.inFlight.get(reqId);
    if (since !== undefined && now - since < ACK_MS * 0.9) this.wrong(`${frame.cmd}: a second frame on req_id ${reqId} before the acknowledgement`);
    link.inFlight.set(reqId, now);
    const own = !frame.cmd.startsWith('aibot_respond');
    if (own && (this.used.has(reqId) || this.callbacks.has(reqId))) this.wrong(`${frame.cmd}: req_id ${reqId} is not fresh`);
    if (own) this.used.add(reqId);
    this.meet(link, frame, this.takeFault(frame));
    this.changed();
  }
  shaped(frame) {
    if (typeof frame !== 'object' || frame === null || Array.isArray(frame)) return this.wrong('a frame that is no object'), false;
    for (const key of Object.keys(frame)) if (!['cmd', 'headers', 'body'].includes(key)) this.wrong(`the frame's field ${key}`);
    if (typeof frame.cmd !== 'string' || !(HANDLERS[frame.cmd] || ['aibot_subscribe', 'ping'].includes(frame.cmd))) return this.wrong(`cmd ${frame.cmd}`), false;
    if (typeof frame.headers?.req_id !== 'string' || !frame.headers.req_id) return this.wrong(`${frame.cmd}: no req_id`), false;
    if (frame.cmd === 'ping' ? frame.body !== undefined : typeof frame.body !== 'object' || frame.body === null) return this.wrong(`${frame.cmd}: body`), false;
    return true;
  }
  meet(link, frame, action) {
    if (action === 'drop') return link.peer.destroy();
    if (action === 'lost') return undefined;
    if (action?.delay !== undefined) return void setTimeout(() => this.answer(link, frame, undefined), action.delay);
    return this.answer(link, frame, action);
  }
  answer(link, frame, action) {
    if (!link.peer.open || this.stopped) return;
    const fields = action?.errcode !== undefined ? { errcode: action.errcode, errmsg: action.errmsg ?? 'injected, from ip: 203.0.113.9' } : this.handle(link, frame);
    if (action?.errcode === 45009) this.hold(frame);
    if (action === 'noAck') return;
    if (action === 'dropAfter') return link.peer.destroy();
    setImmediate(() => {
      link.inFlight.delete(frame.headers.req_id);
      if (action?.answer !== undefined) link.peer.text(typeof action.answer === 'function' ? action.answer(frame) : action.answer);
      else this.ack(link, frame, { errcode: 0, errmsg: 'ok', ...fields });
    });
  }
  hold(frame) {
    const chat = this.chats.get(frame.body.chatid) ?? this.callbacks.get(frame.headers.req_id)?.chat;
    if (chat) chat.held_until = this.clock.now() + 60000;
  }
  handle(link, frame) {
    if (frame.cmd === 'aibot_subscribe') return this.subscribe(link, frame);
    if (!link.subscribed) { this.wrong(`${frame.cmd} before the subscription`); return { errcode: 846601, errmsg: 'not subscribed' }; }
    if (frame.cmd !== 'ping') return HANDLERS[frame.cmd](this, frame);
    if (link.pinged && this.clock.now() - link.pinged < HEARTBEAT_MS / 2) this.wrong(`ping after ${Math.round(this.clock.now() - link.pinged)} ms`);
    link.pinged = link.heard = this.clock.now();
    return {};
  }
  subscribe(link, frame) {
    for (const key of Object.keys(frame.body)) if (!['bot_id', 'secret', 'scene', 'plug_version'].includes(key)) this.wrong(`subscribe: the field ${key}`);
    if (link.asked) { this.wrong('subscribed twice on one connection'); return { errcode: 846602, errmsg: 'too many subscriptions' }; }
    link.asked = true;
    const good = frame.body.bot_id === this.botId && frame.body.secret === this.secret;
    const subscription = { at: this.clock.now(), real: Date.now(), ok: good };
    this.subscriptions.push(subscription);
    if (!good) { link.refused = Date.now(); return { errcode: 853000, errmsg: 'invalid bot_id or secret' }; } // the socket stays open
    if (this.takenOver && this.clock.now() - this.takenOver < AGAIN_MS) this.wrong('back by itself within 10 minutes of disconnected_event');
    this.takenOver = 0;
    const old = this.active;
    link.subscribed = true;
    link.subscription = subscription;
    link.heard = this.clock.now();
    this.active = link;
    if (old && old !== link) this.evict(old);
    setTimeout(() => { for (const text of this.waiting.splice(0)) this.write(link, text); }, 5); // after the acknowledgement
    return {};
  }

  // ---- what happens to a connection ----
  evict(link) {
    link.evicted = Date.now();
    link.subscribed = false;
    this.write(link, JSON.stringify({ cmd: 'aibot_event_callback', headers: { req_id: this.id('CB') }, body: { msgid: this.id('EV'),
      create_time: this.seconds(), aibotid: this.botId, msgtype: 'event', event: { eventtype: 'disconnected_event' } } }));
  }
  // Another program subscribes, somewhere. mayReturn(): a person asked for this one again.
  kick() { const link = this.active; this.active = undefined; this.takenOver = this.clock.now(); this.evict(link); }
  mayReturn() { this.takenOver = 0; }
  garbage(text) { this.active.peer.text(text); }
  binary(bytes) { this.active.peer.binary(bytes); }
  cut() { this.active?.peer.destroy(); } // no close frame
  deaf() { this.active.deaf = true; this.fault((frame) => frame.cmd === 'ping', 'lost', Infinity); } // heartbeats are not answered
}
