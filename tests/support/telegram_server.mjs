// A strict stand-in of Telegram's Bot API on 127.0.0.1:0: long polling with confirmation by offset, messages, edits, files,
// buttons, commands, limits. What a bot does against the rules stands in violations[]; what each chat shows now, with edits
// applied, in user(id).chat.shown.
//
//   const server = await new TelegramServer().start();   base URL: server.url, token: server.token
//   server.user(420001).says('状态');  .starts(CODE)  .press('停止')  await server.user(420001).waitFor(/#1/)
//   const group = server.newGroup(-77);  group.user(420001).says('/status@train_bot')
//
// Faults: server.fault((request) => request.method === 'sendmessage', ACTION, times); request: {method, params}; ACTION
//   'drop' (the connection ends before anything)  'hang' (never answered)  'dropAfter' (handled, the answer is lost)
//   {code, description, parameters}  {delay: ms}  {status, body, type}: those bytes, unhandled; with after: true handled before
//   {flood: bytes}: an answer of that size
// demand429(seconds, times, chat), revoke(), updates.rival(), updates.webhook, close()/reopen().
// Limits are counted on `clock`, which `speed` quickens.
import http from 'node:http';
import { randomBytes } from 'node:crypto';
import { StandIn } from './stand_in.mjs';
import { BadBody, readBody } from './telegram_body.mjs';
import { Chat, Group, User } from './telegram_people.mjs';
import { Updates } from './telegram_updates.mjs';
import * as messages from './telegram_messages.mjs';

const { Refusal, refuse, nested } = messages;
const SEND = ['chat_id', 'reply_markup', 'disable_notification', 'reply_parameters', 'message_thread_id', 'parse_mode', 'protect_content', 'business_connection_id'];
const EDIT = ['chat_id', 'message_id', 'reply_markup', 'parse_mode'];
const SCOPES = ['default', 'all_private_chats', 'all_group_chats', 'all_chat_administrators', 'chat', 'chat_administrators', 'chat_member'];

function setMyCommands(server, call) {
  const list = nested(call, 'commands'), scope = nested(call, 'scope') ?? { type: 'default' };
  if (!Array.isArray(list)) { call.wrong('commands is no list'); refuse(400, "Bad Request: can't parse commands: expected an Array"); }
  if (list.length > 100) { call.wrong(`${list.length} commands`); refuse(400, 'Bad Request: BOT_COMMANDS_TOO_MUCH'); }
  if (!SCOPES.includes(scope.type)) call.wrong(`scope ${JSON.stringify(scope)}`);
  const names = new Set();
  for (const { command, description } of list) {
    if (!/^[a-z0-9_]{1,32}$/.test(command ?? '')) { call.wrong(`the command ${command}`); refuse(400, 'Bad Request: BOT_COMMAND_INVALID'); }
    if (typeof description !== 'string' || !description || description.length > 256) { call.wrong(`the description of ${command}`); refuse(400, 'Bad Request: BOT_COMMAND_DESCRIPTION_INVALID'); }
    if (names.has(command)) call.wrong(`the command ${command} twice`);
    names.add(command);
  }
  const language = call.params.language_code ?? '';
  if (language && !/^[a-z]{2}$/.test(language)) { call.wrong(`language_code ${language}`); refuse(400, 'Bad Request: invalid language code specified'); }
  server.commands.set(`${scope.type}/${language}`, list);
  return true;
}
function answerCallbackQuery(server, call) {
  const query = server.queries.get(String(call.params.callback_query_id)), text = call.params.text ?? '';
  if (text.length > 200) { call.wrong(`a text of ${text.length}`); refuse(400, 'Bad Request: MESSAGE_TOO_LONG'); }
  if (!query || Date.now() - query.at > server.queryLife) { if (!query) call.wrong('an unknown query'); refuse(400, 'Bad Request: query is too old and response timeout expired or query ID is invalid'); }
  if (query.answers.length) call.wrong('a second time');
  query.answers.push({ text, alert: call.params.show_alert === true || call.params.show_alert === 'true', real: Date.now() });
  return true;
}
function deleteWebhook(server, call) {
  if (call.params.drop_pending_updates === true || call.params.drop_pending_updates === 'true') { call.wrong('drops what is pending'); server.updates.queue = []; }
  server.updates.webhook = '';
  return true;
}
// method → [parameters it has, what it does]
const METHODS = {
  getme: [[], (server) => ({ ...server.me(), can_join_groups: true, can_read_all_group_messages: !server.privacy, supports_inline_queries: false })],
  deletewebhook: [['drop_pending_updates'], deleteWebhook],
  getwebhookinfo: [[], (server) => ({ url: server.updates.webhook, has_custom_certificate: false, pending_update_count: server.updates.pending().length })],
  setmycommands: [['commands', 'scope', 'language_code'], setMyCommands],
  deletemycommands: [['scope', 'language_code'], () => true],
  getmycommands: [['scope', 'language_code'], (server, call) => server.commands.get(`default/${call.params.language_code ?? ''}`) ?? []],
  sendmessage: [[...SEND, 'text', 'link_preview_options', 'entities'], messages.sendMessage],
  sendphoto: [[...SEND, 'photo', 'caption', 'show_caption_above_media', 'has_spoiler'], messages.sendFile('photo')],
  senddocument: [[...SEND, 'document', 'caption', 'thumbnail', 'disable_content_type_detection'], messages.sendFile('document')],
  editmessagetext: [[...EDIT, 'text', 'link_preview_options'], messages.editMessageText],
  editmessagecaption: [[...EDIT, 'caption'], messages.editMessageCaption],
  editmessagemedia: [[...EDIT, 'media'], messages.editMessageMedia],
  editmessagereplymarkup: [EDIT, messages.editMessageReplyMarkup],
  deletemessage: [['chat_id', 'message_id'], messages.deleteMessage],
  sendchataction: [['chat_id', 'action', 'message_thread_id'], messages.sendChatAction],
  answercallbackquery: [['callback_query_id', 'text', 'show_alert', 'url', 'cache_time'], answerCallbackQuery],
};

export class TelegramServer extends StandIn {
  constructor({ token = '7654321:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw9', username = 'train_bot', speed, port = 0, privacy = true } = {}) {
    super({ speed });
    Object.assign(this, { token, username, port, privacy });
    this.chats = new Map();
    this.files = new Map();
    this.queries = new Map();  // callback queries by id
    this.commands = new Map(); // scope/language → list
    this.requests = [];        // {method, params, real}, newest last, at most 5000
    this.sends = [];
    this.held_until = 0;
    this.limits = true;
    this.burst = 8;            // of one chat
    this.limited = 0;          // answers with 429
    this.demand = 0;
    this.queryLife = 15000;
    this.answerMs = 5000 * (process.env.TRAINBOT_SANITIZED ? 4 : 1);
    this.count = 0;
    this.updates = new Updates(this);
    this.streams = new Set();
  }
  async start(port = this.port) {
    const server = http.createServer((request, answer) => this.take(request, answer));
    server.on('connection', (stream) => { this.streams.add(stream); stream.on('close', () => this.streams.delete(stream)); });
    server.keepAliveTimeout = 60000;
    this.server = server;
    await new Promise((resolve, reject) => { server.once('error', reject); server.listen(port, '127.0.0.1', resolve); });
    this.port = server.address().port;
    this.watch ??= setInterval(() => this.late(), 100);
    this.watch.unref();
    return this;
  }
  get url() { return `http://127.0.0.1:${this.port}`; }
  async close() { // the network goes away …
    for (const stream of this.streams) stream.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
  reopen() { return this.start(this.port); } // … and is back
  async stop() { clearInterval(this.watch); this.stopped = true; await this.close(); }
  seconds() { return Math.floor(Date.now() / 1000); }
  queryId() { return `88${randomBytes(7).readUIntBE(0, 6)}${++this.count}`; }
  me() { return { id: Number(this.token.split(':')[0]), is_bot: true, first_name: 'Train', username: this.username }; }

  // ---- people ----
  chat(id, fields) {
    if (!this.chats.has(id)) this.chats.set(id, new Chat(this, id, fields));
    return this.chats.get(id);
  }
  privateChat(id) { return this.chat(id, { type: 'private', first_name: `U${id}` }); }
  user(id) { return new User(this, id); }
  newGroup(id, options) { return new Group(this, id, options); }

  // ---- what happens ----
  revoke() { this.revoked = true; }
  restore(token = this.token) { this.revoked = false; this.token = token; }
  demand429(seconds, times = 1, chat = 0) { Object.assign(this, { demandSeconds: seconds, demand: times, demandFor: chat }); }
  callbacksSeen(batch) { for (const query of this.queries.values()) if (batch.some((update) => update.id === query.update)) query.seen ??= Date.now(); }
  late() {
    for (const query of this.queries.values())
      if (query.seen && !query.answers.length && !query.late && Date.now() - query.seen > this.answerMs && !this.revoked && !this.stopped && !query.excused) { query.late = true; this.wrong(`callback query ${query.id} was not answered`); }
  }

  // ---- requests ----
  async take(request, answer) {
    const parts = [];
    let size = 0;
    request.on('error', () => {});
    try { for await (const part of request) if ((size += part.length) <= 64 << 20) parts.push(part); } catch { return; }
    this.handle(request, answer, Buffer.concat(parts), size);
    this.changed();
  }
  handle(request, answer, bytes, size) {
    const path = /^\/bot([^/?]*)\/([A-Za-z]+)(\?.*)?$/.exec(request.url), send = (status, body, type) => this.reply(answer, status, body, type);
    const fail = (code, description, parameters) => send(code, { ok: false, error_code: code, description, ...(parameters ? { parameters } : {}) });
    if (!['GET', 'POST'].includes(request.method)) this.wrong(`${request.method} ${path?.[2]}`);
    const secret = this.token.split(':')[1], elsewhere = Object.values(request.headers).join('\n') + (path?.[3] ?? '') + bytes.toString('latin1');
    if (elsewhere.includes(secret)) this.wrong('the token outside the path');
    if (!path || !/^\d+:[A-Za-z0-9_-]{30,}$/.test(decodeURIComponent(path[1]))) return fail(404, 'Not Found');
    if (path[1] !== this.token || this.revoked) return fail(401, 'Unauthorized');
    if (size > 52 << 20) return fail(413, 'Request Entity Too Large');
    const method = path[2].toLowerCase(), row = METHODS[method], wrong = (what) => this.wrong(`${method}: ${what}`);
    let body;
    try { body = readBody(request, bytes, wrong); } catch (error) { if (!(error instanceof BadBody)) throw error; wrong(error.message); return fail(400, `Bad Request: ${error.message}`); }
    const call = { ...body, method, wrong };
    this.requests.push({ method, params: call.params, files: Object.keys(call.files), real: Date.now() });
    if (this.requests.length > 5000) this.requests.shift();
    if (!row && method !== 'getupdates') { wrong('no such method'); return fail(404, 'Not Found'); }
    const action = this.takeFault({ method, params: call.params });
    const go = () => this.run(call, row, action, { answer, request, send, fail });
    if (action === 'drop') return request.socket.destroy();
    if (action === 'hang') return undefined;
    if (action?.delay !== undefined) return void setTimeout(() => { go(); this.changed(); }, action.delay);
    if (action?.code !== undefined) {
      const chat = this.chats.get(Number(call.params.chat_id));
      if (action.code === 429 && chat) {
        chat.held_before = chat.held_until;
        chat.held_by = { method, real: performance.now(), broken: [] };
        chat.held_until = this.clock.now() + (action.parameters?.retry_after ?? 0) * 1000;
        this.unheard(chat, request.socket);
      }
      return fail(action.code, action.description ?? 'injected', action.parameters);
    }
    if (action?.flood) return this.flood(answer, action.flood);
    if (action?.status !== undefined && !action.after) return send(action.status, action.body, action.type ?? 'text/html');
    return go();
  }
  run(call, row, action, { answer, request, send, fail }) {
    if (call.method === 'getupdates') return this.updates.get({ params: call.params, answer: (status, body) => send(status, body), gone: (callback) => answer.on('close', () => { if (!answer.writableEnded) callback(); }) });
    for (const name of [...Object.keys(call.params), ...Object.keys(call.files)])
      if (!row[0].includes(name) && !call.files[name]) call.wrong(`the parameter ${name}`);
    let result;
    try { result = row[1](this, call); } catch (error) {
      if (!(error instanceof Refusal)) { this.wrong(`${call.method}: ${error.stack}`); return fail(500, 'Internal Server Error'); }
      const chat = this.chats.get(Number(call.params.chat_id));
      if (error.code === 429 && chat) this.unheard(chat, request.socket);
      return fail(error.code, error.description, error.parameters);
    }
    if (action === 'dropAfter') return request.socket.destroy();
    if (action?.after) return send(action.status, action.body, action.type ?? 'text/html');
    return send(200, { ok: true, result });
  }
  // A 429 that its reader cannot have heard (it was dead already, or died with the answer on the way) binds nobody. That it
  // was dead may come out only after its successor's first request.
  unheard(chat, socket) {
    const told = chat.held_by, before = chat.held_before ?? 0;
    const forget = () => {
      if (chat.held_by === told) chat.held_until = before;
      this.violations = this.violations.filter((one) => !told?.broken.includes(one));
    };
    if (socket.destroyed) return forget();
    socket.once('close', forget);
    setTimeout(() => socket.removeListener('close', forget), 100).unref();
  }
  flood(answer, bytes) {
    const part = Buffer.alloc(1 << 16, ' ');
    answer.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes });
    const more = () => {
      while (bytes > 0 && !answer.destroyed) { bytes -= part.length; if (!answer.write(part)) return void answer.once('drain', more); }
      if (!answer.destroyed) answer.end();
    };
    more();
  }
  reply(answer, status, body, type = 'application/json') {
    if (answer.destroyed) return;
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    answer.writeHead(status, { 'content-type': type, 'content-length': bytes.length });
    answer.end(bytes);
  }
  messageJson(chat, message) {
    const json = { message_id: message.id, from: this.me(), chat: chat.json(), date: Math.floor(message.real / 1000) };
    if (message.kind === 'text') json.text = message.text;
    else if (message.text) json.caption = message.text;
    if (message.kind === 'photo') json.photo = [90, 800].map((width) => ({ file_id: message.file.id, file_unique_id: message.file.id, width, height: width, file_size: message.bytes.length }));
    if (message.kind === 'document') json.document = { file_id: message.file.id, file_unique_id: message.file.id, file_name: message.filename };
    if (message.markup) json.reply_markup = message.markup;
    return json;
  }
}
