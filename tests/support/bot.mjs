// The real programs as tests use them: a bot on a state directory of its own, commands to it, a WebSocket to its page,
// and a trainer that speaks the wire protocol by hand. Node's standard library only (18 and newer).
import { spawn, execFile } from 'node:child_process';
import { randomBytes, createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync, readFileSync, readdirSync, rmSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import http from 'node:http';
import net from 'node:net';

export const BIN = process.env.TRAINBOT_BIN;
if (!BIN) throw new Error('TRAINBOT_BIN names the folder with the programs');
export const SLOW = process.env.TRAINBOT_SANITIZED ? 4 : 1;

// Waits for a thing, with a deadline: resolves with the first truthy value of check().
export async function until(what, check, ms = 20000) {
  const end = Date.now() + ms * SLOW;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${ms * SLOW} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function scratch() {
  return mkdtempSync(join(process.env.TRAINBOT_TMP || tmpdir(), 'tb-'));
}

export class Bot {
  // trainers: the configuration's [trainer] sections as text; sets: further --set words.
  constructor({ dir = scratch(), config = '', sets = [] } = {}) {
    this.dir = dir;
    this.state = join(dir, 's');
    this.config = join(dir, 'trainbot.conf');
    this.sets = sets;
    this.level = 'info';
    this.port = 0;
    this.log = '';
    writeFileSync(this.config, `[bot]\nstate_dir=${this.state}\n[channel web]\nlisten=127.0.0.1:0\n${config}`);
  }
  words(...words) {
    return ['--config', this.config, ...this.sets.flatMap((set) => ['--set', set]), ...words];
  }
  async start() {
    const child = spawn(join(BIN, 'trainbot'), this.words('--log-level', this.level, 'serve'), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    this.exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })));
    let out = '';
    child.stderr.on('data', (data) => (this.log += data));
    await new Promise((resolve, reject) => {
      child.stdout.on('data', (data) => {
        out += data;
        const link = /http:\/\/127\.0\.0\.1:(\d+)\/#t=(\S+)/.exec(out);
        if (!link) return;
        this.port = Number(link[1]);
        this.token = link[2];
        resolve();
      });
      child.on('exit', (code, signal) => reject(new Error(`the bot ended (${code ?? signal}) before it was ready: ${this.log}`)));
    });
    return this;
  }
  async kill(signal = 'SIGKILL') {
    this.child.kill(signal);
    return this.exited;
  }
  async stop() {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return this.exited;
    return this.kill('SIGTERM');
  }
  async remove() {
    const end = await this.stop();
    this.sweep();
    rmSync(this.dir, { recursive: true, force: true });
    return end;
  }
  // Trainings outlive their bot, as they should; those of a test that failed in the middle must not outlive the test.
  sweep() {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
      let words = '';
      try { words = readFileSync(`/proc/${pid}/cmdline`, 'utf8'); } catch { continue; }
      if (!/trainbot-(train|keeper)/.test(words.split('\0')[0]) || !words.includes(this.dir)) continue;
      try { process.kill(Number(pid), 'SIGKILL'); } catch { /* it has just ended */ }
    }
  }
  // `trainbot send`: {code, out, err}
  send(text, { timeout = 60 } = {}) {
    return new Promise((resolve) => {
      execFile(join(BIN, 'trainbot'), this.words('--timeout', String(timeout * SLOW), 'send', ...(Array.isArray(text) ? text : [text])),
        { encoding: 'utf8', maxBuffer: 1 << 24 }, (error, out, err) => resolve({ code: error ? error.code : 0, out: out.trimEnd(), err }));
    });
  }
  request(method, path, { body, token = this.token, headers = {} } = {}) {
    return new Promise((resolve, reject) => {
      const all = { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers };
      const bytes = body === undefined ? undefined : typeof body === 'string' || Buffer.isBuffer(body) ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
      if (bytes) { all['content-type'] ??= 'application/json'; all['content-length'] ??= bytes.length; }
      const request = http.request({ host: '127.0.0.1', port: this.port, method, path, headers: all }, (answer) => {
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, bytes: Buffer.concat(parts) }));
        answer.on('error', reject);
      });
      request.on('error', reject);
      if (bytes) request.write(bytes);
      request.end();
    });
  }
  async json(path) {
    const answer = await this.request('GET', path);
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.bytes}`);
    return JSON.parse(answer.bytes);
  }
  runs() { return this.json('/api/runs').then((answer) => answer.runs); }
  run(id) { return this.json(`/api/runs/${id}`); }
  async csv(id) {
    const answer = await this.request('GET', `/api/runs/${id}/metrics.csv`);
    const [head, ...lines] = answer.bytes.toString().trimEnd().split('\n');
    const cols = head.split(',');
    return lines.filter(Boolean).map((line) => Object.fromEntries(line.split(',').map((value, i) => [cols[i], value])));
  }
  // POST /api/command
  async command(text, more = {}) {
    const answer = await this.request('POST', '/api/command', { body: { text, ...more } });
    return { status: answer.status, ...JSON.parse(answer.bytes) };
  }
}

// A small WebSocket client: text messages as objects, in `messages` and to on().
export class Socket {
  static open(bot, path = '/ws', token = bot.token) {
    return new Promise((resolve, reject) => {
      const key = randomBytes(16).toString('base64');
      const request = http.request({ host: '127.0.0.1', port: bot.port, path, headers: {
        connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': key,
        authorization: `Bearer ${token}` } });
      request.on('upgrade', (answer, stream, head) => {
        const accept = createHash('sha1').update(key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
        if (answer.headers['sec-websocket-accept'] !== accept) reject(new Error('a wrong accept header'));
        const socket = new Socket(stream);
        if (head.length) socket.take(head);
        resolve(socket);
      });
      request.on('response', (answer) => reject(new Error(`status ${answer.statusCode}`)));
      request.on('error', reject);
      request.end();
    });
  }
  constructor(stream) {
    this.stream = stream;
    this.bytes = Buffer.alloc(0);
    this.messages = [];
    this.text = '';
    this.closed = new Promise((resolve) => stream.on('close', resolve));
    stream.on('error', () => {});
    stream.on('data', (data) => this.take(data));
  }
  take(data) {
    this.bytes = Buffer.concat([this.bytes, data]);
    for (;;) {
      if (this.bytes.length < 2) return;
      let size = this.bytes[1] & 127, at = 2;
      if (size === 126) { if (this.bytes.length < 4) return; size = this.bytes.readUInt16BE(2); at = 4; }
      else if (size === 127) { if (this.bytes.length < 10) return; size = Number(this.bytes.readBigUInt64BE(2)); at = 10; }
      if (this.bytes.length < at + size) return;
      const op = this.bytes[0] & 15, final = this.bytes[0] & 128, body = this.bytes.subarray(at, at + size);
      this.bytes = this.bytes.subarray(at + size);
      if (op === 9) this.frame(10, body);
      if (op > 2) continue;
      this.text += body;
      if (!final) continue;
      const message = JSON.parse(this.text);
      this.text = '';
      this.messages.push(message);
      this.hear?.(message);
    }
  }
  frame(op, body) {
    const mask = randomBytes(4), head = [0x80 | op];
    if (body.length < 126) head.push(0x80 | body.length);
    else if (body.length < 65536) head.push(0x80 | 126, body.length >> 8, body.length & 255);
    else { const size = Buffer.alloc(8); size.writeBigUInt64BE(BigInt(body.length)); head.push(0x80 | 127, ...size); }
    const masked = Buffer.from(body.map((byte, i) => byte ^ mask[i & 3]));
    if (!this.stream.destroyed) this.stream.write(Buffer.concat([Buffer.from(head), mask, masked]));
  }
  send(object) { this.frame(1, Buffer.from(JSON.stringify(object))); }
  close() { this.stream.destroy(); }
}

// A trainer made of the wire protocol alone: keeps what is not acknowledged and sends it again after a reconnect.
export class Trainer {
  constructor(bot, { name = 'fake', instance = randomBytes(16).toString('hex'), params = [], commands = [], total = 0, batch = 1 } = {}) {
    Object.assign(this, { bot, name, instance, params, commands, total, batch });
    this.seq = 0;
    this.unacked = [];
    this.acked = 0;
    this.controls = [];
    this.errors = [];
    this.open = true;
    this.connect();
  }
  connect() {
    if (!this.open) return;
    const stream = net.connect(join(this.bot.state, 'trainer.sock'));
    this.stream = stream;
    this.welcomed = false;
    let text = '';
    stream.on('error', () => {});
    stream.on('connect', () => stream.write(JSON.stringify({ type: 'hello', v: 1, instance: this.instance, name: this.name, pid: process.pid, host: 'test',
      total_steps: this.total, batch: this.batch, params: this.params, commands: this.commands, next_seq: (this.unacked[0]?.seq) ?? this.seq + 1 }) + '\n'));
    stream.on('data', (data) => {
      text += data;
      for (let end; (end = text.indexOf('\n')) >= 0; text = text.slice(end + 1)) this.take(JSON.parse(text.slice(0, end)));
    });
    stream.on('close', () => { this.welcomed = false; if (this.open) setTimeout(() => this.connect(), 20); });
  }
  take(frame) {
    if (frame.type === 'welcome') {
      this.id = frame.run;
      this.ack(frame.ack);
      this.welcome = frame;
      this.welcomed = true;
      for (const line of this.unacked) this.stream.write(line.text);
    } else if (frame.type === 'ack') this.ack(frame.seq);
    else if (frame.type === 'error') this.errors.push(frame);
    else { this.controls.push(frame); this.onControl?.(frame); }
  }
  ack(seq) {
    if (seq > this.acked) this.acked = seq;
    while (this.unacked.length && this.unacked[0].seq <= seq) this.unacked.shift();
  }
  say(frame) {
    const line = { seq: ++this.seq };
    line.text = JSON.stringify({ ...frame, seq: line.seq }) + '\n';
    this.unacked.push(line);
    if (this.welcomed) this.stream.write(line.text);
    return line.seq;
  }
  metrics(step, values) { return this.say({ type: 'metrics', step, t_ms: Date.now(), values }); }
  progress(step, values) { return this.say({ type: 'progress', step, values }); }
  event(kind, fields = {}) { return this.say({ type: 'event', kind, ...fields }); }
  ready() { return until('the welcome', () => this.welcomed && this.id); }
  drained() { return until('every frame acknowledged', () => this.unacked.length === 0, 60000); }
  close() { this.open = false; this.stream.destroy(); }
}

export function trainerSection(name, words, more = '') {
  return `[trainer ${name}]\ncommand=${join(BIN, 'trainbot-train')} ${words}\n${more}`;
}
export { readFileSync, existsSync, join, spawn };
