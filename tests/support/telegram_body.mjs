// The parameters of a Bot API request, from JSON, urlencoded and multipart bodies and from the query. Nested values are
// JSON in JSON bodies and JSON strings everywhere else. wrong(what) is called for what the service would choke on.
const utf8 = new TextDecoder('utf-8', { fatal: true });
export class BadBody extends Error {}

const text = (bytes) => { try { return utf8.decode(bytes); } catch { throw new BadBody('strings must be encoded in UTF-8'); } };

const quoted = /filename=(?:"([^"]*)"|([^;\s]*))/i; // some clients do not quote
function multipart(bytes, type, wrong) {
  const boundary = /boundary=(?:"([^"]+)"|([^;\s]+))/.exec(type);
  if (!boundary) throw new BadBody('multipart without boundary');
  const line = Buffer.from(`--${boundary[1] ?? boundary[2]}`), params = {}, files = {};
  let at = bytes.indexOf(line);
  if (at < 0) throw new BadBody('multipart without parts');
  for (;;) {
    at += line.length;
    if (bytes.subarray(at, at + 2).toString() === '--') break;
    const head = bytes.indexOf('\r\n\r\n', at), end = bytes.indexOf(Buffer.concat([Buffer.from('\r\n'), line]), head + 2);
    if (head < 0 || end < 0) throw new BadBody('multipart: a part without end');
    const headers = bytes.subarray(at, head).toString('utf8'), body = bytes.subarray(head + 4, Math.max(head + 4, end));
    const name = /[;\s]name="([^"]*)"/i.exec(headers)?.[1], filename = quoted.exec(headers)?.slice(1).find((one) => one !== undefined);
    if (name === undefined) wrong('multipart: a part without name');
    else if (filename !== undefined) files[name] = { filename, mime: /content-type:\s*([^\r\n;]+)/i.exec(headers)?.[1], bytes: Buffer.from(body) };
    else if (name in params) wrong(`multipart: ${name} twice`);
    else params[name] = text(body);
    at = end + 2;
  }
  return { params, files, strings: true };
}

// {params, files, strings}: strings: nested values are JSON strings.
export function readBody(request, bytes, wrong) {
  const url = new URL(request.url, 'http://x'), type = request.headers['content-type'] ?? '';
  const query = Object.fromEntries(url.searchParams);
  if (request.method === 'GET' || !bytes.length) return { params: query, files: {}, strings: true };
  if (type.startsWith('application/json')) {
    let params;
    try { params = JSON.parse(text(bytes)); } catch (error) {
      if (error instanceof BadBody) throw error;
      wrong('a JSON body that is no JSON');
      throw new BadBody("can't parse JSON");
    }
    if (typeof params !== 'object' || params === null || Array.isArray(params)) { wrong('a JSON body that is no object'); throw new BadBody('object expected'); }
    return { params: { ...query, ...params }, files: {}, strings: false };
  }
  if (type.startsWith('multipart/form-data')) {
    const body = multipart(bytes, type, wrong);
    return { ...body, params: { ...query, ...body.params } };
  }
  if (type.startsWith('application/x-www-form-urlencoded')) return { params: { ...query, ...Object.fromEntries(new URLSearchParams(text(bytes))) }, files: {}, strings: true };
  wrong(`content-type ${type}`);
  throw new BadBody('unknown content type');
}

const NAMED = { amp: '&', lt: '<', gt: '>', quot: '"' };
const TAGS = ['b', 'strong', 'i', 'em', 'u', 'ins', 's', 'strike', 'del', 'code', 'pre', 'a', 'blockquote', 'tg-spoiler', 'span', 'tg-emoji'];
// parse_mode HTML: the text that is shown. Throws BadBody as the service refuses it.
export function htmlText(html) {
  const open = [];
  let out = '';
  for (let at = 0; at < html.length;) {
    if (html[at] === '<') {
      const tag = /^<(\/?)([a-z-]+)((?:\s+[a-z-]+="[^"<>]*")*)\s*>/i.exec(html.slice(at));
      if (!tag || !TAGS.includes(tag[2].toLowerCase())) throw new BadBody(`can't parse entities: Unsupported start tag at byte offset ${Buffer.byteLength(html.slice(0, at))}`);
      if (!tag[1]) open.push(tag[2]);
      else if (open.pop() !== tag[2]) throw new BadBody("can't parse entities: Unmatched end tag");
      at += tag[0].length;
    } else if (html[at] === '&') {
      const entity = /^&(?:#(\d+)|#x([0-9a-f]+)|([a-z]+));/i.exec(html.slice(at));
      const value = entity && (entity[3] ? NAMED[entity[3]] : String.fromCodePoint(entity[1] ? Number(entity[1]) : parseInt(entity[2], 16)));
      out += value ?? '&';
      at += value ? entity[0].length : 1;
    } else if (html[at] === '>') throw new BadBody("can't parse entities: unexpected '>'");
    else out += html[at++];
  }
  if (open.length) throw new BadBody(`can't parse entities: Can't find end tag corresponding to start tag "${open.pop()}"`);
  return out;
}
