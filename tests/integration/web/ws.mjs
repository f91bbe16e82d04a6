// ws.mjs: a WebSocket client for tests, small enough to misbehave on purpose (raw frames, no reading). Node 18 has none.

import crypto from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import { EventEmitter } from 'node:events';

function encode(opcode, payload, final = true) {
  const size = payload.length;
  const head = size < 126 ? Buffer.from([0, 0x80 | size]) : size < 65536 ? Buffer.alloc(4) : Buffer.alloc(10);
  head[0] = (final ? 0x80 : 0) | opcode;
  if (size >= 126 && size < 65536) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(size, 2);
  } else if (size >= 65536) {
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(size), 2);
  }
  const mask = crypto.randomBytes(4);
  const masked = Buffer.from(payload);
  for (let i = 0; i < size; i++) masked[i] ^= mask[i & 3];
  return Buffer.concat([head, mask, masked]);
}

/** Events: 'message' (text), 'close' (code). */
export class WebSocketClient extends EventEmitter {
  constructor(socket) {
    super();
    this.socket = socket;
    this.buffer = Buffer.alloc(0);
    this.waiting = [];
    this.queue = [];
    this.closed = false;
    this.code = 1006;
  }

  begin(rest) {
    this.take(rest);
    this.socket.on('data', (data) => this.take(data));
    this.socket.resume();
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.waiting.splice(0).forEach(({ fail }) => fail(new Error(`closed (${this.code})`)));
      this.emit('close', this.code);
    });
  }

  take(data) {
    this.buffer = this.buffer.length ? Buffer.concat([this.buffer, data]) : data;
    for (;;) {
      if (this.buffer.length < 2) return;
      let size = this.buffer[1] & 127, at = 2;
      if (size === 126) {
        if (this.buffer.length < 4) return;
        size = this.buffer.readUInt16BE(2);
        at = 4;
      } else if (size === 127) {
        if (this.buffer.length < 10) return;
        size = Number(this.buffer.readBigUInt64BE(2));
        at = 10;
      }
      if (this.buffer.length < at + size) return;
      const opcode = this.buffer[0] & 15, payload = this.buffer.subarray(at, at + size), final = this.buffer[0] & 0x80;
      this.buffer = this.buffer.subarray(at + size);
      if (opcode === 8) {
        if (size >= 2) this.code = payload.readUInt16BE(0);
        this.socket.end(encode(8, payload.subarray(0, 2)));
      } else if (opcode === 9) {
        this.socket.write(encode(10, payload));
      } else if (opcode < 3) {
        this.parts = this.parts ? Buffer.concat([this.parts, payload]) : Buffer.from(payload);
        if (final) {
          const text = this.parts.toString('utf8');
          this.parts = null;
          this.give(text);
        }
      }
    }
  }

  give(text) {
    this.emit('message', text);
    if (this.listenerCount('message') === 0 || this.keep) {
      const waiter = this.waiting.findIndex(({ match }) => match(text));
      if (waiter >= 0) this.waiting.splice(waiter, 1)[0].done(text);
      else this.queue.push(text);
    }
  }

  /** The next message (parsed) that matches; earlier ones that do not match are dropped. */
  async next(match = () => true, limitMs = 10000) {
    const test = (text) => match(JSON.parse(text));
    while (this.queue.length) {
      const text = this.queue.shift();
      if (test(text)) return JSON.parse(text);
    }
    if (this.closed) throw new Error(`closed (${this.code})`);
    return new Promise((done, fail) => {
      const timer = setTimeout(() => fail(new Error(`nothing came for ${limitMs} ms that matches ${match}`)), limitMs);
      this.waiting.push({ match: test, done: (text) => (clearTimeout(timer), done(JSON.parse(text))), fail: (e) => (clearTimeout(timer), fail(e)) });
    });
  }

  send(value) {
    this.socket.write(encode(1, Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))));
  }

  sendPieces(text, size) {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) {
      const last = at + size >= bytes.length;
      this.socket.write(encode(at ? 0 : 1, bytes.subarray(at, at + size), last));
    }
  }

  close() {
    this.socket.end(encode(8, Buffer.from([3, 232])));
  }

  destroy() {
    this.socket.destroy();
  }
}

/** Connects; rejects with {status, body} when the upgrade is refused. */
export function connectWebSocket(url, headers = {}) {
  const { protocol, hostname, port, pathname, host } = new URL(url);
  const secure = protocol === 'wss:' || protocol === 'https:';
  const plain = hostname.replace(/^\[|\]$/g, '');
  return new Promise((done, fail) => {
    const socket = secure ? tls.connect({ host: plain, port, rejectUnauthorized: false }) : net.connect({ host: plain, port });
    const lines = [`GET ${pathname} HTTP/1.1`];
    const all = { Host: host, Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64'), ...headers };
    for (const [name, value] of Object.entries(all)) if (value !== null) lines.push(`${name}: ${value}`);
    socket.setNoDelay(true);
    socket.once(secure ? 'secureConnect' : 'connect', () => socket.write(`${lines.join('\r\n')}\r\n\r\n`));
    socket.once('error', fail);
    let head = Buffer.alloc(0), answered = false;
    const onData = (data) => {
      head = Buffer.concat([head, data]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onData);
      socket.pause();
      const status = Number(head.subarray(9, 12));
      const rest = head.subarray(end + 4);
      answered = true;
      if (status !== 101) {
        let body = rest.toString();
        socket.on('data', (more) => (body += more));
        socket.resume();
        socket.on('close', () => fail(Object.assign(new Error(`upgrade refused: ${status}`), { status, body })));
        socket.end();
        return;
      }
      const client = new WebSocketClient(socket);
      done(client);
      setImmediate(() => client.begin(rest));
    };
    socket.on('data', onData);
    socket.on('close', () => answered || fail(new Error('closed before the upgrade')));
  });
}
