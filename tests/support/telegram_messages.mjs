// Sending and editing in the Telegram stand-in: what a message may be, who takes it, how fast. refuse() throws the
// service's own answer; what no well-behaved bot does is recorded besides.
import { htmlText, BadBody } from './telegram_body.mjs';

export class Refusal extends Error {
  constructor(code, description, parameters) { super(description); Object.assign(this, { code, description, parameters }); }
}
export const refuse = (code, description, parameters) => { throw new Refusal(code, description, parameters); };
const bad = (what) => refuse(400, `Bad Request: ${what}`);

// A parameter that is an object: in JSON bodies as such, elsewhere as a JSON string.
export function nested(call, name) {
  const value = call.params[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string') return value;
  try {
    const object = JSON.parse(value);
    if (typeof object === 'object' && object !== null) return object;
  } catch { /* below */ }
  call.wrong(`${name} is no JSON`);
  return bad(`can't parse ${name} JSON object`);
}
function number(call, name) {
  const value = call.params[name];
  const ok = typeof value === 'number' ? Number.isSafeInteger(value) : typeof value === 'string' && /^-?\d{1,16}$/.test(value);
  if (!ok) { call.wrong(`${name} ${JSON.stringify(value)}`); bad(`invalid ${name} specified`); }
  return Number(value);
}

// The chat of a call, if the bot may write there now.
export function openChat(server, call, edit = false) {
  if (call.params.chat_id === undefined || call.params.chat_id === '') { call.wrong('no chat_id'); bad('chat_id is empty'); }
  const id = number(call, 'chat_id'), chat = server.chats.get(id), now = server.clock.now();
  if (!chat) return bad('chat not found');
  paced(server, call, chat, edit);
  const again = chat.refusedAt && now - chat.refusedAt > 0 && chat.refusedBy === chat.state;
  const no = (code, what, parameters) => {
    if (again) call.wrong(`chat ${id} takes nothing (${chat.state}), and was told so`);
    chat.refusedAt = now;
    chat.refusedBy = chat.state;
    refuse(code, what, parameters);
  };
  if (chat.state === 'unknown') no(403, "Forbidden: bot can't initiate conversation with a user");
  if (chat.state === 'blocked') no(403, 'Forbidden: bot was blocked by the user');
  if (chat.state === 'kicked') no(403, `Forbidden: bot was kicked from the ${chat.type} chat`);
  if (chat.state === 'moved') no(400, 'Bad Request: group chat was upgraded to a supergroup chat', { migrate_to_chat_id: chat.movedTo });
  if (chat.state === 'silenced') no(400, 'Bad Request: not enough rights to send text messages to the chat');
  return chat;
}

// §8 of what Telegram says: about 1 a second in a chat with short bursts, 20 a minute in a group, 30 a second in all.
function paced(server, call, chat, edit) {
  const now = server.clock.now(), held = Math.max(chat.held_until, server.held_until);
  const tooMany = (seconds) => {
    const until = now + seconds * 1000;
    chat.held_before = chat.held_until;
    chat.held_until = Math.max(chat.held_until, until);
    chat.held_by = { method: call.method, real: performance.now(), broken: [] };
    server.limited++;
    refuse(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds });
  };
  if (now < held) {
    const breach = `${call.method}: chat ${chat.id}: ${Math.round(held - now)} ms before retry_after has passed` +
      (chat.held_by ? ` (${chat.held_by.method} was told ${Math.round(performance.now() - chat.held_by.real)} real ms ago)` : '');
    server.wrong(breach);
    chat.held_by?.broken.push(breach);
    tooMany(Math.ceil((held - now) / 1000));
  }
  if (server.demand > 0 && (!server.demandFor || server.demandFor === chat.id)) { server.demand--; tooMany(server.demandSeconds); }
  if (!server.limits) return;
  server.sends = server.sends.filter((time) => time > now - 1000);
  chat.times = chat.times.filter((time) => time > now - 60000);
  if (server.sends.length >= 30) { server.note('more than 30 a second'); tooMany(1); }
  if (chat.group && !edit && chat.times.length >= 20) { server.note(`chat ${chat.id}: more than 20 a minute`); tooMany(Math.ceil((chat.times[chat.times.length - 20] + 60000 - now) / 1000)); }
  const tokens = chat.tokens ?? { left: server.burst, at: now };
  tokens.left = Math.min(server.burst, tokens.left + (now - tokens.at) / 1000);
  tokens.at = now;
  chat.tokens = tokens;
  if (tokens.left < 1) { server.note(`chat ${chat.id}: more than one a second`); tooMany(3); }
  tokens.left--;
  server.sends.push(now);
  if (!edit) chat.times.push(now);
}

export function markup(call) {
  const object = nested(call, 'reply_markup');
  if (object === undefined) return undefined;
  if (object.inline_keyboard === undefined) return object;
  const rows = object.inline_keyboard;
  if (!Array.isArray(rows) || rows.some((row) => !Array.isArray(row))) { call.wrong('inline_keyboard is no table'); bad('inline keyboard expected'); }
  if (rows.flat().length > 100) { call.wrong('more than 100 buttons'); bad('reply markup is too long'); }
  for (const button of rows.flat()) {
    if (typeof button?.text !== 'string' || !button.text) { call.wrong('a button without text'); bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"); }
    if (button.url === undefined && typeof button.callback_data !== 'string') { call.wrong('a button that does nothing'); bad('BUTTON_TYPE_INVALID'); }
    if (button.callback_data !== undefined && (!button.callback_data || Buffer.byteLength(button.callback_data) > 64)) {
      call.wrong(`callback_data of ${Buffer.byteLength(button.callback_data)} bytes`);
      bad('BUTTON_DATA_INVALID');
    }
  }
  return rows.flat().length ? { inline_keyboard: rows } : undefined;
}

// The text as it is shown; `most` in UTF-16 units after the entities are understood.
export function shownText(call, name, most, what) {
  const given = call.params[name];
  if (given === undefined || given === '') return '';
  if (typeof given !== 'string') { call.wrong(`${name} is no string`); bad(`${name} must be a string`); }
  const mode = call.params.parse_mode;
  if (mode !== undefined && !['HTML', 'MarkdownV2', 'Markdown'].includes(mode)) { call.wrong(`parse_mode ${mode}`); bad('unsupported parse_mode'); }
  if (/[\0-\x08\x0b\x0c\x0e-\x1f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(given)) { call.wrong(`${name}: control characters or half a character`); bad('strings must be encoded in UTF-8'); }
  let text = given;
  try { if (mode === 'HTML') text = htmlText(given); } catch (error) { if (error instanceof BadBody) bad(error.message); throw error; }
  if (text.trim().length > most) { call.wrong(`${name} of ${text.length} units`); bad(what === 'text' ? 'message is too long' : `message ${what} is too long`); }
  return text.trim();
}

const options = (call) => ({ silent: call.params.disable_notification === true || call.params.disable_notification === 'true' });
function answered(call, chat) {
  const parameters = nested(call, 'reply_parameters');
  if (parameters && !Number.isInteger(parameters.message_id)) call.wrong('reply_parameters without message_id');
}

export function sendMessage(server, call) {
  const chat = openChat(server, call), text = shownText(call, 'text', 4096, 'text'), buttons = markup(call);
  answered(call, chat);
  const links = nested(call, 'link_preview_options');
  if (!text) { call.wrong('an empty text'); bad('message text is empty'); }
  return server.messageJson(chat, chat.show({ kind: 'text', text, markup: buttons, plain: call.params.parse_mode === undefined, preview: links?.is_disabled !== true, ...options(call) }));
}

const PHOTO_MOST = 10 << 20, FILE_MOST = 50 << 20;
function dimensions(bytes) {
  if (bytes.subarray(0, 8).toString('latin1') === '\x89PNG\r\n\x1a\n') return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  if (bytes.length > 4 && bytes.readUInt16BE(0) === 0xffd8) {
    for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff; at += 2 + bytes.readUInt16BE(at + 2))
      if (bytes[at + 1] >= 0xc0 && bytes[at + 1] <= 0xc3) return [bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5)];
  }
  return undefined;
}
// The file of `name`: a part of the form, attach://PART, or the id of one sent before.
export function fileOf(server, call, name, value = call.params[name]) {
  const part = typeof value === 'string' && value.startsWith('attach://') ? call.files[value.slice(9)] : call.files[name];
  if (!part) {
    if (typeof value === 'string' && /^https?:/.test(value)) { call.wrong(`${name} by address`); bad('failed to get HTTP URL content'); }
    const known = server.files.get(value);
    if (known) return known;
    if (value !== undefined) call.wrong(`${name}: neither a file with a name nor a known id`);
    return bad(value === undefined ? `there is no ${name} in the request` : 'wrong file identifier/HTTP URL specified');
  }
  if (!part.filename) { call.wrong(`${name}: no filename`); bad(`there is no ${name} in the request`); }
  if (!part.bytes.length) bad('file must be non-empty');
  const file = { id: `file-${server.files.size + 1}`, ...part };
  if (part.bytes.length > (name === 'photo' ? PHOTO_MOST : FILE_MOST)) refuse(413, 'Request Entity Too Large');
  if (name === 'photo') {
    file.size = dimensions(part.bytes);
    if (!file.size) bad('IMAGE_PROCESS_FAILED');
    const [width, height] = file.size;
    if (width + height > 10000 || Math.max(width, height) > 20 * Math.min(width, height)) bad('PHOTO_INVALID_DIMENSIONS');
  }
  server.files.set(file.id, file);
  return file;
}
export function sendFile(kind) {
  return (server, call) => {
    const chat = openChat(server, call), text = shownText(call, 'caption', 1024, 'caption'), buttons = markup(call);
    if (chat.noMedia) bad('not enough rights to send photos to the chat');
    const file = fileOf(server, call, kind);
    return server.messageJson(chat, chat.show({ kind, text, file, bytes: file.bytes, filename: file.filename, markup: buttons, ...options(call) }));
  };
}

function target(server, call) {
  const chat = openChat(server, call, true), id = number(call, 'message_id');
  const message = chat.messages.find((one) => one.id === id && !one.deleted);
  if (!message) bad('message to edit not found');
  if (message.frozen) bad("message can't be edited");
  return { chat, message };
}
function change(server, chat, message, fields) {
  const same = Object.entries(fields).every(([key, value]) => JSON.stringify(value) === JSON.stringify(message[key]));
  if (same) bad('message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message');
  const now = server.clock.now(), text = fields.text !== undefined && fields.text !== message.text;
  if (text && message.editedAt && now - message.editedAt < (chat.group ? 6000 : 3000) * 0.8) server.note(`chat ${chat.id}: an edit ${Math.round(now - message.editedAt)} ms after the last`);
  if (text) message.editedAt = now;
  Object.assign(message, fields);
  if (text) message.versions.push(fields.text);
  server.changed();
  return server.messageJson(chat, message);
}
export function editMessageText(server, call) {
  const { chat, message } = target(server, call), text = shownText(call, 'text', 4096, 'text'), buttons = markup(call);
  if (!text) { call.wrong('an empty text'); bad('message text is empty'); }
  if (message.kind !== 'text') bad('there is no text in the message to edit');
  return change(server, chat, message, { text, markup: buttons });
}
export function editMessageCaption(server, call) {
  const { chat, message } = target(server, call), text = shownText(call, 'caption', 1024, 'caption');
  return change(server, chat, message, { text, markup: markup(call) });
}
export function editMessageReplyMarkup(server, call) {
  const { chat, message } = target(server, call);
  return change(server, chat, message, { markup: markup(call) });
}
export function editMessageMedia(server, call) {
  const { chat, message } = target(server, call), media = nested(call, 'media');
  if (!['photo', 'document'].includes(media?.type)) { call.wrong('media.type'); bad('wrong media type'); }
  const file = fileOf(server, call, media.type, media.media);
  return change(server, chat, message, { kind: media.type, text: media.caption ?? '', file, bytes: file.bytes, filename: file.filename, markup: markup(call) });
}
export function deleteMessage(server, call) {
  const chat = openChat(server, call, true), id = number(call, 'message_id'), message = chat.messages.find((one) => one.id === id && !one.deleted);
  if (!message) bad('message to delete not found');
  message.deleted = true;
  server.changed();
  return true;
}
const ACTIONS = ['typing', 'upload_photo', 'record_video', 'upload_video', 'record_voice', 'upload_voice', 'upload_document', 'choose_sticker', 'find_location'];
export function sendChatAction(server, call) {
  const id = number(call, 'chat_id'), chat = server.chats.get(id);
  if (!ACTIONS.includes(call.params.action)) { call.wrong(`action ${call.params.action}`); bad('wrong parameter action in request'); }
  if (!chat || chat.state !== 'open') refuse(chat ? 403 : 400, chat ? 'Forbidden: bot was blocked by the user' : 'Bad Request: chat not found');
  if (server.clock.now() < Math.max(chat.held_until, server.held_until)) refuse(429, 'Too Many Requests: retry after 3', { retry_after: 3 });
  chat.typing = Date.now();
  chat.typed = (chat.typed ?? 0) + 1;
  server.changed();
  return true;
}
