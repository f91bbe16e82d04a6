// Updates of the Telegram stand-in: numbered, kept until the offset confirms them (24 h at most), handed to one poller
// that waits, as the service does. Kept as JSON text, so that numbers no double holds can be sent.
const KEPT_MS = 24 * 3600000, RIVAL_MS = 10000;
const KINDS = ['message', 'edited_message', 'channel_post', 'edited_channel_post', 'inline_query', 'chosen_inline_result', 'callback_query',
  'shipping_query', 'pre_checkout_query', 'poll', 'poll_answer', 'my_chat_member', 'chat_member', 'chat_join_request', 'message_reaction',
  'message_reaction_count', 'chat_boost', 'removed_chat_boost', 'business_connection', 'business_message', 'edited_business_message',
  'deleted_business_messages', 'purchased_paid_media'];

export class Updates {
  constructor(server) {
    this.server = server;
    this.next = 731000000 + Math.floor(Math.random() * 1000);
    this.queue = [];      // {id, text, at}
    this.confirmed = 0;   // the highest offset asked with
    this.allowed = undefined;
    this.webhook = '';
    this.poll = undefined;
    this.delivered = new Map(); // update_id → times handed out
    this.atOnce = false;  // answers [] without waiting, as some emulators do
  }
  add(kind, object) {
    if (this.allowed && !this.allowed.includes(kind)) return undefined;
    const id = this.next++;
    return this.raw(id, JSON.stringify({ update_id: id, [kind]: object }));
  }
  // Any bytes as an update; id is what the offset confirms it by.
  raw(id, text) {
    this.queue.push({ id, text, at: this.server.clock.now() });
    if (id >= this.next && id < Number.MAX_SAFE_INTEGER) this.next = id + 1;
    this.wake();
    return id;
  }
  skip(count = 1) { this.next += count; }
  pending() {
    const old = this.server.clock.now() - KEPT_MS;
    this.queue = this.queue.filter((update) => update.at > old);
    return this.queue;
  }
  wake() {
    if (!this.poll || !this.pending().length) return;
    const poll = this.poll;
    this.poll = undefined;
    clearTimeout(poll.timer);
    this.hand(poll);
  }
  hand(poll) {
    const batch = this.pending().slice(0, poll.limit);
    for (const update of batch) this.delivered.set(update.id, (this.delivered.get(update.id) ?? 0) + 1);
    for (const id of this.delivered.keys()) { if (this.delivered.size < 20000) break; this.delivered.delete(id); }
    this.server.callbacksSeen(batch);
    if (!batch.length) this.emptyAt = Date.now();
    poll.answer(200, `{"ok":true,"result":[${batch.map((update) => update.text).join(',')}]}`);
  }
  // The other program takes over: whoever waits hears so. rival() stands for a program elsewhere.
  conflict() {
    const poll = this.poll;
    this.poll = undefined;
    if (!poll) return;
    clearTimeout(poll.timer);
    this.conflictAt = this.server.clock.now();
    poll.answer(409, { ok: false, error_code: 409, description: 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running' });
  }
  rival() { this.conflict(); this.conflictAt = this.server.clock.now(); }

  // getUpdates. call: {params, answer(status, body), gone(callback)}
  get(call) {
    const wrong = (what) => this.server.wrong(`getUpdates: ${what}`), { params } = call;
    const offset = Number(params.offset ?? 0), limit = Number(params.limit ?? 100), timeout = Number(params.timeout ?? 0);
    let allowed = params.allowed_updates;
    if (typeof allowed === 'string') { try { allowed = JSON.parse(allowed); } catch { wrong('allowed_updates is no JSON'); } }
    if (!Number.isSafeInteger(offset)) wrong(`offset ${params.offset}`);
    if (!Number.isInteger(limit) || limit < 1 || limit > 100) wrong(`limit ${params.limit}`);
    if (!Number.isInteger(timeout) || timeout < 0) wrong(`timeout ${params.timeout}`);
    if (allowed !== undefined) {
      if (!Array.isArray(allowed) || allowed.some((kind) => !KINDS.includes(kind))) wrong(`allowed_updates ${JSON.stringify(allowed)}`);
      else this.allowed = allowed.length ? allowed : undefined;
    }
    const now = this.server.clock.now();
    if (this.webhook) return call.answer(409, { ok: false, error_code: 409, description: "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first" });
    if (this.conflictAt && now - this.conflictAt < RIVAL_MS * 0.95) wrong(`${Math.round(now - this.conflictAt)} ms after 409`);
    this.conflictAt = 0;
    if (this.atOnce && this.emptyAt && Date.now() - this.emptyAt < this.server.clock.real(300) * 0.8) wrong(`${Date.now() - this.emptyAt} ms after an empty answer`);
    if (this.poll) { wrong('two at once'); this.conflict(); this.conflictAt = 0; }
    if (offset > 0) {
      if (offset < this.confirmed) this.server.note(`the offset goes back from ${this.confirmed} to ${offset}`);
      this.confirmed = Math.max(this.confirmed, offset);
      this.queue = this.queue.filter((update) => update.id >= offset);
    } else if (offset < 0) this.queue = this.queue.slice(offset);
    const poll = { answer: call.answer, limit: Math.min(100, Math.max(1, limit || 100)) };
    if (!timeout) this.server.note('getUpdates without timeout');
    if (this.pending().length || !timeout || this.atOnce) return this.hand(poll);
    this.poll = poll;
    poll.timer = setTimeout(() => { if (this.poll === poll) this.poll = undefined; this.hand(poll); }, timeout * 1000); // a client that is quickened asks for less itself
    call.gone(() => { clearTimeout(poll.timer); if (this.poll === poll) this.poll = undefined; });
    this.server.changed();
    return undefined;
  }
}
