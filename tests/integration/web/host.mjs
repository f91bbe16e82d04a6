// host.mjs: the web_bot program as tests use it: started on a folder of its own and a free port, asked over HTTP with
// whatever headers a test likes, ended by closing its input; its exit status tells whether the loop could be closed.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectWebSocket } from './ws.mjs';

const here = dirname(fileURLToPath(import.meta.url));
export const SLOW = process.env.TRAINBOT_SANITIZED ? 4 : 1;
export const TRAINER_TOKEN = 'trainer-token-0123456789';

/** Waits for a thing, with a deadline. */
export async function until(what, check, ms = 10000) {
  const end = Date.now() + ms * SLOW;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${ms * SLOW} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

export class Host {
  constructor({ folder = mkdtempSync(join(tmpdir(), 'web-')), listen = '127.0.0.1:0', options = [], trainer = null } = {}) {
    Object.assign(this, { folder, listen, options, trainer, log: '' });
    this.tokenFile = join(folder, 'trainer-token');
    writeFileSync(this.tokenFile, `${TRAINER_TOKEN}\n`, { mode: 0o600 });
  }

  async start() {
    const words = [join(this.folder, 's'), this.listen, `trainer_token=${this.tokenFile}`, ...this.options];
    if (this.trainer) words.push(`trainer=${process.execPath}`, join(here, 'start_trainer.mjs'), join(this.folder, 'link'), TRAINER_TOKEN, ...this.trainer);
    this.child = spawn(process.env.WEB_BOT, words, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.exited = new Promise((done) => this.child.on('exit', (code, signal) => done(signal || code)));
    this.child.stderr.on('data', (data) => (this.log += data));
    let out = '';
    this.link = await new Promise((done, fail) => {
      this.child.stdout.on('data', (data) => {
        out += data;
        const link = /^link (\S+)$/m.exec(out);
        if (link) done(link[1]);
      });
      this.child.on('exit', (code) => fail(new Error(`web_bot ended (${code}): ${this.log}`)));
    });
    writeFileSync(join(this.folder, 'link'), this.link);
    const url = new URL(this.link);
    Object.assign(this, { base: url.origin, port: Number(url.port), token: url.hash.slice(3), secure: url.protocol === 'https:' });
    return this;
  }

  /** 0 when everything was closed. */
  async end() {
    this.child.stdin.end();
    return this.exited;
  }

  async remove() {
    const code = await this.end();
    rmSync(this.folder, { recursive: true, force: true });
    return code;
  }

  request(method, path, { body, headers = {}, token = this.token, agent } = {}) {
    return new Promise((done, fail) => {
      const all = { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers };
      for (const name of Object.keys(all)) if (all[name] === null) delete all[name];
      const request = (this.secure ? https : http).request({ host: '127.0.0.1', port: this.port, method, path, headers: all, agent, rejectUnauthorized: false }, (answer) => {
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('error', fail);
        answer.on('end', () => {
          const text = Buffer.concat(parts).toString();
          let json = null;
          try {
            json = JSON.parse(text);
          } catch { /* not JSON */ }
          done({ status: answer.statusCode, headers: answer.headers, text, json });
        });
      });
      request.on('error', fail);
      request.end(body === undefined ? undefined : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    });
  }

  get(path, options) {
    return this.request('GET', path, options);
  }

  command(text, more = {}) {
    return this.request('POST', '/api/command', { body: { text, ...more } });
  }

  socket(path = '/ws', headers = { Authorization: `Bearer ${this.token}` }) {
    return connectWebSocket(`${this.secure ? 'wss' : 'ws'}://127.0.0.1:${this.port}${path}`, headers);
  }

  trainerSocket() {
    return this.socket('/trainer', { Authorization: `Bearer ${TRAINER_TOKEN}` });
  }
}

let made = 0;
/** A hand-driven trainer over /trainer: says hello and waits for its welcome. */
export async function trainer(host, hello = {}) {
  const socket = await host.trainerSocket();
  socket.seq = 0;
  socket.frame = (frame) => socket.send({ ...frame, seq: ++socket.seq });
  socket.frame({
    type: 'hello', v: 1, instance: (++made).toString(16).padStart(32, '0'), name: 'hand', pid: 1, host: 'test', total_steps: 1000, batch: 10,
    params: [{ name: 'lr', type: 'float', value: 0.1, min: 0, max: 1, live: true }], commands: [], next_seq: 1, ...hello,
  });
  const welcome = await socket.next((frame) => frame.type === 'welcome');
  socket.run = welcome.run;
  return socket;
}
