// The media half of the WeCom stand-in: init, chunks in any order, finish; what came together lives three days.
import { createHash } from 'node:crypto';
import { Rate } from './stand_in.mjs';

const CHUNK = 512 * 1024, MIB = 1 << 20;
const MOST = { image: 2 * MIB, voice: 2 * MIB, video: 10 * MIB, file: 20 * MIB };
const SESSION_MS = 30 * 60000, LIFE_MS = 3 * 86400000;

function looksLike(type, bytes) {
  if (type === 'image') return bytes.subarray(0, 4).toString('latin1') === '\x89PNG' || bytes.readUInt16BE(0) === 0xffd8 || bytes.subarray(0, 3).toString() === 'GIF';
  if (type === 'voice') return bytes.subarray(0, 5).toString() === '#!AMR';
  return true;
}

export class Uploads {
  constructor(gateway) {
    this.gateway = gateway;
    this.open = new Map();
    this.media = new Map();
    this.rate = new Rate(gateway.clock, [[30, 60000], [1000, 3600000]]);
    this.count = 0;
  }
  refuse(code, what, ...violation) {
    if (violation.length) this.gateway.wrong(`upload: ${what}`, violation[0]);
    return { errcode: code, errmsg: what };
  }
  init(body) {
    const { type, filename, total_size: size, total_chunks: chunks, md5 } = body;
    const bad = (what) => this.refuse(40058, what, { ...body });
    for (const key of Object.keys(body)) if (!['type', 'filename', 'total_size', 'total_chunks', 'md5'].includes(key)) this.gateway.wrong(`upload: the field ${key}`);
    if (!MOST[type]) return bad('invalid media type');
    if (typeof filename !== 'string' || !filename || Buffer.byteLength(filename) > 256) return bad('invalid filename');
    if (!Number.isInteger(size) || size < 5) return bad('invalid total_size');
    if (size > MOST[type]) return bad('media size out of limit');
    if (!Number.isInteger(chunks) || chunks < 1 || chunks > 100) return bad('invalid total_chunks');
    if (chunks < Math.ceil(size / CHUNK) || chunks > size) return bad('total_chunks does not fit total_size');
    if (md5 !== undefined && !/^[0-9a-f]{32}$/.test(md5)) return bad('invalid md5');
    if (md5 === undefined) this.gateway.note('upload without md5');
    if (this.rate.over()) return this.refuse(45009, 'upload freq out of limit', type);
    const id = `UP${++this.count}`;
    this.open.set(id, { type, filename, size, chunks, md5, parts: new Map(), at: this.gateway.clock.now() });
    return { body: { upload_id: id } };
  }
  session(body) {
    const session = this.open.get(body.upload_id);
    if (session && this.gateway.clock.now() - session.at > SESSION_MS) { this.open.delete(body.upload_id); return undefined; }
    return session;
  }
  chunk(body) {
    const session = this.session(body);
    if (!session) return this.refuse(40007, 'invalid upload_id', body.upload_id);
    const { chunk_index: index, base64_data: data } = body;
    if (!Number.isInteger(index) || index < 0 || index >= session.chunks) return this.refuse(40058, 'invalid chunk_index', index);
    if (typeof data !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(data) || data.length % 4) return this.refuse(40058, 'invalid base64_data', `${index}`);
    const bytes = Buffer.from(data, 'base64');
    if (bytes.length > CHUNK) return this.refuse(40058, 'chunk too large', bytes.length);
    if (!session.parts.has(index)) session.parts.set(index, bytes);
    return {};
  }
  finish(body) {
    const session = this.session(body);
    if (!session) return this.refuse(40007, 'invalid upload_id', body.upload_id);
    if (session.parts.size !== session.chunks) return this.refuse(40058, 'chunks missing', `${session.parts.size} of ${session.chunks}`);
    const bytes = Buffer.concat([...Array(session.chunks).keys()].map((i) => session.parts.get(i)));
    if (bytes.length !== session.size) return this.refuse(40058, 'total_size mismatch', `${bytes.length} for ${session.size}`);
    if (session.md5 && createHash('md5').update(bytes).digest('hex') !== session.md5) return this.refuse(40058, 'md5 mismatch', session.md5);
    if (!looksLike(session.type, bytes)) return this.refuse(40058, 'invalid media content', session.type);
    this.open.delete(body.upload_id);
    const id = `M${++this.count}`, now = this.gateway.clock.now();
    this.media.set(id, { type: session.type, filename: session.filename, bytes, at: now });
    const seconds = Math.floor(now / 1000);
    return { body: { type: session.type, media_id: id, created_at: this.count % 2 ? seconds : String(seconds) } };
  }
  // The media of this type, or undefined where it never was or is too old.
  find(type, id) {
    const media = this.media.get(id);
    return media && media.type === type && this.gateway.clock.now() - media.at < LIFE_MS ? media : undefined;
  }
}
