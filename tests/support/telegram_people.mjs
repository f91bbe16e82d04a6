// People, groups and what their chats show, for the Telegram stand-in. Message ids count per chat; edits change what is
// shown and stand in `versions`.
export class Chat {
  constructor(server, id, fields) {
    Object.assign(this, { server, id, state: 'unknown', ...fields }); // unknown, open, blocked, kicked, moved
    this.next = 50;
    this.messages = [];   // of the bot: {id, n, kind, text, markup, versions, bytes, filename, silent, at, deleted}
    this.times = [];      // sends and edits, for the limits
    this.held_until = 0;
  }
  get group() { return this.type !== 'private'; }
  json() {
    return this.group ? { id: this.id, title: this.title, type: this.type } : { id: this.id, first_name: this.first_name, type: 'private' };
  }
  show(message) {
    const shown = { id: this.next++, n: this.messages.length, at: this.server.clock.now(), real: Date.now(), versions: [message.text ?? ''], ...message };
    this.messages.push(shown);
    this.server.changed();
    return shown;
  }
  get shown() { return this.messages.filter((message) => !message.deleted); }
  texts() { return this.shown.map((message) => message.text ?? ''); }
  find(want, after = 0) {
    const fits = want instanceof RegExp ? (message) => want.test(message.text ?? '') : typeof want === 'string' ? (message) => message.text?.includes(want) : want;
    return this.shown.find((message) => message.n >= after && fits(message));
  }
  waitFor(want, { after = 0, ms = 20000 } = {}) {
    return this.server.waitFor(`${this.id} sees ${want}`, () => this.find(want, after), ms)
      .catch((error) => { throw new Error(`${error.message}; shown:\n${this.texts().slice(-8).join('\n---\n')}`); });
  }
  // The newest message that shows a button with this text: {message, button}
  button(text) {
    for (const message of [...this.shown].reverse())
      for (const row of message.markup?.inline_keyboard ?? [])
        for (const button of row) if (button.text === text || (text instanceof RegExp && text.test(button.text))) return { message, button };
    return undefined;
  }
}

function entitiesOf(text) {
  const list = [];
  for (const match of text.matchAll(/(^|\s)(\/[A-Za-z0-9_]{1,32}(?:@\w+)?)/g)) list.push({ type: 'bot_command', offset: match.index + match[1].length, length: match[2].length });
  for (const match of text.matchAll(/(^|\s)(@\w+)/g)) list.push({ type: 'mention', offset: match.index + match[1].length, length: match[2].length });
  return list;
}

// A person, in the private chat with the bot or (group given) in a group.
export class User {
  constructor(server, id, group) {
    Object.assign(this, { server, id, group, name: `U${id}` });
    this.chat = group ? group.chat : server.privateChat(id);
  }
  get messages() { return this.chat.messages; }
  get seen() { return this.chat.messages.length; }
  waitFor(want, options) { return this.chat.waitFor(want, options); }
  from() { return { id: this.id, is_bot: false, first_name: this.name, language_code: 'zh-hans' }; }
  message(fields) {
    if (!this.group) this.chat.state = 'open';
    this.chat.refusedAt = 0;
    return { message_id: this.chat.next++, from: this.from(), chat: this.chat.json(), date: this.server.seconds(), ...fields };
  }
  // Privacy mode: in a group the bot hears commands meant for it, and replies to its messages. Returns the update's id.
  hears(text, { reply } = {}) {
    if (!this.group || !this.server.privacy || reply) return true;
    const command = /^\/\w+(?:@(\w+))?/.exec(text);
    return Boolean(command) && (command[1] === undefined ? true : command[1].toLowerCase() === this.server.username.toLowerCase());
  }
  says(text, options = {}) {
    const { reply, date, ...more } = options, entities = entitiesOf(text);
    const message = this.message({ ...(date ? { date } : {}), text, ...(entities.length ? { entities } : {}), ...more,
      ...(reply ? { reply_to_message: { message_id: reply.id, from: this.server.me(), chat: this.chat.json(), date: this.server.seconds(), text: reply.text ?? '' } } : {}) });
    if (!this.hears(text, options)) return undefined;
    return this.server.updates.add('message', message);
  }
  starts(code) { return this.says(code === undefined ? '/start' : `/start ${code}`); }
  edits(text) { return this.server.updates.add('edited_message', this.message({ text, edit_date: this.server.seconds() })); }
  // Anything else that a message can be, and whole messages of one's own making.
  posts(fields) { return this.server.updates.add('message', this.message(fields)); }
  // Taps a button by its text. data: what a changed client sends instead; message: 'missing' or 'inaccessible'.
  press(text, { data, message } = {}) {
    const found = this.chat.button(text);
    if (!found && data === undefined) throw new Error(`${this.id} sees no button ${text} (shown: ${JSON.stringify(this.chat.shown.at(-1)?.markup ?? null)})`);
    const shown = found?.message ?? this.chat.shown.at(-1), id = this.server.queryId();
    const base = { message_id: shown?.id ?? 1, chat: this.chat.json() };
    const update = this.server.updates.add('callback_query', { id, from: this.from(), chat_instance: '-55', data: data ?? found.button.callback_data,
      ...(message === 'missing' ? {} : { message: message === 'inaccessible' ? { ...base, date: 0 } : { ...base, from: this.server.me(), date: this.server.seconds(), text: shown?.text ?? '' } }) });
    this.server.queries.set(id, { id, at: Date.now(), user: this.id, update, answers: [] });
    return this.server.queries.get(id);
  }
  blocks() { this.chat.state = 'blocked'; }
}

export class Group {
  constructor(server, id, { title = 'Training', type = 'group' } = {}) {
    this.server = server;
    this.chat = server.chat(id, { type, title, state: 'open' });
  }
  get id() { return this.chat.id; }
  get messages() { return this.chat.messages; }
  user(id) { return new User(this.server, id, this); }
  waitFor(want, options) { return this.chat.waitFor(want, options); }
  // An administrator who hides behind the group.
  anonymous(text) {
    const one = this.user(1087968824);
    one.name = 'Group';
    one.from = () => ({ id: 1087968824, is_bot: true, first_name: 'Group', username: 'GroupAnonymousBot' });
    return one.posts({ text, sender_chat: this.chat.json(), entities: entitiesOf(text) });
  }
  kicks() { this.chat.state = 'kicked'; }
  // Becomes a supergroup with a new id; told: whether the bot hears of it by an update.
  migrates({ told = true } = {}) {
    const old = this.chat, id = -1001000000000 - Math.abs(old.id);
    old.state = 'moved';
    old.movedTo = id;
    this.chat = this.server.chat(id, { type: 'supergroup', title: old.title, state: 'open' });
    if (told) {
      this.server.updates.add('message', { message_id: old.next++, chat: old.json(), date: this.server.seconds(), migrate_to_chat_id: id });
      this.server.updates.add('message', { message_id: this.chat.next++, chat: this.chat.json(), date: this.server.seconds(), migrate_from_chat_id: old.id });
    }
    return id;
  }
}
