// The form of each request to the gateway, as the official client 2.4.9 sends it: which headers, which fields, of which
// kind. Every function returns the deviations it found as lines of text.

export const METHODS = {
  get_bot_qrcode: 'POST', get_qrcode_status: 'GET', getupdates: 'POST', sendmessage: 'POST', getuploadurl: 'POST',
  getconfig: 'POST', sendtyping: 'POST', 'msg/notifystart': 'POST', 'msg/notifystop': 'POST',
};
const OURS = ['content-type', 'authorizationtype', 'authorization', 'x-wechat-uin', 'ilink-app-id', 'ilink-app-clientversion', 'skroutetag'];
const LOGIN = new Set(['get_bot_qrcode', 'get_qrcode_status']);

export function clientVersion(text) {
  const [major, minor, patch] = text.split('.').map(Number);
  return String((major << 16) | (minor << 8) | patch);
}
// The random number as the client writes it; -1: not of that form.
function uin(header) {
  const text = Buffer.from(header, 'base64').toString('latin1');
  if (!/^(0|[1-9]\d{0,9})$/.test(text) || Number(text) > 0xffffffff) return -1;
  return Buffer.from(text).toString('base64') === header ? Number(text) : -1;
}
function transport(request) {
  const wrong = [];
  const count = new Map();
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i].toLowerCase();
    count.set(name, (count.get(name) ?? 0) + 1);
  }
  for (const [name, times] of count) if (times > 1) wrong.push(`header ${name} ${times} times`);
  if (request.headers.expect) wrong.push('header Expect');
  if (request.method === 'POST' && request.headers['content-length'] === undefined) wrong.push('no Content-Length');
  if (request.method === 'GET' && request.body.length) wrong.push('a body with GET');
  return wrong;
}

// seen: the last X-WECHAT-UIN values, newest last; this one is added once it was answered.
export function headers(request, name, { version, seen }) {
  const wrong = transport(request);
  const have = (header) => request.headers[header];
  const want = (header, value) => { if (have(header) !== value) wrong.push(`header ${header} is ${JSON.stringify(have(header))}, not ${JSON.stringify(value)}`); };
  const never = (header) => { if (have(header) !== undefined) wrong.push(`header ${header} where none belongs`); };
  if (request.method !== METHODS[name]) wrong.push(`${request.method} instead of ${METHODS[name]}`);
  want('ilink-app-id', 'bot');
  want('ilink-app-clientversion', clientVersion(version));
  if (name === 'get_qrcode_status') {
    ['content-type', 'authorizationtype', 'authorization', 'x-wechat-uin'].forEach(never);
    return wrong;
  }
  want('content-type', 'application/json');
  want('authorizationtype', 'ilink_bot_token');
  const number = uin(have('x-wechat-uin') ?? '');
  if (number < 0) wrong.push(`header x-wechat-uin is ${JSON.stringify(have('x-wechat-uin'))}`);
  else if (seen.includes(number)) wrong.push('header x-wechat-uin was used before');
  request.delivered(() => { // where no answer came, an HTTP library may repeat the same request on a new connection
    seen.push(number);
    if (seen.length > 200) seen.shift();
  });
  if (LOGIN.has(name)) never('authorization');
  else if (!/^Bearer \S+$/.test(have('authorization') ?? '')) wrong.push('header authorization is not "Bearer TOKEN"');
  return wrong;
}

const PRODUCT = '[A-Za-z0-9_.-]{1,32}/[A-Za-z0-9_.+-]{1,32}( \\([\\x20-\\x27\\x2a-\\x7e]{1,64}\\))?';
const AGENT = new RegExp(`^${PRODUCT}( ${PRODUCT})*$`);
function baseInfo(info, version) {
  if (!info || typeof info !== 'object') return ['no base_info'];
  const wrong = [];
  if (info.channel_version !== version) wrong.push(`base_info.channel_version is ${JSON.stringify(info.channel_version)}`);
  const agent = info.bot_agent;
  if (typeof agent !== 'string' || agent.length > 256 || (agent !== 'OpenClaw' && !AGENT.test(agent))) wrong.push(`base_info.bot_agent is ${JSON.stringify(agent)}`);
  return [...wrong, ...unknown(info, ['channel_version', 'bot_agent'], 'base_info.')];
}
function unknown(object, known, prefix = '') {
  return Object.keys(object).filter((key) => !known.includes(key)).map((key) => `unknown field ${prefix}${key}`);
}
const text = (value) => typeof value === 'string' && value.length > 0;
const whole = (value) => Number.isSafeInteger(value) && value >= 0;
const hex = (digits) => (value) => typeof value === 'string' && new RegExp(`^[0-9a-f]{${digits}}$`).test(value);

// field: [check, required]
const FIELDS = {
  get_bot_qrcode: { local_token_list: [(list) => Array.isArray(list) && list.length <= 10 && list.every((token) => text(token) && token === token.trim()), true] },
  getupdates: { get_updates_buf: [(value) => typeof value === 'string', true] },
  'msg/notifystart': {}, 'msg/notifystop': {},
  sendmessage: { msg: [(value) => value && typeof value === 'object' && !Array.isArray(value), true] },
  getconfig: { ilink_user_id: [text, true], context_token: [text, false] },
  sendtyping: { ilink_user_id: [text, true], typing_ticket: [text, true], status: [(value) => value === 1 || value === 2, true] },
  getuploadurl: {
    filekey: [hex(32), true], media_type: [(value) => [1, 2, 3, 4].includes(value), true], to_user_id: [text, true],
    rawsize: [(value) => whole(value) && value > 0, true], rawfilemd5: [hex(32), true], filesize: [whole, true],
    thumb_rawsize: [whole, false], thumb_rawfilemd5: [hex(32), false], thumb_filesize: [whole, false],
    no_need_thumb: [(value) => value === true, false], aeskey: [hex(32), true],
  },
};
// The body's bytes as an object; `wrong` gets what stands against it. Null: there is nothing to go on with.
export function body(request, name, version, wrong) {
  let object;
  try {
    object = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(request.body));
  } catch (error) {
    wrong.push(error instanceof SyntaxError ? 'the body is not JSON' : 'the body is not UTF-8');
    return null;
  }
  if (!object || typeof object !== 'object' || Array.isArray(object)) {
    wrong.push('the body is not an object');
    return null;
  }
  const fields = FIELDS[name];
  const based = name !== 'get_bot_qrcode';
  wrong.push(...unknown(object, [...Object.keys(fields), ...(based ? ['base_info'] : [])]));
  if (based) wrong.push(...baseInfo(object.base_info, version));
  for (const [field, [good, required]] of Object.entries(fields)) {
    if (object[field] === undefined ? required : !good(object[field])) wrong.push(`field ${field} is ${JSON.stringify(object[field])?.slice(0, 80)}`);
  }
  if (name === 'getuploadurl') wrong.push(...upload(object));
  return object;
}
function upload(object) {
  const wrong = [];
  if (object.filesize !== (Math.floor(object.rawsize / 16) + 1) * 16) wrong.push(`field filesize is ${object.filesize} for ${object.rawsize} bytes`);
  if (object.no_need_thumb !== true && object.media_type < 3 && object.thumb_rawsize === undefined) wrong.push('neither no_need_thumb nor a thumbnail');
  return wrong;
}

const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
export const TEXT_MAX = 2000; // UTF-16 units; beyond that the service cuts without a word
const MESSAGE = ['from_user_id', 'to_user_id', 'client_id', 'message_type', 'message_state', 'item_list', 'context_token', 'run_id'];
const ITEMS = { 1: 'text_item', 2: 'image_item', 4: 'file_item', 5: 'video_item' };
// sendmessage's msg, without what only the gateway's memory can tell.
export function message(msg) {
  const wrong = unknown(msg, MESSAGE, 'msg.');
  if (msg.from_user_id !== '') wrong.push(`msg.from_user_id is ${JSON.stringify(msg.from_user_id)}, not ""`);
  if (!text(msg.to_user_id)) wrong.push('msg.to_user_id is empty');
  if (!/^[A-Za-z0-9_.-]+:\d{13}-[0-9a-f]{8}$/.test(msg.client_id ?? '')) wrong.push(`msg.client_id is ${JSON.stringify(msg.client_id)}`);
  if (msg.message_type !== 2) wrong.push(`msg.message_type is ${JSON.stringify(msg.message_type)}`);
  if (msg.message_state !== 2) wrong.push(`msg.message_state is ${JSON.stringify(msg.message_state)}`);
  if (msg.context_token !== undefined && !text(msg.context_token)) wrong.push('msg.context_token is empty');
  if (!Array.isArray(msg.item_list) || msg.item_list.length !== 1) return [...wrong, 'msg.item_list does not hold exactly one item'];
  const item = msg.item_list[0] ?? {};
  const kind = ITEMS[item.type];
  if (!kind) return [...wrong, `msg.item_list[0].type is ${JSON.stringify(item.type)}`];
  wrong.push(...unknown(item, ['type', kind], 'item.'));
  if (!item[kind] || typeof item[kind] !== 'object') return [...wrong, `no ${kind}`];
  if (item.type === 1) {
    const said = item.text_item.text;
    if (!text(said)) wrong.push('an empty text');
    else if (LONE.test(said)) wrong.push('half of a surrogate pair in the text');
    else if (said.length > TEXT_MAX) wrong.push(`a text of ${said.length} units`);
  }
  return wrong;
}
// A request to the CDN.
export function cdn(request, name) {
  const wrong = transport(request);
  for (const header of OURS.slice(1)) if (request.headers[header] !== undefined) wrong.push(`header ${header} on the CDN`);
  const method = name === 'upload' ? 'POST' : 'GET';
  if (request.method !== method) wrong.push(`${request.method} instead of ${method}`);
  if (name === 'upload' && request.headers['content-type'] !== 'application/octet-stream') wrong.push(`header content-type is ${JSON.stringify(request.headers['content-type'])}`);
  return wrong;
}
