// The server's side of WebSocket (RFC 6455) for stand-ins of services: it is strict about what a client sends and free
// in what it sends itself (fragments, binary frames, garbage). Node's standard library only (18 and newer).
import { createHash } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const utf8 = new TextDecoder('utf-8', { fatal: true });

// One connection. The owner sets onText(text), onClose(); wrong(what) is called for every breach of RFC 6455.
export class WsPeer {
  constructor(stream, { wrong, maxBytes = 4 << 20 }) {
    Object.assign(this, { stream, wrong, maxBytes });
    this.bytes = Buffer.alloc(0);
    this.parts = [];
    this.kind = 0;
    this.open = true;
    this.pongs = 0;
    stream.setNoDelay?.(true);
    stream.on('data', (data) => this.take(data));
    stream.on('error', () => {});
    stream.on('end', () => stream.destroy());
    stream.on('close', () => { this.open = false; this.onClose?.(); });
  }
  take(data) {
    if (this.paused) return;
    this.bytes = this.bytes.length ? Buffer.concat([this.bytes, data]) : data;
    while (this.open && this.one());
  }
  one() {
    const bytes = this.bytes;
    if (bytes.length < 2) return false;
    const final = (bytes[0] & 0x80) !== 0, op = bytes[0] & 15, masked = (bytes[1] & 0x80) !== 0;
    let size = bytes[1] & 127, at = 2;
    if (size === 126) { if (bytes.length < 4) return false; size = bytes.readUInt16BE(2); at = 4; }
    else if (size === 127) { if (bytes.length < 10) return false; size = Number(bytes.readBigUInt64BE(2)); at = 10; }
    if (bytes[0] & 0x70) return this.fail('a reserved bit is set');
    if (!masked) return this.fail('a frame without a mask');
    if (size > this.maxBytes) return this.fail(`a frame of ${size} bytes`);
    if (bytes.length < at + 4 + size) return false;
    const mask = bytes.subarray(at, at + 4), body = Buffer.from(bytes.subarray(at + 4, at + 4 + size));
    for (let i = 0; i < size; i++) body[i] ^= mask[i & 3];
    this.bytes = bytes.subarray(at + 4 + size);
    return this.frame(op, final, body);
  }
  frame(op, final, body) {
    if (op >= 8) {
      if (!final || body.length > 125) return this.fail('a control frame in pieces or too long');
      if (op === 8) { this.closeCode = body.length >= 2 ? body.readUInt16BE(0) : 1005; this.raw(8, true, body); this.stream.end(); this.open = false; return false; }
      if (op === 9) this.raw(10, true, body);
      else if (op === 10) this.pongs++;
      else return this.fail(`opcode ${op}`);
      return true;
    }
    if (op > 2) return this.fail(`opcode ${op}`);
    if (op === 0 ? !this.kind : this.kind) return this.fail('fragments out of order');
    if (op) this.kind = op;
    this.parts.push(body);
    if (!final) return true;
    const whole = Buffer.concat(this.parts), kind = this.kind;
    this.parts = [];
    this.kind = 0;
    if (kind === 2) { this.wrong('a binary message'); return true; }
    let text;
    try { text = utf8.decode(whole); } catch { return this.fail('text that is not UTF-8'); }
    this.onText?.(text);
    return true;
  }
  fail(what) {
    this.wrong(`WebSocket: ${what}`);
    this.stream.destroy();
    this.open = false;
    return false;
  }
  raw(op, final, body) {
    if (this.stream.destroyed) return;
    const head = [(final ? 0x80 : 0) | op];
    if (body.length < 126) head.push(body.length);
    else if (body.length < 65536) head.push(126, body.length >> 8, body.length & 255);
    else { const size = Buffer.alloc(8); size.writeBigUInt64BE(BigInt(body.length)); head.push(127, ...size); }
    this.stream.write(Buffer.concat([Buffer.from(head), body]));
  }
  // pieces > 1: in so many fragments, cut anywhere, with a ping between them.
  text(text, pieces = 1) {
    const body = Buffer.isBuffer(text) ? text : Buffer.from(text), step = Math.max(1, Math.ceil(body.length / pieces));
    if (pieces <= 1) return this.raw(1, true, body);
    for (let at = 0; at < body.length; at += step) {
      this.raw(at ? 0 : 1, at + step >= body.length, body.subarray(at, at + step));
      if (at + step < body.length) this.raw(9, true, Buffer.from('between'));
    }
  }
  binary(body) { this.raw(2, true, body); }
  ping() { this.raw(9, true, Buffer.from('are you there')); }
  close(code = 1000) { const body = Buffer.alloc(2); body.writeUInt16BE(code); this.raw(8, true, body); this.stream.end(); }
  destroy() { this.stream.destroy(); this.open = false; } // without a close frame
}

// Listens for WebSocket clients. options: port (0: any), tls {key, cert}, path, onPeer(peer, request), wrong(what).
// handshake: 'accept' | 'refuse' (HTTP 503) | 'hang' (never answered) | 'garbage'.
export class WsServer {
  constructor(options) {
    this.options = { path: '/', ...options };
    this.handshake = 'accept';
    this.handshakes = 0;
    this.streams = new Set();
  }
  async listen(port = this.options.port ?? 0) {
    const { tls } = this.options;
    const server = tls ? https.createServer(tls) : http.createServer();
    this.server = server;
    server.on('connection', (stream) => { this.streams.add(stream); stream.on('close', () => this.streams.delete(stream)); });
    server.on('request', (request, answer) => { this.options.wrong(`a plain ${request.method} ${request.url}`); answer.writeHead(426).end(); });
    server.on('upgrade', (request, stream, head) => this.upgrade(request, stream, head));
    server.on('clientError', (_, stream) => stream.destroy());
    server.on('tlsClientError', () => {});
    await new Promise((resolve, reject) => { server.once('error', reject); server.listen(port, '127.0.0.1', resolve); });
    this.port = server.address().port;
    return this;
  }
  upgrade(request, stream, head) {
    this.handshakes++;
    const wrong = this.options.wrong, headers = request.headers;
    stream.on('error', () => {});
    if (this.handshake === 'hang') return;
    if (this.handshake === 'refuse') return stream.end('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    if (this.handshake === 'garbage') return stream.end('<html>what?</html>\r\n\r\n');
    if (request.url !== this.options.path) wrong(`handshake: path ${request.url}`);
    if (headers['sec-websocket-protocol'] !== undefined) wrong(`handshake: subprotocol ${headers['sec-websocket-protocol']}`);
    if (headers['sec-websocket-version'] !== '13') wrong('handshake: version');
    if (headers.authorization || headers.cookie) wrong('handshake: credentials in headers');
    const key = headers['sec-websocket-key'] ?? '';
    if (Buffer.from(key, 'base64').length !== 16) wrong('handshake: key');
    const accept = createHash('sha1').update(key + GUID).digest('base64');
    stream.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`);
    const peer = new WsPeer(stream, { wrong });
    this.options.onPeer(peer, request);
    if (head.length) peer.take(head);
  }
  // The network goes away: nobody is listening and every connection is cut.
  async close() {
    for (const stream of this.streams) stream.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
  reopen() { return this.listen(this.port); }
}
