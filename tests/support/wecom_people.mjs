// People and conversations of the WeCom stand-in: what somebody writes, clicks, and sees. A stream is one message with
// versions; a card that was changed after a click too.
import { Rate } from './stand_in.mjs';

// What a person reads of Markdown text: escapes are gone, blanks that do not break are blanks, line breaks stand.
const plain = (text) => text.replace(/\\([!-/:-@[-`{-~])/g, '$1').replaceAll('\u00a0', ' ').replace(/(\\|  +)\n/g, '\n');

export class Conversation {
  constructor(gateway, id, kind) {
    Object.assign(this, { gateway, id, kind });
    this.spoken = false;
    this.messages = []; // as shown: {n, kind, text, versions, finished, bytes, card, via, at}
    this.rate = new Rate(gateway.clock, [[30, 60000], [1000, 3600000]]);
    this.refreshes = new Rate(gateway.clock, [[3, 1000]]);
    this.held_until = 0;
  }
  show(message) {
    const shown = { n: this.messages.length, at: this.gateway.clock.now(), real: Date.now(), versions: [message.text ?? ''], ...message,
      get seen() { return plain(this.text ?? ''); } };
    this.messages.push(shown);
    this.gateway.changed();
    return shown;
  }
  texts() { return this.messages.map((message) => message.text ?? ''); }
  match(want) {
    if (want instanceof RegExp) return (message) => want.test(message.seen);
    if (typeof want === 'string') return (message) => message.seen.includes(want);
    return want;
  }
  // The first message from number `after` on that fits a RegExp, a part of its text, or a function.
  find(want, after = 0) { const fits = this.match(want); return this.messages.find((message) => message.n >= after && fits(message)); }
  waitFor(want, { after = 0, ms = 20000 } = {}) {
    return this.gateway.waitFor(`${this.id} sees ${want}`, () => this.find(want, after), ms)
      .catch((error) => { throw new Error(`${error.message}; shown:\n${this.texts().slice(-8).join('\n---\n')}`); });
  }
}

// A member of the enterprise, in the single chat with the bot, or in a group where `group` is given.
export class Person {
  constructor(gateway, userid, group) {
    Object.assign(this, { gateway, userid, group });
    this.chat = gateway.conversation(group ?? userid, group ? 'group' : 'single');
  }
  get messages() { return this.chat.messages; }
  get seen() { return this.chat.messages.length; }
  waitFor(want, options) { return this.chat.waitFor(want, options); }
  body(fields) {
    return { msgid: fields.msgid ?? this.gateway.id('CAIQ'), aibotid: this.gateway.botId, ...(this.group ? { chatid: this.group } : {}),
      chattype: this.group ? 'group' : 'single', from: { userid: this.userid }, ...(this.gateway.bare ? {} : { create_time: this.gateway.seconds(),
        response_url: 'https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=once' }), ...fields };
  }
  // Writes to the bot; in a group the text begins with the mention unless mention is false (then the bot never hears it).
  // Returns {msgid, reqId, again()}: again() delivers the same message once more, with another req_id.
  says(content, { mention = true, msgid, quote, control } = {}) {
    this.chat.spoken = true;
    if (this.group && !mention) return undefined;
    const text = this.group ? `@${this.gateway.botName} ${content}` : content;
    return this.deliver(this.body({ msgid, msgtype: 'text', text: { content: text }, ...(quote ? { quote } : {}) }), control);
  }
  // parts: texts and {image: true}
  mixed(parts) {
    this.chat.spoken = true;
    const msg_item = parts.map((part) => (typeof part === 'string' ? { msgtype: 'text', text: { content: part } } : { msgtype: 'image', image: this.gateway.inboundMedia() }));
    if (this.group) msg_item.unshift({ msgtype: 'text', text: { content: `@${this.gateway.botName} ` } });
    return this.deliver(this.body({ msgtype: 'mixed', mixed: { msg_item } }));
  }
  speaks(transcript) { this.chat.spoken = true; return this.deliver(this.body({ msgtype: 'voice', voice: { content: transcript } })); }
  shows(type = 'image') { this.chat.spoken = true; return this.deliver(this.body({ msgtype: type, [type]: this.gateway.inboundMedia() })); }
  deliver(body, control) {
    for (const key of Object.keys(body)) if (body[key] === undefined) delete body[key];
    body.msgid ??= this.gateway.id('CAIQ');
    const send = () => this.gateway.callback('aibot_msg_callback', body, this.chat, { kind: 'message' }, control);
    return { msgid: body.msgid, reqId: send(), again: send, body };
  }
  // Opens the chat for the first time that day; the bot may welcome within 5 s.
  enters() { return this.event('enter_chat', {}); }
  // The newest card that has a button with this text or key.
  card(name) {
    const messages = [...this.messages].reverse();
    return messages.find((message) => message.card?.button_list?.some((button) => button.text === name || button.key === name));
  }
  // Presses a button as the real service reports it (nested) or as the SDK's types say (flat); with forged: data of its own.
  clicks(name, { flat = false, forged } = {}) {
    const message = forged ? undefined : this.card(name);
    if (!forged && !message) throw new Error(`${this.userid} sees no button ${name}`);
    const button = message?.card.button_list.find((one) => one.text === name || one.key === name);
    const data = { card_type: 'button_interaction', event_key: button?.key, task_id: message?.card.task_id, ...forged };
    return this.event('template_card_event', flat ? data : { template_card_event: data }, { message, task_id: data.task_id });
  }
  event(eventtype, fields, more = {}) {
    const body = this.body({ msgid: this.gateway.id('EV'), msgtype: 'event', event: { eventtype, ...fields } });
    delete body.response_url;
    const send = () => this.gateway.callback('aibot_event_callback', body, this.chat, { kind: eventtype, ...more });
    return { msgid: body.msgid, reqId: send(), again: send, body };
  }
}
