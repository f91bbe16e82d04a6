// JSON as the service writes it (ids as bare digits beyond 2^53: a BigInt), and all the ways to write it wrongly.

export function encode(value) {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Bare) return value.text;
  if (Array.isArray(value)) return `[${value.map((item) => encode(item)).join(',')}]`;
  if (value && typeof value === 'object') {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${encode(field)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
// Text that stands in the JSON as it is.
export class Bare {
  constructor(text) { this.text = text; }
}

const ODD = {
  null: null, true: true, false: false, zero: 0, minus: -1, fraction: 0.5, huge: new Bare('1e400'), beyond: new Bare('123456789012345678901234567890'),
  'empty text': '', text: 'nonsense', 'text of a number': '7', 'odd text': 'a\u0000b\ud800\u202e', array: [], 'array of arrays': [[[]]],
  'array of odd things': [null, 1, 'x', true], object: {}, 'object of odd things': { a: null, ret: 'x', text: {} },
};

// Every field of `good`, at every depth, with every odd value in its place and left out: [name, body].
function* fields(good, path = [], root = good) {
  for (const key of Object.keys(good)) {
    const here = [...path, key], name = here.join('.');
    for (const [kind, odd] of Object.entries(ODD)) if (encode(odd) !== encode(good[key])) yield [`${name}: ${kind}`, encode(replaced(root, here, odd))];
    yield [`${name}: missing`, encode(replaced(root, here, undefined))];
    if (good[key] && typeof good[key] === 'object') yield* fields(good[key], here, root);
  }
}
function replaced(value, [key, ...rest], by) {
  const copy = Array.isArray(value) ? [...value] : { ...value };
  if (rest.length) copy[key] = replaced(copy[key], rest, by);
  else if (by === undefined && Array.isArray(copy)) copy.splice(Number(key), 1);
  else copy[key] = by;
  return copy;
}
// Answers that are no answers of this kind at all: [name, body].
function* wholes(good) {
  const text = encode(good);
  yield ['nothing', ''];
  yield ['HTML', '<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>'];
  yield ['cut short', text.slice(0, Math.floor(text.length * 0.7))];
  yield ['more after the end', `${text}${text}`];
  yield ['a byte-order mark', `\ufeff${text}`];
  for (const whole of ['null', 'true', '0', '-14', '"text"', '[]', '[[]]', '{', '}', '{"ret"', '{"ret":}', "{'ret':0}", '{"ret":NaN}', '{"ret":0,}', '\0\0\0\0']) yield [`whole: ${JSON.stringify(whole)}`, whole];
  yield ['invalid UTF-8', Buffer.concat([Buffer.from('{"ret":0,"errmsg":"'), Buffer.from([0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80]), Buffer.from('","msgs":[{"from_user_id":"\xfe')])];
  yield ['invalid UTF-8 in good JSON', Buffer.concat([Buffer.from('{"errmsg":"'), Buffer.from([0xff, 0xc0, 0x80]), Buffer.from(`",${text.slice(1)}`)])];
  yield ['deep arrays', '['.repeat(200000)];
  yield ['deep objects', '{"a":'.repeat(100000)];
  yield ['deep but closed', `{"ret":0,"x":${'['.repeat(5000)}${']'.repeat(5000)}}`];
  yield ['keys twice', `{"ret":0,"ret":-1,"ret":0,${text.slice(1)}`];
  yield ['a long text', `{"ret":0,"errmsg":"${'\u00e9'.repeat(200000)}"}`];
  yield ['a long number', `{"ret":${'9'.repeat(100000)}}`];
  yield ['codes of wrong kinds', '{"ret":"0","errcode":"-14","errmsg":{"a":1}}'];
  yield ['a large code', '{"ret":2147483648,"errcode":-99999999999}'];
  yield ['an unknown code', '{"ret":-77,"errmsg":"what\\nis\\u0000this\\u202e"}'];
}
// What the service must never be trusted not to say, built from one right answer of the path.
export function* malformed(good) {
  yield* wholes(good);
  yield* fields(good);
}
