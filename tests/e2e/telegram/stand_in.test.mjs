// Clients that break the rules of the Bot API: the stand-in answers as the service does, and writes each breach down.
import test from 'node:test';
import assert from 'node:assert/strict';
import { TelegramServer } from '../../support/telegram_server.mjs';

async function begin(t, options) {
  const server = await new TelegramServer({ speed: 1, ...options }).start();
  t.after(() => server.stop());
  const zhang = server.user(420001);
  zhang.starts();
  const call = async (method, params = {}, { token = server.token, ...more } = {}) => {
    const answer = await fetch(`${server.url}/bot${token}/${method}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(params), ...more });
    const body = await answer.json();
    if (!body.ok) assert.equal(answer.status, body.error_code);
    return body;
  };
  // The call is refused with this, and this is written down (undefined: nothing is).
  const breaks = async (method, params, code, description, violation, more) => {
    const before = server.violations.length, answer = await call(method, params, more);
    assert.equal(answer.error_code, code, JSON.stringify(answer));
    assert.match(answer.description, description);
    const fresh = server.violations.slice(before);
    if (violation) assert.ok(fresh.some((one) => violation.test(one)), `${violation} not in ${JSON.stringify(fresh)}`);
    else assert.deepEqual(fresh, []);
  };
  return { server, zhang, call, breaks };
}
const form = (fields, files = {}) => {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  for (const [name, [bytes, filename]] of Object.entries(files)) body.append(name, new Blob([bytes]), filename);
  return { headers: {}, body };
};
const PNG = (width, height) => { const bytes = Buffer.alloc(64); bytes.write('\x89PNG\r\n\x1a\n', 'latin1'); bytes.writeUInt32BE(width, 16); bytes.writeUInt32BE(height, 20); return bytes; };

test('tokens, methods, bodies', async (t) => {
  const { server, breaks } = await begin(t);
  await breaks('getMe', {}, 401, /Unauthorized/, undefined, { token: '1:' + 'x'.repeat(35) });
  await breaks('getMe', {}, 404, /Not Found/, undefined, { token: 'nonsense' });
  await breaks('getLucky', {}, 404, /Not Found/, /no such method/);
  await breaks('sendMessage', undefined, 400, /parse/, /no JSON/, { body: '{"chat_id":' });
  await breaks('sendMessage', undefined, 400, /UTF-8/, /UTF-8/, { body: Buffer.from('{"chat_id":420001,"text":"\xff"}', 'latin1') });
  await breaks(`sendMessage?x=${server.token}`, { chat_id: 1, text: 'x' }, 400, /chat not found/, /token outside/);
  server.revoke();
  await breaks('getMe', {}, 401, /Unauthorized/);
});

test('texts, markup, chats', async (t) => {
  const { server, zhang, call, breaks } = await begin(t);
  const to = { chat_id: zhang.id }, keys = (data) => ({ inline_keyboard: [[{ text: 'x', callback_data: data }]] });
  server.limits = false;
  await breaks('sendMessage', { ...to, text: ' \n ' }, 400, /text is empty/, /empty/);
  await breaks('sendMessage', { ...to, text: '😀'.repeat(2049) }, 400, /too long/, /4098 units/);
  assert.ok((await call('sendMessage', { ...to, text: '😀'.repeat(2048) })).ok);
  await breaks('sendMessage', { ...to, text: 'a < b', parse_mode: 'HTML' }, 400, /can't parse entities/);
  await breaks('sendMessage', { ...to, text: 'a\u0001b' }, 400, /UTF-8/, /control/);
  await breaks('sendMessage', { text: 'x' }, 400, /chat_id is empty/, /no chat_id/);
  await breaks('sendMessage', { chat_id: 4.2e15 + 0.5, text: 'x' }, 400, /invalid chat_id/, /chat_id/);
  assert.ok((await call('sendMessage', { ...to, text: 'x', colour: 'red' })).ok);
  assert.ok(server.violations.some((one) => /parameter colour/.test(one)));
  await breaks('sendMessage', { ...to, text: 'x', reply_markup: keys('界'.repeat(22)) }, 400, /BUTTON_DATA_INVALID/, /66 bytes/);
  await breaks('sendMessage', undefined, 400, /reply_markup/, /no JSON/, form({ chat_id: '420001', text: 'x', reply_markup: '[object Object]' }));
  await breaks('sendMessage', { chat_id: 1, text: 'x' }, 400, /chat not found/);
  zhang.blocks();
  await breaks('sendMessage', { ...to, text: 'x' }, 403, /blocked/);
  server.clock.advance(1);
  await breaks('sendMessage', { ...to, text: 'x' }, 403, /blocked/, /was told so/);
});

test('edits', async (t) => {
  const { server, zhang, call, breaks } = await begin(t);
  const sent = (await call('sendMessage', { chat_id: zhang.id, text: 'x', reply_markup: { inline_keyboard: [[{ text: 'y', callback_data: 'y' }]] } })).result;
  const it = { chat_id: zhang.id, message_id: sent.message_id };
  await breaks('editMessageText', { ...it, text: 'x', reply_markup: sent.reply_markup }, 400, /not modified/);
  await breaks('editMessageText', { ...it, message_id: 9, text: 'z' }, 400, /to edit not found/);
  assert.ok((await call('editMessageText', { ...it, text: 'z' })).ok);
  assert.equal(zhang.messages[0].markup, undefined, 'an edit without markup removes it');
  zhang.messages[0].frozen = true;
  await breaks('editMessageText', { ...it, text: 'w' }, 400, /can't be edited/);
  assert.equal(server.notes.length, 0);
});

test('pictures', async (t) => {
  const { server, zhang, breaks } = await begin(t);
  server.limits = false;
  const to = { chat_id: String(zhang.id) };
  const photo = (code, description, violation, fields, files) => breaks('sendPhoto', undefined, code, description, violation, form({ ...to, ...fields }, files));
  await photo(400, /no photo/, undefined, {});
  await photo(400, /HTTP URL/, /by address/, { photo: 'http://10.0.0.1/x.png' });
  await photo(400, /wrong file/, /neither a file/, { photo: 'whatever' });
  await photo(400, /PHOTO_INVALID_DIMENSIONS/, undefined, {}, { photo: [PNG(9000, 1001), 'x.png'] });
  await photo(400, /PHOTO_INVALID_DIMENSIONS/, undefined, {}, { photo: [PNG(2100, 100), 'x.png'] });
  await photo(400, /IMAGE_PROCESS_FAILED/, undefined, {}, { photo: ['hello', 'x.png'] });
  await photo(413, /Too Large/, undefined, {}, { photo: [Buffer.alloc(11 << 20), 'x.png'] });
  await photo(400, /caption is too long/, /1025 units/, { caption: 'x'.repeat(1025) }, { photo: [PNG(8, 8), 'x.png'] });
});

test('polling: one at a time, confirmed by the offset, no webhook, no haste', async (t) => {
  const { server, zhang, call, breaks } = await begin(t);
  server.updates.webhook = 'https://example.org';
  await breaks('getUpdates', { timeout: 1 }, 409, /webhook is active/);
  await call('deleteWebhook');
  const first = await call('getUpdates', { timeout: 1 });
  assert.equal(first.result[0].message.text, '/start');
  assert.equal((await call('getUpdates', { timeout: 0 })).result.length, 1, 'not confirmed');
  const waits = call('getUpdates', { offset: first.result[0].update_id + 1, timeout: 5 });
  await server.waitFor('a waiting poll', () => server.updates.poll);
  zhang.says('hi');
  const second = (await waits).result;
  assert.equal(second[0].message.text, 'hi');
  const old = call('getUpdates', { offset: second[0].update_id + 1, timeout: 5 });
  await server.waitFor('a waiting poll', () => server.updates.poll);
  const third = call('getUpdates', { offset: second[0].update_id + 1, timeout: 1, limit: 101 });
  assert.equal((await old).error_code, 409);
  assert.deepEqual((await third).result, []);
  assert.deepEqual(server.violations, ['getUpdates: limit 101', 'getUpdates: two at once']);
  server.updates.rival();
  await call('getUpdates', { timeout: 0 });
  server.updates.atOnce = true;
  await call('getUpdates', { timeout: 0 });
  await call('getUpdates', { timeout: 0 });
  assert.match(server.violations[2], /ms after 409/);
  assert.match(server.violations.at(-1), /ms after an empty answer/);
});

test('a pause that its client did not live to hear binds nobody', async (t) => {
  const { server, zhang, call, breaks } = await begin(t);
  server.demand429(5, 1, zhang.id);
  server.fault((request) => request.method === 'sendmessage', { delay: 50 });
  const dying = new AbortController(), lost = call('sendMessage', { chat_id: zhang.id, text: 'x' }, { signal: dying.signal });
  await server.waitFor('the request', () => server.requests.length > 0);
  dying.abort();
  await assert.rejects(lost);
  await server.waitFor('the pause', () => server.limited > 0);
  assert.ok((await call('sendMessage', { chat_id: zhang.id, text: 'y' })).ok);
  assert.deepEqual(server.violations, []);
  server.demand429(5, 1, zhang.id);
  await breaks('sendMessage', { chat_id: zhang.id, text: 'z' }, 429, /retry after 5/);
  await breaks('sendMessage', { chat_id: zhang.id, text: 'z' }, 429, /retry after/, /before retry_after has passed/);
});

test('limits: a group takes 20 a minute, and retry_after is to be kept', async (t) => {
  const { server, zhang, call, breaks } = await begin(t, { speed: 1 });
  server.newGroup(-7);
  server.burst = 1000;
  for (let i = 0; i < 20; i++) assert.ok((await call('sendMessage', { chat_id: -7, text: `${i}` })).ok);
  const answer = await call('sendMessage', { chat_id: -7, text: 'x' });
  assert.equal(answer.error_code, 429);
  assert.ok(answer.parameters.retry_after >= 55);
  assert.deepEqual(server.violations, []);
  await breaks('sendMessage', { chat_id: -7, text: 'x' }, 429, /retry after/, /before retry_after has passed/);
  server.clock.advance(61000);
  assert.ok((await call('sendMessage', { chat_id: -7, text: 'x' })).ok);
  server.demand429(5, 1, zhang.id);
  await breaks('sendMessage', { chat_id: zhang.id, text: 'x' }, 429, /retry after 5/);
});

test('buttons and commands', async (t) => {
  const { server, zhang, call, breaks } = await begin(t);
  server.answerMs = 50;
  await call('sendMessage', { chat_id: zhang.id, text: 'x', reply_markup: { inline_keyboard: [[{ text: 'go', callback_data: 'go' }]] } });
  zhang.press('go');
  await call('getUpdates', { timeout: 1 });
  await server.waitFor('the violation', () => server.violations.length);
  assert.match(server.violations[0], /was not answered/);
  await breaks('answerCallbackQuery', { callback_query_id: '1' }, 400, /query is too old/, /unknown/);
  const commands = (count, name = (i) => `c${i}`) => ({ commands: Array.from({ length: count }, (_, i) => ({ command: name(i), description: 'x' })) });
  await breaks('setMyCommands', commands(101), 400, /TOO_MUCH/, /101/);
  await breaks('setMyCommands', commands(1, () => 'Status'), 400, /COMMAND_INVALID/, /Status/);
  await breaks('setMyCommands', { commands: [{ command: 'x', description: '' }] }, 400, /DESCRIPTION/, /description/);
  assert.throws(() => zhang.press('nothing'));
});
