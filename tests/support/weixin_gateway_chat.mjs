// Bots, persons and what passes between them: polling with cursors, context tokens, the quota, typing.
import { randomBytes } from 'node:crypto';
import { message as messageRules, TEXT_MAX } from './weixin_gateway_rules.mjs';

const secret = () => randomBytes(18).toString('base64');
export const PUBLISHED_QUOTA = 10; // messages after each one from the person
const WINDOW_MS = 24 * 3600 * 1000;

// A bot as one login made it.
export class Account {
  constructor(gateway, owner, id = `${randomBytes(6).toString('hex')}@im.bot`) {
    Object.assign(this, { gateway, owner, id });
    this.token = `${id}:${randomBytes(16).toString('hex')}`;
    this.alive = true;
    this.expiry = 'errcode'; // how a dead token is told: errcode, ret, both, http401
    this.messages = [];      // {message, handed}
    this.cursors = new Map([['', 0]]);
    this.cursor = '';        // the newest that was delivered
    this.open = new Set();   // polls that wait
    this.started = false;    // notifystart was tried
    this.polls = [];         // when each came
    this.deadTold = null;    // when it was last said that the token is dead
  }
  wake() { for (const done of this.open) done(); }
  // The token dies: another instance took the person over, or old age.
  expire(how = 'errcode') {
    this.alive = false;
    this.expiry = how;
    this.wake();
  }
  revive() { this.alive = true; this.deadTold = null; }

  async poll(request, body, wrong) {
    const { gateway } = this, { switches, speed } = gateway;
    this.polls.push(Date.now());
    if (!this.started) wrong.push('a poll before notifystart');
    const known = this.cursors.has(body.get_updates_buf);
    if (!known) wrong.push('a get_updates_buf that was never given');
    if (known && body.get_updates_buf === '' && this.cursor !== '') wrong.push('the cursor was forgotten');
    else if (known && body.get_updates_buf !== this.cursor) gateway.note('getupdates', 'an older cursor');
    await this.alone(request, wrong);
    if (wrong.length) return null;
    const from = this.cursors.get(body.get_updates_buf);
    let due = this.due(from);
    if (!due.length) {
      await this.hold(request, switches.holdMs / speed);
      if (!this.alive) return gateway.dead(this, request);
      due = this.due(from);
    }
    return this.batch(request, from, due);
  }
  // Two polls with one token steal each other's messages. A client that just hung up is given a moment to be seen gone.
  async alone(request, wrong) {
    if (this.open.size) await new Promise((resolve) => setTimeout(resolve, 100));
    if (this.open.size && !request.closed) wrong.push('two polls at once');
  }
  hold(request, ms) {
    return new Promise((resolve) => {
      const done = () => { clearTimeout(timer); this.open.delete(done); resolve(); };
      const timer = setTimeout(done, ms);
      this.open.add(done);
      request.gone(done);
    });
  }
  due(from) {
    const { redeliver, batchMax } = this.gateway.switches;
    const all = redeliver ? this.messages.slice(from) : this.messages.filter((entry) => !entry.handed);
    return all.slice(0, batchMax);
  }
  batch(request, from, due) {
    const { gateway } = this, { switches } = gateway;
    const to = switches.redeliver ? from + due.length : this.messages.length;
    const cursor = due.length || !switches.emptyCursor ? `${secret()}${to}` : '';
    if (!request.closed) for (const entry of due) entry.handed = true;
    if (cursor) this.cursors.set(cursor, to);
    request.delivered(() => {
      if (cursor) this.cursor = cursor;
      for (const { message } of due) gateway.chat(this, message.from_user_id).renew(message);
    });
    let msgs = due.map((entry) => entry.message);
    if (switches.reorder && msgs.length > 1) msgs = msgs.reverse();
    return { ...gateway.ok(), msgs, get_updates_buf: cursor, longpolling_timeout_ms: Math.ceil(switches.pollHint / gateway.speed) || undefined };
  }
}

// What the service knows of one person's chat with one bot.
export class Chat {
  constructor(gateway, account, person) {
    Object.assign(this, { gateway, account, person });
    this.tokens = new Set();
    this.newest = null;
    this.heardAt = null;
    this.used = 0;
    this.refused = false; // -2 was told, and nothing was written since
    this.sends = [];      // {at, used, clientId}
    this.mostUsed = 0;
  }
  renew(message) {
    if (this.gateway.switches.renewAt === 'handout' && !message.again) this.reset();
  }
  reset() {
    this.used = 0;
    this.refused = false;
    this.heardAt = this.gateway.now();
  }
  // -2, or null where the message may pass.
  refusal(message, wrong) {
    const { switches } = this.gateway;
    const refuse = (errmsg = switches.refusalText) => ({ ret: -2, errmsg });
    if (this.refused && !switches.probes) {
      wrong.push('an attempt while refused');
      return refuse();
    }
    if (message.context_token === undefined) {
      wrong.push('no context_token');
      return switches.missingContext === 'refuse' ? refuse() : null;
    }
    if (!this.tokens.has(message.context_token)) {
      wrong.push('a context_token that is not this chat\'s');
      return refuse();
    }
    if (message.context_token !== this.newest && !switches.staleContext) return refuse();
    if (this.heardAt === null || this.gateway.now() - this.heardAt > WINDOW_MS) return refuse();
    const already = this.used - (switches.quotaCounts === 'wire' ? 1 : 0); // without this one
    if (already >= switches.quota) {
      if (switches.quota >= PUBLISHED_QUOTA) wrong.push(`send ${already + 1} after one message from the person`);
      return refuse();
    }
    return null;
  }
}

// A person with a phone. `sent` is what they received, in order.
export class Person {
  constructor(gateway, id) {
    Object.assign(this, { gateway, id });
    this.sent = [];
    this.bot = null; // the account that this person scanned
  }
  get texts() { return this.sent.filter((item) => item.kind === 'text').map((item) => item.text); }
  get account() {
    if (this.bot) return this.bot;
    return [...this.gateway.accounts.values()].filter((account) => account.alive).at(-1);
  }
  // Writes to the bot; the message's id as text. more: fields of the message (message_type, group_id …).
  says(text, more = {}) { return this.writes([{ type: 1, msg_id: this.gateway.id(), text_item: { text } }], more); }
  speaks(transcript, more = {}) {
    const { media } = this.gateway.cdn.store(randomBytes(200));
    return this.writes([{ type: 3, voice_item: { media, encode_type: 6, sample_rate: 24000, playtime: 1800, text: transcript } }], more);
  }
  shows(bytes, more = {}) {
    const { media, key } = this.gateway.cdn.store(bytes, more);
    return this.writes([{ type: 2, image_item: { media, aeskey: key.toString('hex'), mid_size: bytes.length } }], {});
  }
  writes(items, more = {}) {
    const { gateway } = this, account = more.account ?? this.account;
    if (!account) throw new Error('there is no bot to write to');
    const chat = gateway.chat(account, this.id);
    const context = secret();
    chat.tokens.add(context);
    chat.newest = context;
    if (gateway.switches.renewAt === 'write') chat.reset();
    const id = gateway.id();
    const { account: _, again, ...fields } = more;
    const message = { seq: account.messages.length + 1, message_id: id, from_user_id: this.id, to_user_id: account.id, client_id: `phone:${Date.now()}-${randomBytes(4).toString('hex')}`,
      create_time_ms: Date.now(), session_id: `${this.id}#${account.id}`, group_id: '', message_type: 1, message_state: 2, item_list: items, context_token: context, ...fields };
    account.messages.push({ message, handed: false });
    account.wake();
    return String(id);
  }
  // The service hands out a message a second time: as it was, without its id, or under a new one.
  again(id, { withoutId = false, newId = false } = {}) {
    const account = this.account;
    const { message } = account.messages.find((entry) => String(entry.message.message_id) === id);
    const copy = { ...message, message_id: withoutId ? undefined : newId ? this.gateway.id() : message.message_id };
    Object.defineProperty(copy, 'again', { value: true }); // not in the JSON; renews nothing
    account.messages.push({ message: copy, handed: false });
    account.wake();
  }
  // Resolves with the first item received from index `from` on that fits (a pattern of texts, or a function of items).
  async waitFor(fits, { from = 0, ms = 20000 } = {}) {
    const test = fits instanceof RegExp ? (item) => item.kind === 'text' && fits.test(item.text) : fits;
    try {
      return await this.gateway.waitFor(`${this.id} receives ${fits}`, () => this.sent.slice(from).find(test), ms);
    } catch (error) {
      throw new Error(`${error.message}; received: ${JSON.stringify(this.sent.slice(from).map((item) => item.text ?? item.kind))}`);
    }
  }
  // Says it and waits for the answer that fits.
  async ask(text, fits, ms) {
    const from = this.sent.length;
    this.says(text);
    return this.waitFor(fits, { from, ms });
  }
}

// sendmessage: → the answer.
export function send(gateway, account, request, body, wrong) {
  const { switches } = gateway;
  const message = body.msg;
  wrong.push(...messageRules(message));
  if (wrong.length && !onlyTooLong(wrong)) return null;
  const person = gateway.persons.get(message.to_user_id);
  if (!person) { wrong.push('a message to somebody who never wrote'); return null; }
  const chat = gateway.chat(account, person.id);
  const now = Date.now(), last = chat.sends.at(-1);
  if (last && now - last.at < 750 / gateway.speed) gateway.note('sendmessage', `${now - last.at} ms after the one before`);
  if (switches.quotaCounts === 'wire') chat.used++;
  const before = gateway.clientIds.get(message.client_id);
  const contents = JSON.stringify([message.to_user_id, message.item_list]);
  if (before && before.contents !== contents) wrong.push(`a client_id that was used for something else: ${contents} after ${before.contents}`);
  if (before) {
    gateway.note('sendmessage', 'a client_id again');
    if (switches.dedupe) return before.answer; // whatever it says now
  }
  const refusal = chat.refusal(message, wrong);
  if (refusal) {
    request.delivered(() => { chat.refused = true; });
    chat.sends.push({ at: now, refused: true });
    return refusal;
  }
  if (switches.quotaCounts !== 'wire') chat.used++;
  chat.mostUsed = Math.max(chat.mostUsed, chat.used);
  chat.sends.push({ at: now, used: chat.used, clientId: message.client_id });
  const id = gateway.id();
  const answer = { none: {}, ret: { ret: 0 }, id: { message_id: id }, full: { ret: 0, message_id: id } }[switches.sendAnswer];
  gateway.clientIds.set(message.client_id, { contents, answer });
  if (message.context_token !== undefined || switches.missingContext === 'deliver') show(gateway, person, account, message, id, wrong);
  return answer;
}
const onlyTooLong = (wrong) => wrong.every((line) => /^a text of \d+ units$/.test(line));
function show(gateway, person, account, message, id, wrong) {
  const item = message.item_list[0];
  const base = { at: Date.now(), bot: account.id, clientId: message.client_id, messageId: String(id) };
  if (item.type === 1) {
    person.sent.push({ ...base, kind: 'text', text: item.text_item.text.slice(0, TEXT_MAX) });
  } else {
    const what = item.image_item ?? item.file_item ?? item.video_item;
    const opened = gateway.cdn.open(what.media, item.type, wrong);
    if (opened && item.type === 2 && what.mid_size !== opened.stored.filesize) wrong.push(`mid_size is ${JSON.stringify(what.mid_size)}`);
    if (opened && item.type === 4 && what.len !== String(opened.stored.rawsize)) wrong.push(`len is ${JSON.stringify(what.len)}`);
    if (opened && item.type === 5 && what.video_size !== opened.stored.filesize) wrong.push(`video_size is ${JSON.stringify(what.video_size)}`);
    person.sent.push({ ...base, kind: opened ? { 2: 'image', 4: 'file', 5: 'video' }[item.type] : 'grey', bytes: opened?.bytes ?? null, name: what.file_name });
  }
  gateway.wake();
}

// getconfig and sendtyping.
export function config(gateway, account, body) {
  const chat = gateway.chats.get(`${account.id} ${body.ilink_user_id}`);
  if (!chat || chat.heardAt === null) return { ret: -4, errmsg: 'GetTypingTicket rpc failed' };
  chat.ticket ??= secret();
  return { ret: 0, typing_ticket: chat.ticket };
}
export function typing(gateway, account, body, wrong) {
  const chat = gateway.chats.get(`${account.id} ${body.ilink_user_id}`);
  if (!chat?.ticket || chat.ticket !== body.typing_ticket) { wrong.push('a typing_ticket that was never given'); return null; }
  gateway.typings.push({ at: Date.now(), person: body.ilink_user_id, status: body.status });
  gateway.wake();
  return { ret: 0 };
}
