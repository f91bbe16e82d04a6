// What the bot may say in the WeCom stand-in: respond frames, the welcome, the change of a card, pushes. Each function
// takes (gateway, frame) and gives the acknowledgement's fields; what is against the rules is recorded and refused.
import { cardProblems } from './wecom_card.mjs';

const TEXT_MAX = 20480, STREAM_MS = 6 * 60000, WINDOW_MS = 24 * 3600000, REACT_MS = 5000;
const ok = () => ({ errcode: 0, errmsg: 'ok' });
const hint = (code, what) => ({ errcode: code, errmsg: `${what}, hint: [1763700000], from ip: 203.0.113.9, more info at https://open.work.weixin.qq.com/devtool/query?e=${code}` });

function fieldsOnly(gateway, object, names, where) {
  for (const key of Object.keys(object ?? {})) if (!names.includes(key)) gateway.wrong(`${where}: the field ${key}`);
}
function plain(gateway, object, where) {
  const text = object?.content;
  if (typeof text !== 'string') { gateway.wrong(`${where}: content is no text`); return hint(40058, 'invalid content'); }
  if (Buffer.byteLength(text) > TEXT_MAX) { gateway.wrong(`${where}: ${Buffer.byteLength(text)} bytes`); return hint(40058, 'content size out of limit'); }
  if (/[\0-\x08\x0b\x0c\x0e-\x1f]/.test(text)) gateway.wrong(`${where}: control characters`);
  return undefined;
}
// 30 a minute, 1000 an hour per conversation; who was told so has to keep quiet for a minute.
function tooMany(gateway, chat) {
  if (gateway.clock.now() < chat.held_until) { gateway.wrong(`${chat.id}: sent within 60 s after 45009`); return hint(45009, 'api freq out of limit'); }
  if (!chat.rate.over()) return undefined;
  gateway.wrong(`${chat.id}: more than 30 messages a minute or 1000 an hour`);
  chat.held_until = gateway.clock.now() + 60000;
  return hint(45009, 'api freq out of limit');
}

function streamFrame(gateway, reqId, callback, stream) {
  const chat = callback.chat, known = gateway.streams.get(stream?.id);
  fieldsOnly(gateway, stream, ['id', 'finish', 'content', 'feedback'], 'stream');
  if (typeof stream?.id !== 'string' || !stream.id) { gateway.wrong('stream: no id'); return hint(40058, 'invalid stream id'); }
  if (typeof stream.finish !== 'boolean') gateway.wrong('stream: finish is no boolean');
  const refused = plain(gateway, stream, 'stream');
  if (refused) return refused;
  if (stream.finish && !stream.content.trim()) gateway.wrong('stream: finished without a visible character');
  if (stream.feedback && (known || Buffer.byteLength(stream.feedback.id ?? '') > 256)) gateway.wrong('stream: feedback');
  if (!known) {
    const busy = tooMany(gateway, chat);
    if (busy) return busy;
    const open = gateway.openStreams().filter((one) => one.chat === chat);
    if (open.length >= 3) gateway.wrong(`${chat.id}: a fourth message in work`);
    const shown = chat.show({ kind: 'stream', text: stream.content, via: 'respond', reqId, stream: stream.id, finished: stream.finish });
    gateway.streams.set(stream.id, { chat, reqId, shown, at: gateway.clock.now(), finished: stream.finish });
    return ok();
  }
  if (known.chat !== chat || known.reqId !== reqId) { gateway.wrong(`stream: ${stream.id} belongs to another req_id`); return hint(846605, 'invalid req_id'); }
  if (known.finished) { gateway.wrong(`stream: ${stream.id} is finished`); return hint(846608, 'stream message update expired'); }
  if (gateway.clock.now() - known.at > STREAM_MS) { gateway.note(`stream: ${stream.id} is older than 6 minutes`); return hint(846608, 'stream message update expired'); }
  if (chat.refreshes.over()) gateway.wrong(`${chat.id}: more than 3 refreshes a second`);
  if (known.shown.text === stream.content && !stream.finish) gateway.note('stream: the same text again');
  known.finished = known.shown.finished = stream.finish;
  known.shown.text = stream.content;
  known.shown.versions.push(stream.content);
  known.shown.changed = gateway.clock.now();
  gateway.changed();
  return ok();
}

// markdown, a card or media, by any way; `via` is 'respond' or 'push'.
function oneMessage(gateway, chat, body, via, more = {}) {
  const type = body.msgtype, content = body[type];
  fieldsOnly(gateway, body, ['msgtype', type, ...(via === 'push' ? ['chatid', 'chat_type'] : [])], via);
  if (typeof type !== 'string' || !['markdown', 'template_card', 'image', 'file', 'voice', 'video'].includes(type)) {
    gateway.wrong(`${via}: msgtype ${type}`);
    return hint(40008, 'invalid message type');
  }
  if (type === 'markdown') {
    fieldsOnly(gateway, content, ['content', 'feedback'], 'markdown');
    const refused = plain(gateway, content, 'markdown') ?? (content.content.trim() ? undefined : hint(40058, 'empty content'));
    if (refused) { if (!content?.content?.trim?.()) gateway.wrong('markdown: empty'); return refused; }
    return tooMany(gateway, chat) ?? (chat.show({ kind: type, text: content.content, via, ...more }), ok());
  }
  if (type === 'template_card') {
    const problems = cardProblems(content);
    if (chat.kind === 'group') problems.push('in a group');
    const task = content?.task_id;
    if (task !== undefined && gateway.tasks.has(task)) problems.push(`task_id ${task} was used before`);
    if (problems.length) { gateway.wrong('template_card', problems.join('; ')); return hint(40058, 'invalid template_card'); }
    const busy = tooMany(gateway, chat);
    if (busy) return busy;
    const shown = chat.show({ kind: 'card', text: [content.main_title?.title, content.main_title?.desc, content.sub_title_text].filter(Boolean).join('\n'), card: content, via, ...more });
    if (task !== undefined) gateway.tasks.set(task, shown);
    return ok();
  }
  fieldsOnly(gateway, content, type === 'video' ? ['media_id', 'title', 'description'] : ['media_id'], type);
  const media = gateway.uploads.find(type, content?.media_id);
  if (!media) { gateway.wrong(`${type}: media_id ${content?.media_id}`); return hint(40007, 'invalid media_id'); }
  return tooMany(gateway, chat) ?? (chat.show({ kind: type, bytes: media.bytes, filename: media.filename, via, ...more }), ok());
}

function callbackOf(gateway, frame, kinds) {
  const reqId = frame.headers.req_id, callback = gateway.callbacks.get(reqId);
  if (!callback) { gateway.wrong(`${frame.cmd}: nobody called with req_id ${reqId}`); return undefined; }
  if (!kinds.includes(callback.kind)) { gateway.wrong(`${frame.cmd}: req_id ${reqId} is of ${callback.kind}`); return undefined; }
  return callback;
}

export function respond(gateway, frame) {
  const callback = callbackOf(gateway, frame, ['message', 'template_card_event']);
  if (!callback || callback.forgotten) return hint(846605, 'invalid req_id');
  if (gateway.clock.now() - callback.at > WINDOW_MS) { gateway.note('respond: the message is older than 24 h'); return hint(846605, 'invalid req_id'); }
  if (callback.kind === 'template_card_event' && Date.now() - callback.real > REACT_MS) return hint(846605, 'invalid req_id');
  const body = frame.body;
  if (body.msgtype !== 'stream') return oneMessage(gateway, callback.chat, body, 'respond', { reqId: frame.headers.req_id });
  fieldsOnly(gateway, body, ['msgtype', 'stream'], 'respond');
  return streamFrame(gateway, frame.headers.req_id, callback, body.stream);
}

export function welcome(gateway, frame) {
  const callback = callbackOf(gateway, frame, ['enter_chat']), body = frame.body;
  if (!callback) return hint(846605, 'invalid req_id');
  if (callback.answered) gateway.wrong('welcome: twice');
  if (Date.now() - callback.real > REACT_MS) gateway.wrong(`welcome: ${Date.now() - callback.real} ms late`);
  if (callback.answered || Date.now() - callback.real > REACT_MS) return hint(846605, 'invalid req_id');
  if (body.msgtype === 'template_card') return oneMessage(gateway, callback.chat, body, 'respond');
  if (body.msgtype !== 'text') { gateway.wrong(`welcome: msgtype ${body.msgtype}`); return hint(40008, 'invalid message type'); }
  const refused = plain(gateway, body.text, 'welcome') ?? tooMany(gateway, callback.chat);
  if (refused) return refused;
  callback.answered = true;
  callback.chat.show({ kind: 'text', text: body.text.content, via: 'welcome' });
  return ok();
}

export function updateCard(gateway, frame) {
  const callback = callbackOf(gateway, frame, ['template_card_event']), body = frame.body;
  if (!callback) return hint(846605, 'invalid req_id');
  fieldsOnly(gateway, body, ['response_type', 'template_card', 'userids'], 'update');
  if (body.response_type !== 'update_template_card') gateway.wrong(`update: response_type ${body.response_type}`);
  const late = Date.now() - callback.real, card = body.template_card, problems = cardProblems(card);
  if (late > REACT_MS) problems.push(`${late} ms after the click`);
  if (callback.answered) problems.push('twice');
  if (card?.task_id !== callback.task_id) problems.push(`task_id ${card?.task_id} for ${callback.task_id}`);
  if (body.userids !== undefined && !Array.isArray(body.userids)) problems.push('userids');
  if (problems.length) { gateway.wrong('update', problems.join('; ')); return hint(846605, 'invalid req_id'); }
  callback.answered = true;
  const shown = gateway.tasks.get(card.task_id);
  if (shown) {
    shown.card = card;
    shown.text = [card.main_title?.title, card.main_title?.desc, card.sub_title_text].filter(Boolean).join('\n');
    shown.versions.push(shown.text);
  }
  gateway.changed();
  return ok();
}

export function push(gateway, frame) {
  const { chatid, chat_type: type } = frame.body;
  if (typeof chatid !== 'string' || !chatid) { gateway.wrong('push: no chatid'); return hint(93006, 'invalid chatid'); }
  if (type === undefined) gateway.note('push: without chat_type');
  else if (![0, 1, 2].includes(type)) gateway.wrong(`push: chat_type ${JSON.stringify(type)}`);
  const chat = gateway.chats.get(chatid);
  if (type && chat && (type === 2) !== (chat.kind === 'group')) { gateway.wrong(`push: chat_type ${type} for a ${chat.kind} chat`); return hint(93006, 'invalid chatid'); }
  if (!chat?.spoken || chat.removed) { gateway.note(`push: to ${chatid}, where nobody has spoken`); return hint(93006, 'invalid chatid'); }
  return oneMessage(gateway, chat, frame.body, 'push');
}
