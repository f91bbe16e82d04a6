// link.js: the line to the bot. It reconnects by itself (back-off with jitter, at once when the network or the page comes
// back), asks for what was missed by revision, and keeps what could not be sent in localStorage until the bot has it.
// The bot recognises a repeated message by its id, so sending twice does no harm.

const KEY = 'trainbot.unsent';
const FIRST_WAIT = 400;
const LONGEST_WAIT = 15000;
const OPEN_LIMIT = 8000;
const QUIET = 25000;
const ANSWER_LIMIT = 6000;

function makeId() {
  const bytes = crypto.getRandomValues(new Uint8Array(15));
  return Array.from(bytes, (b) => b.toString(36).padStart(2, '0')).join('');
}

function readUnsent() {
  try {
    const list = JSON.parse(localStorage.getItem(KEY) || '[]');
    return Array.isArray(list) ? list.filter((m) => m && typeof m.id === 'string' && typeof m.text === 'string') : [];
  } catch {
    return [];
  }
}

export class Link {
  /** on: {state(name), packet(object), unsent(list), invalid()} */
  constructor(on) {
    this.on = on;
    this.rev = 0;
    this.wait = FIRST_WAIT;
    this.unsent = readUnsent();
    this.watching = null;
    this.socket = null;
    this.timer = 0;
    this.over = false;
    this.heard = 0;
    addEventListener('online', () => this.hurry());
    addEventListener('offline', () => this.abandon());
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      this.hurry();
      this.probe();
    });
    setInterval(() => document.hidden || this.probe(), QUIET);
  }

  open() {
    clearTimeout(this.timer);
    if (this.over) return;
    this.on.state('connecting');
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`);
    this.socket = socket;
    const late = setTimeout(() => socket.close(), OPEN_LIMIT);
    socket.onopen = () => {
      clearTimeout(late);
      socket.send(JSON.stringify({ type: 'since', rev: this.rev }));
      if (this.watching) this.watch(this.watching);
    };
    socket.onmessage = (event) => this.take(JSON.parse(event.data));
    socket.onclose = () => {
      clearTimeout(late);
      if (this.socket === socket) this.closed();
    };
  }

  /** A phone that slept may hold a line that is dead without knowing: ask, and give it up when nothing comes back. */
  probe() {
    if (!this.ready || Date.now() - this.heard < QUIET) return;
    const asked = Date.now();
    this.socket.send(JSON.stringify({ type: 'since', rev: this.rev }));
    setTimeout(() => this.ready && this.heard < asked && this.abandon(), ANSWER_LIMIT);
  }

  /** Ends the line from this side at once; a close over a dead network would take its time. */
  abandon() {
    const { socket } = this;
    if (!socket) return;
    socket.onclose = socket.onmessage = socket.onopen = null;
    socket.close();
    this.closed();
  }

  take(packet) {
    this.heard = Date.now();
    if (packet.type === 'message' && packet.rev) this.rev = Math.max(this.rev, packet.rev);
    if (packet.type === 'message' && packet.say) this.drop(packet.say);
    if (packet.type === 'said') this.taken(packet.id);
    if (packet.type === 'refused') this.refuse(packet.id, packet.error);
    if (packet.type === 'synced') {
      this.rev = Math.max(this.rev, packet.rev);
      this.wait = FIRST_WAIT;
      this.ready = true;
      this.on.state('live');
      this.unsent.filter((message) => message.taken).forEach((message) => this.drop(message.id));
      this.unsent.forEach((message) => this.push(message));
    }
    if (packet.type === 'logout') this.end();
    this.on.packet(packet);
  }

  async closed() {
    this.socket = null;
    this.ready = false;
    if (this.over) return;
    this.on.state('offline');
    this.timer = setTimeout(() => this.open(), this.wait * (0.7 + Math.random() * 0.6));
    this.wait = Math.min(this.wait * 1.7, LONGEST_WAIT);
    try {
      const answer = await fetch('/api/history?limit=1', { signal: AbortSignal.timeout(5000) });
      if (answer.status === 401) this.end();
    } catch { /* not there: the timer tries again */ }
  }

  end() {
    this.over = true;
    clearTimeout(this.timer);
    if (this.socket) this.socket.close();
    this.on.invalid();
  }

  hurry() {
    if (this.socket || this.over) return;
    this.wait = FIRST_WAIT;
    this.open();
  }

  /** Keeps the message until the bot has it. */
  say(text) {
    const message = { id: makeId(), text, t_ms: Date.now() };
    this.unsent.push(message);
    this.save();
    this.push(message);
    if (!this.socket) this.hurry();
  }

  again(id) {
    const message = this.unsent.find((m) => m.id === id);
    if (!message) return;
    delete message.error;
    this.save();
    this.push(message);
  }

  push(message) {
    if (this.ready && !message.error && !message.taken) this.socket.send(JSON.stringify({ type: 'say', text: message.text, id: message.id }));
  }

  /** The bot has it; it stands here until it comes back as a message of the conversation. */
  taken(id) {
    const message = this.unsent.find((m) => m.id === id);
    if (!message) return;
    message.taken = true;
    this.save();
  }

  drop(id) {
    const before = this.unsent.length;
    this.unsent = this.unsent.filter((message) => message.id !== id);
    if (this.unsent.length !== before) this.save();
  }

  refuse(id, error) {
    const message = this.unsent.find((m) => m.id === id);
    if (!message) return;
    message.error = error || '?';
    this.save();
  }

  save() {
    try {
      localStorage.setItem(KEY, JSON.stringify(this.unsent));
    } catch { /* private mode: it lives as long as the page */ }
    this.on.unsent(this.unsent);
  }

  watch(runs) {
    this.watching = runs;
    if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type: 'watch', runs }));
  }
}
