// web.test.mjs: the web server with the real core and store behind it, over real sockets: who may come in, what the API
// answers, and that slow, rude and many clients harm nobody.

import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { statSync, chmodSync, writeFileSync, existsSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { Host, until, trainer, SLOW } from './host.mjs';

async function withHost(options, body) {
  const host = await new Host(options).start();
  let failed = true;
  try {
    await body(host);
    failed = false;
  } finally {
    if (failed) console.error(host.log);
    const code = await host.remove();
    if (!failed) assert.equal(code, 0, `the loop could not be closed:\n${host.log}`);
  }
}

/** Raw bytes, and all that comes back until the server closes or is silent. */
function raw(host, bytes, ms = 1500) {
  return new Promise((done) => {
    const socket = net.connect(host.port, '127.0.0.1');
    let text = '';
    socket.on('data', (data) => (text += data));
    socket.on('close', () => done(text));
    socket.on('error', () => {});
    socket.setTimeout(ms * SLOW, () => socket.destroy());
    socket.write(bytes);
  });
}

test('who may come in', async (t) => withHost({}, async (host) => {
  const file = join(host.folder, 's', 'web-token');
  await t.test('the token file is made for the owner alone', () => {
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.match(host.token, /^[\w-]{43}$/);
  });
  await t.test('without a token: health and the page only', async () => {
    for (const path of ['/healthz', '/', '/app.js', '/style.css']) assert.equal((await host.get(path, { token: null })).status, 200, path);
    for (const path of ['/metrics', '/api/runs', '/api/channels', '/api/runs/1', '/api/history', '/api/images/1', '/api/nothing', '/api'])
      assert.equal((await host.get(path, { token: null })).status, 401, path);
    assert.equal((await host.request('POST', '/api/command', { token: null, body: { text: '状态' } })).status, 401);
  });
  await t.test('with it: everything', async () => {
    for (const path of ['/metrics', '/api/runs', '/api/channels', '/api/history']) assert.equal((await host.get(path)).status, 200, path);
    assert.equal((await host.get('/api/nothing')).status, 404);
  });
  await t.test('foreign Host and Origin are refused', async () => {
    for (const name of ['evil.example', '127.0.0.1.evil.example', `evil.example:${host.port}`, '10.1.2.3', 'localhost@evil.example'])
      assert.ok([400, 403].includes((await host.get('/api/runs', { headers: { host: name } })).status), name);
    assert.equal((await host.get('/', { token: null, headers: { host: 'evil.example' } })).status, 403);
    for (const name of [`127.0.0.1:${host.port}`, 'localhost', 'LOCALHOST:9']) assert.equal((await host.get('/api/runs', { headers: { host: name } })).status, 200, name);
    for (const origin of ['http://evil.example', 'null', `https://127.0.0.1:${host.port}`, 'http://127.0.0.1:1'])
      assert.equal((await host.get('/api/runs', { headers: { origin } })).status, 403, origin);
    assert.equal((await host.get('/api/runs', { headers: { origin: host.base } })).status, 200);
  });
  await t.test('security headers stand on every answer', async () => {
    for (const path of ['/', '/api/runs', '/api/nothing']) {
      const { headers } = await host.get(path);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.match(headers['content-security-policy'], /default-src '(self|none)'/);
      assert.match(headers['content-security-policy'], /frame-ancestors 'none'/);
      assert.equal(headers['referrer-policy'], 'no-referrer');
      assert.equal(headers['access-control-allow-origin'], undefined);
    }
  });
  await t.test('the page asks for nothing from elsewhere', async () => {
    for (const path of ['/', '/app.js', '/style.css']) {
      const { text } = await host.get(path, { token: null });
      assert.doesNotMatch(text.replace(/http:\/\/www\.w3\.org/g, ''), /(https?:)?\/\/[a-z]+\./i, path);
    }
  });
}));

test('the page cookie', async (t) => withHost({}, async (host) => {
  const swap = await host.request('POST', '/api/session', { token: null, body: { token: host.token }, headers: { origin: host.base } });
  assert.equal(swap.status, 200);
  const set = swap.headers['set-cookie'][0];
  const cookie = set.split(';')[0];
  const origin = host.base;
  await t.test('is HttpOnly and strict, and is not the token', () => {
    assert.match(set, /HttpOnly/);
    assert.match(set, /SameSite=Strict/);
    assert.ok(!set.includes(host.token));
  });
  await t.test('opens the API; changes need the Origin', async () => {
    assert.equal((await host.get('/api/runs', { token: null, headers: { cookie } })).status, 200);
    assert.equal((await host.request('POST', '/api/command', { token: null, headers: { cookie }, body: { text: '列表' } })).status, 403);
    assert.equal((await host.request('POST', '/api/command', { token: null, headers: { cookie, origin }, body: { text: '列表' } })).status, 200);
  });
  await t.test('one changed character is worth nothing', async () => {
    const bad = cookie.slice(0, -1) + (cookie.endsWith('A') ? 'B' : 'A');
    assert.equal((await host.get('/api/runs', { token: null, headers: { cookie: bad } })).status, 401);
  });
  await t.test('the socket takes it only with the Origin', async () => {
    const socket = await host.socket('/ws', { Cookie: cookie, Origin: origin });
    assert.equal((await socket.next()).type, 'hello');
    await assert.rejects(host.socket('/ws', { Cookie: cookie }), { status: 403 });
    await assert.rejects(host.socket('/ws', { Cookie: cookie, Origin: 'http://evil.example' }), { status: 403 });
    await assert.rejects(host.socket('/ws', {}), { status: 401 });
    await assert.rejects(host.socket('/nothing'), { status: 404 });
    socket.destroy();
  });
  await t.test('a logout ends all cookies and closes their pages, and outlives a restart', async () => {
    const socket = await host.socket('/ws', { Cookie: cookie, Origin: origin });
    const closed = new Promise((done) => socket.on('close', done));
    assert.equal((await host.request('POST', '/api/logout', { token: null, headers: { cookie, origin }, body: {} })).status, 200);
    await socket.next((p) => p.type === 'logout');
    await closed;
    assert.equal((await host.get('/api/runs', { token: null, headers: { cookie } })).status, 401);
    assert.equal((await host.get('/api/runs')).status, 200);
    assert.equal(await host.end(), 0);
    await host.start();
    const name = `trainbot_${host.port}=${cookie.split('=')[1]}`;
    assert.equal((await host.get('/api/runs', { token: null, headers: { cookie: name } })).status, 401);
  });
}));

test('wrong tokens: refused, then slowed, never the right one', async () => withHost({}, async (host) => {
  const statuses = [];
  for (let i = 0; i < 14; i++) statuses.push((await host.request('POST', '/api/session', { token: null, body: { token: `wrong-${i}` } })).status);
  assert.deepEqual(statuses, [...Array(10).fill(401), ...Array(4).fill(429)]);
  assert.equal((await host.get('/api/runs', { token: 'wrong' })).status, 429);
  assert.equal((await host.get('/api/runs')).status, 200);
  await assert.rejects(host.socket('/ws', { Authorization: 'Bearer wrong' }), { status: 429 });
}));

test('methods, bodies and addresses that are not right', async (t) => withHost({}, async (host) => {
  const post = (path, body, headers = {}) => host.request('POST', path, { body, headers });
  const cases = [
    ['a method', host.request('DELETE', '/api/runs'), 405], ['a method', host.request('POST', '/api/runs', { body: {} }), 405],
    ['a method', host.get('/api/command'), 405], ['not JSON', post('/api/command', 'text=1'), 400], ['an array', post('/api/command', '[]'), 400],
    ['no text', post('/api/command', {}), 400], ['a number', post('/api/command', { text: 7 }), 400], ['empty', post('/api/command', ''), 400],
    ['as', post('/api/command', { text: 'x', as: 'nobody' }), 400], ['too large', post('/api/command', Buffer.alloc(3 << 20, 32)), 413],
    ['too large a token', post('/api/session', Buffer.alloc(2000, 32)), 413], ['no run', host.get('/api/runs/99'), 404],
    ['no csv', host.get('/api/runs/99/metrics.csv'), 404], ['no series', host.get('/api/runs/99/series.json'), 404],
    ['no plot', host.get('/api/runs/99/plot.png'), 404], ['no picture', host.get('/api/images/99'), 404],
    ['a width', host.get('/api/runs/1/plot.png?width=abc'), 400], ['after', host.get('/api/history?after=-1'), 400],
    ['a page', host.get('/nothing.html'), 404], ['a way up', host.get('/../../etc/passwd'), 404],
    ['long', host.get(`/api/runs?x=${'a'.repeat(3000)}`), 400],
  ];
  for (const [name, answer, status] of cases) {
    await t.test(`${name} → ${status}`, async () => {
      const { status: got, json, text } = await answer;
      assert.equal(got, status, text);
      assert.equal(typeof json.error, 'string');
      assert.ok(json.error.length > 3 && !json.error.includes('\n'));
    });
  }
  await t.test('bytes that are no request', async () => {
    await raw(host, '\0\x01\x02\xff\xff\r\n\r\n', 300);
    await raw(host, 'CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example\r\n\r\n', 300);
    await raw(host, `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${'a'.repeat(100000)}\r\n\r\n`, 300);
    await raw(host, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 300);
    assert.match(await raw(host, 'GET /api/runs HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400/);
    assert.match(await raw(host, `POST /api/command HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${host.token}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`), /^HTTP\/1\.1 400/);
    assert.match(await raw(host, `POST /api/command HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${host.token}\r\n\r\n`), /^HTTP\/1\.1 411/);
    const half = net.connect(host.port, '127.0.0.1');
    half.on('error', () => {});
    half.write('GET / HT');
    assert.equal((await host.get('/healthz', { token: null })).status, 200);
    half.destroy();
  });
  await t.test('h2c upgrades are not taken', async () => {
    const text = await raw(host, 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n', 500);
    assert.doesNotMatch(text, /^HTTP\/1\.1 101/);
  });
}));

test('requests one after the other on one connection, and at once', async () => withHost({}, async (host) => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < 60; i++) {
    assert.equal((await host.get('/api/runs', { agent })).status, 200);
    assert.equal((await host.request('POST', '/api/session', { agent, token: null, body: { token: host.token } })).status, 200);
  }
  assert.equal((await host.request('POST', '/api/command', { agent, body: { text: '列表' } })).status, 200);
  agent.destroy();
  const one = `GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
  const last = `GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`;
  assert.match(await raw(host, one + one + last), /^HTTP\/1\.1 200 OK/);
  assert.match((await host.request('HEAD', '/', { token: null })).headers['content-length'], /^\d{3,}$/);
  const { headers } = await host.get('/app.js', { token: null });
  assert.equal((await host.get('/app.js', { token: null, headers: { 'if-none-match': headers.etag } })).status, 304);
}));

test('a run, from hello to CSV', async (t) => withHost({}, async (host) => {
  const hand = await trainer(host, { total_steps: 3000 });
  const steps = 3000;
  const value = (step) => (step === 17 ? 'nan' : step === 18 ? '-inf' : 1 / step);
  for (let from = 1; from <= steps; from += 100) {
    const rows = [];
    for (let step = from; step < from + 100; step++) rows.push([step, 1700000000000 + step, step / 1000, value(step), step % 2 ? null : step * 1e-7]);
    hand.frame({ type: 'metrics', cols: ['loss', 'grad,norm'], rows });
  }
  hand.frame({ type: 'progress', step: 10, t_ms: 1700000000010, values: { loss: 0.5, acc: 0.25 } });
  await hand.next((frame) => frame.type === 'ack' && frame.seq === hand.seq);
  await t.test('the list and the run', async () => {
    const { runs } = (await host.get('/api/runs')).json;
    assert.equal(runs.length, 1);
    const { id, name, state, step, total_steps, params, metrics, started_ms, ended_ms, exit, signal, checkpoint } = runs[0];
    assert.deepEqual({ id, name, state, step, total_steps, params, ended_ms, exit, signal, checkpoint },
      { id: '1', name: 'hand', state: 'running', step: steps, total_steps: 3000, params: { lr: 0.1 }, ended_ms: null, exit: null, signal: null, checkpoint: null });
    assert.ok(started_ms > 1600000000000);
    assert.deepEqual(metrics, { loss: 0.5, 'grad,norm': 0.0003, acc: 0.25 });
    const run = (await host.get('/api/runs/1')).json;
    assert.ok(Array.isArray(run.events) && Array.isArray(run.param_history));
    assert.deepEqual(run.metric_names, ['loss', 'grad,norm', 'acc']);
    assert.equal(run.param_specs[0].max, 1);
  });
  await t.test('a set parameter is in the history with its step', async () => {
    const answer = host.command('lr 0.05');
    const set = await hand.next((frame) => frame.type === 'set');
    assert.deepEqual(set.params, { lr: 0.05 });
    hand.frame({ type: 'applied', id: set.id, step: steps, old: { lr: 0.1 }, new: { lr: 0.05 } });
    const { status, json } = await answer;
    assert.equal(status, 200);
    assert.equal(json.ok, true);
    assert.match(json.replies[0].text, /0\.1 → 0\.05/);
    const run = (await host.get('/api/runs/1')).json;
    const change = run.param_history.at(-1);
    assert.deepEqual({ step: change.step, name: change.name, old: change.old, new: change.new, by: change.by }, { step: steps, name: 'lr', old: 0.1, new: 0.05, by: 'web:token' });
  });
  await t.test('the CSV has every row once, in order, with every digit', async () => {
    const { text, headers, status } = await host.get('/api/runs/1/metrics.csv');
    assert.equal(status, 200);
    assert.match(headers['content-type'], /text\/csv/);
    const lines = text.trimEnd().split('\n');
    assert.equal(lines[0], 'step,t_ms,epoch,loss,"grad,norm",acc,progress_loss');
    assert.equal(lines.length, steps + 1);
    lines.slice(1).forEach((line, i) => {
      const step = i + 1;
      const cells = line.split(',');
      assert.equal(cells[0], String(step));
      assert.equal(cells[1], String(1700000000000 + step));
      assert.equal(Number(cells[2]), step / 1000);
      if (typeof value(step) === 'string') assert.equal(cells[3], value(step));
      else assert.equal(Number(cells[3]), value(step));
      assert.equal(cells[4] === '' ? null : Number(cells[4]), step % 2 ? null : step * 1e-7);
      assert.equal(cells[5], step === 10 ? '0.25' : '');
      assert.equal(cells[6], step === 10 ? '0.5' : '');
    });
  });
  await t.test('the series keeps extremes and counts what is not a number', async () => {
    const { json } = await host.get('/api/runs/1/series.json?metric=loss&points=50');
    const { buckets } = json.series[0];
    assert.ok(buckets.length <= 50 && buckets.length > 10);
    assert.equal(buckets.reduce((sum, b) => sum + b[6], 0) + 0, steps - (buckets.reduce((sum, b) => sum + b[6] + b[7], 0) === steps ? 2 : 0));
    assert.equal(buckets.reduce((sum, b) => sum + b[7], 0), 2);
    assert.equal(Math.max(...buckets.map((b) => b[3])), 1);
    assert.deepEqual((await host.get('/api/runs/1/series.json')).json.series.map((s) => s.metric), ['loss', 'acc']);
  });
  await t.test('a plot is asked for with what stands in the query', async () => {
    const { text, headers } = await host.get('/api/runs/1/plot.svg?metrics=loss,acc&width=390&dark=1');
    assert.match(headers['content-type'], /svg/);
    assert.match(text, /hand #1 loss 390 dark marks 1/);
    assert.match(headers['content-security-policy'], /sandbox/);
  });
  await t.test('metrics for Prometheus', async () => {
    const { text } = await host.get('/metrics');
    assert.match(text, /^trainbot_runs\{state="running"\} 1$/m);
    assert.match(text, /^trainbot_trainers_attached 1$/m);
    assert.match(text, /^trainbot_rows_total 3001$/m);
    assert.match(text, /^process_resident_memory_bytes \d+$/m);
    for (const line of text.trimEnd().split('\n')) assert.match(line, /^(# (HELP|TYPE) |[a-z_]+(\{[^}]*\})? [-+0-9.e]+$)/, line);
  });
  hand.destroy();
}));

test('the conversation over the socket', async (t) => withHost({}, async (host) => {
  const socket = await host.socket();
  const hello = await socket.next();
  assert.equal(hello.type, 'hello');
  await t.test('what is said is confirmed, shown and answered', async () => {
    socket.send({ type: 'say', text: '列表', id: 'one' });
    const inbound = await socket.next((p) => p.type === 'message');
    assert.equal(inbound.dir, 'in');
    assert.equal(inbound.say, 'one');
    assert.equal(inbound.text, '列表');
    const reply = await socket.next((p) => p.type === 'message');
    assert.equal(reply.dir, 'out');
    assert.ok(reply.rev > inbound.rev && reply.text.length > 0);
  });
  await t.test('the same id again does nothing twice', async () => {
    const before = (await host.get('/api/history')).json.messages.length;
    socket.send({ type: 'say', text: '列表', id: 'one' });
    await socket.next((p) => p.type === 'said' && p.id === 'one');
    assert.equal((await host.get('/api/history')).json.messages.length, before);
  });
  await t.test('nothing is lost while away', async () => {
    const { messages } = (await host.get('/api/history')).json;
    const rev = messages.at(-1).rev;
    socket.destroy();
    for (let i = 0; i < 120; i++) {
      const other = await host.socket();
      other.send({ type: 'say', text: `没有这个命令${i}`, id: `away-${i}` });
      await other.next((p) => p.type === 'message' && p.dir === 'out');
      other.destroy();
    }
    const back = await host.socket();
    back.send({ type: 'since', rev });
    const said = [];
    for (;;) {
      const packet = await back.next((p) => p.type === 'message' || p.type === 'synced');
      if (packet.type === 'synced') break;
      if (packet.dir === 'in') said.push(packet.say);
    }
    assert.deepEqual(said, Array.from({ length: 120 }, (_, i) => `away-${i}`));
    back.destroy();
  });
  await t.test('what is not understood is answered, what is too long is refused', async () => {
    const rude = await host.socket();
    rude.send('not json');
    assert.equal((await rude.next((p) => p.type === 'error')).type, 'error');
    rude.send({ type: 'say', text: 'x' });
    assert.equal((await rude.next((p) => p.type === 'error')).type, 'error');
    rude.send(JSON.stringify({ type: 'say', id: 'big', text: 'a'.repeat(1 << 20) }));
    assert.match((await rude.next((p) => p.type === 'error')).error, /64 KiB/);
    rude.sendPieces(JSON.stringify({ type: 'say', id: 'pieces', text: '状态' }), 5);
    assert.equal((await rude.next((p) => p.type === 'said')).id, 'pieces');
    rude.destroy();
  });
}));

test('rows and runs, live', async (t) => withHost({}, async (host) => {
  const all = await host.socket(), one = await host.socket();
  const a = await trainer(host), b = await trainer(host);
  one.send({ type: 'watch', runs: [b.run] });
  one.send({ type: 'say', text: '列表', id: 'w1' }); // its answer tells that the wish before it was read
  await one.next((p) => p.type === 'said');
  a.frame({ type: 'metrics', cols: ['loss'], rows: [[1, 1, null, 0.5]] });
  await all.next((p) => p.type === 'rows' && p.run === a.run);
  b.frame({ type: 'metrics', cols: ['loss', 'x'], rows: [[1, 1, 0.25, 'nan', null], [2, 2, 0.5, 0.1, -1]] });
  const packet = await one.next((p) => p.type === 'rows');
  assert.deepEqual(packet, { type: 'rows', run: b.run, progress: false, cols: ['loss', 'x'], rows: [[1, 1, 0.25, 'nan', null], [2, 2, 0.5, 0.1, -1]] });
  const run = await all.next((p) => p.type === 'run' && p.run.id === b.run && p.run.step === 2);
  assert.equal(run.run.metrics.loss, 0.1);
  await t.test('a page that does not read costs no memory, and learns that rows are missing', async () => {
    const slow = await host.socket();
    await slow.next();
    slow.socket.pause();
    const before = Number(/process_resident_memory_bytes (\d+)/.exec((await host.get('/metrics')).text)[1]);
    const cols = Array.from({ length: 20 }, (_, i) => `m${i}`);
    for (let i = 0; i < 3000; i++) {
      a.frame({ type: 'metrics', cols, rows: Array.from({ length: 5 }, (_, j) => [2 + i * 5 + j, 5, null, ...cols.map(() => Math.random())]) });
      if (i % 100 === 99) await a.next((f) => f.type === 'ack' && f.seq >= a.seq - 50, 30000);
    }
    const text = (await host.get('/metrics')).text;
    assert.ok(Number(/trainbot_live_dropped_total (\d+)/.exec(text)[1]) > 0, 'nothing was dropped');
    if (SLOW === 1) assert.ok(Number(/process_resident_memory_bytes (\d+)/.exec(text)[1]) - before < 30e6, 'memory grew');
    slow.socket.resume();
    await slow.next((p) => p.type === 'lagging', 20000);
    slow.destroy();
  });
  for (const socket of [all, one, a, b]) socket.destroy();
}));

test('many pages, all told the same', async () => withHost({}, async (host) => {
  const pages = await Promise.all(Array.from({ length: 200 }, () => host.socket()));
  await Promise.all(pages.map((page) => page.next((p) => p.type === 'hello')));
  pages[0].send({ type: 'say', text: '帮助', id: 'many' });
  const texts = await Promise.all(pages.map(async (page) => (await page.next((p) => p.type === 'message' && p.dir === 'out', 20000)).text));
  assert.equal(new Set(texts).size, 1);
  assert.match((await host.get('/metrics')).text, /^trainbot_pages 200$/m);
  pages.forEach((page) => page.destroy());
  await until('all are gone', async () => /^trainbot_pages 0$/m.test((await host.get('/metrics')).text));
}));

test('a slow reader of a large CSV gets all of it', async () => withHost({}, async (host) => {
  const hand = await trainer(host);
  const cols = Array.from({ length: 30 }, (_, i) => `metric_${i}`);
  let step = 0;
  for (let i = 0; i < 200; i++) {
    hand.frame({ type: 'metrics', cols, rows: Array.from({ length: 40 }, () => [++step, step, null, ...cols.map((_, j) => Math.sin(step * (j + 1)))]) });
    if (i % 20 === 19) await hand.next((f) => f.type === 'ack' && f.seq === hand.seq, 30000);
  }
  const text = await new Promise((done, fail) => {
    http.get({ host: '127.0.0.1', port: host.port, path: `/api/runs/${hand.run}/metrics.csv`, headers: { authorization: `Bearer ${host.token}` } }, (answer) => {
      let got = '';
      answer.setEncoding('utf8');
      answer.on('data', (data) => {
        got += data;
        answer.pause();
        setImmediate(() => answer.resume());
      });
      answer.on('end', () => done(got));
      answer.on('error', fail);
    });
  });
  const lines = text.trimEnd().split('\n');
  assert.equal(lines.length, step + 1);
  assert.deepEqual(lines.slice(1).map((line) => Number(line.split(',', 1)[0])), Array.from({ length: step }, (_, i) => i + 1));
  const quitter = net.connect(host.port, '127.0.0.1'); // one that leaves in the middle
  quitter.write(`GET /api/runs/${hand.run}/metrics.csv HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${host.token}\r\n\r\n`);
  await new Promise((done) => quitter.once('data', done));
  quitter.destroy();
  assert.equal((await host.get('/api/runs')).status, 200);
  hand.destroy();
}));

test('remote trainers', async (t) => withHost({}, async (host) => {
  await t.test('need their own token', async () => {
    await assert.rejects(host.socket('/trainer', {}), { status: 401 });
    await assert.rejects(host.socket('/trainer'), { status: 401 });
  });
  await t.test('get an answer to what is wrong and go on', async () => {
    const hand = await trainer(host);
    hand.send('nonsense');
    assert.equal((await hand.next((f) => f.type === 'error')).code, 'not_json');
    hand.send(JSON.stringify({ type: 'metrics', seq: 9, values: {}, junk: 'x'.repeat(200000) }));
    assert.equal((await hand.next((f) => f.type === 'error')).code, 'too_long');
    hand.frame({ type: 'metrics', cols: ['loss'], rows: [[1, 1, null, 1]] });
    await hand.next((f) => f.type === 'ack');
    hand.destroy();
    await until('the bot knows that the link is lost', async () => (await host.get(`/api/runs/${hand.run}`)).json.attached === false);
  });
}));

test('the end comes in order with work under way', async () => withHost({}, async (host) => {
  const hand = await trainer(host);
  const pages = await Promise.all([host.socket(), host.socket()]);
  const waiting = host.command('lr 0.2').catch(() => null); // never answered by the trainer
  await hand.next((f) => f.type === 'set');
  const half = net.connect(host.port, '127.0.0.1');
  half.on('error', () => {});
  half.write('POST /api/command HTTP/1.1\r\nHost: 127.0.0.1\r\n');
  assert.equal(await host.end(), 0);
  await waiting;
  pages.forEach((page) => page.destroy());
}));

test('TLS, and what is wrong with it', async (t) => {
  const host = new Host();
  const cert = join(host.folder, 'cert.pem'), key = join(host.folder, 'key.pem');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=localhost'], { stdio: 'ignore' });
  host.options = [`cert=${cert}`, `key=${key}`];
  await host.start();
  assert.match(host.link, /^https:/);
  const swap = await host.request('POST', '/api/session', { token: null, body: { token: host.token }, headers: { origin: host.base } });
  assert.match(swap.headers['set-cookie'][0], /Secure/);
  const socket = await host.socket();
  assert.equal((await socket.next()).type, 'hello');
  socket.destroy();
  assert.equal(await host.end(), 0);
  await t.test('a missing key, and a missing file', async () => {
    await assert.rejects(new Host({ folder: host.folder, options: [`cert=${cert}`] }).start(), /tls_cert and tls_key/);
    await assert.rejects(new Host({ folder: host.folder, options: [`cert=${cert}`, 'key=/nowhere'] }).start(), /tls_key=\/nowhere cannot be read/);
  });
  await host.remove();
});

test('starting where it cannot', async (t) => {
  const host = await new Host().start();
  await t.test('the port is taken', async () => {
    await assert.rejects(new Host({ listen: `127.0.0.1:${host.port}` }).start(), /Address already in use/);
  });
  await t.test('the address is none', async () => {
    await assert.rejects(new Host({ listen: 'example.com:80' }).start(), /listen=example\.com:80/);
  });
  await t.test('others may read the token', async () => {
    const second = new Host();
    execFileSync('mkdir', ['-p', join(second.folder, 's')]);
    writeFileSync(join(second.folder, 's', 'web-token'), 'a'.repeat(43));
    chmodSync(join(second.folder, 's', 'web-token'), 0o644);
    await assert.rejects(second.start(), /can be read by others \(mode 644\)/);
  });
  assert.equal(await host.remove(), 0);
  assert.ok(!existsSync(host.folder));
});
