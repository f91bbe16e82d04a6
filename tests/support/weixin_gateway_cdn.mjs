// The CDN's half of the gateway: upload addresses, ciphertexts, and what a person's phone can open of them.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

const opaque = () => `${randomBytes(24).toString('base64')}+/=&?`; // needs percent-encoding wherever it stands in a query

export class Cdn {
  constructor(gateway) {
    this.gateway = gateway;
    this.uploads = new Map();   // upload parameter → what getuploadurl was told, and the bytes once they are here
    this.downloads = new Map(); // download parameter → upload, or {cipher, key} of what a person sent
    this.filekeys = new Set();
  }
  // getuploadurl → its answer
  ticket(request, wrong) {
    const { gateway } = this;
    if (this.filekeys.has(request.filekey)) wrong.push('field filekey was used before');
    this.filekeys.add(request.filekey);
    const parameter = opaque();
    this.uploads.set(parameter, { ...request, parameter });
    const query = `encrypted_query_param=${encodeURIComponent(parameter)}&filekey=${request.filekey}`;
    const how = gateway.switches.uploadUrl;
    return {
      ...gateway.ok(),
      upload_param: how === 'full' || how === 'none' ? '' : parameter,
      thumb_upload_param: '',
      ...(how === 'full' || how === 'both' ? { upload_full_url: `${gateway.cdnUrl}/upload?${query}` } : how === 'none' || how === 'param' ? {} : { upload_full_url: ' ' }),
    };
  }
  // POST /upload → {status, headers}
  upload(request, query, wrong) {
    const upload = this.uploads.get(query.get('encrypted_query_param'));
    if (!upload) wrong.push('an upload parameter that was never given');
    else if (query.get('filekey') !== upload.filekey) wrong.push('a filekey that is not this upload\'s');
    else this.judge(upload, request.body, wrong);
    if (wrong.length) return { status: 400, headers: { 'x-error-message': wrong[0] }, body: '' };
    const parameter = opaque();
    this.downloads.set(parameter, { ...upload, cipher: request.body });
    return { status: 200, headers: { 'x-encrypted-param': parameter }, body: '' };
  }
  judge(upload, cipher, wrong) {
    if (cipher.length !== upload.filesize) wrong.push(`${cipher.length} bytes uploaded, filesize said ${upload.filesize}`);
    try {
      const plain = decrypt(cipher, Buffer.from(upload.aeskey, 'hex'));
      if (plain.length !== upload.rawsize) wrong.push(`${plain.length} plain bytes, rawsize said ${upload.rawsize}`);
      if (createHash('md5').update(plain).digest('hex') !== upload.rawfilemd5) wrong.push('rawfilemd5 is not that of the plain bytes');
    } catch {
      wrong.push('the upload is not AES-128-ECB with PKCS#7 under aeskey');
    }
  }
  // What a sendmessage's media names, as the phone sees it: the plain bytes, or null where it stays grey.
  open(media, type, wrong) {
    const stored = this.downloads.get(media?.encrypt_query_param);
    if (!stored) { wrong.push('media.encrypt_query_param is not what the upload gave'); return null; }
    if (media.encrypt_type !== 1) wrong.push(`media.encrypt_type is ${JSON.stringify(media.encrypt_type)}`);
    if (stored.media_type !== { 2: 1, 4: 3, 5: 2 }[type]) wrong.push('the upload was of another media_type');
    const hex = Buffer.from(String(media.aes_key), 'base64').toString('latin1');
    if (!/^[0-9a-f]{32}$/.test(hex) || Buffer.from(hex).toString('base64') !== media.aes_key) {
      wrong.push('media.aes_key is not base64 of 32 hex digits: the picture stays grey');
      return null;
    }
    if (hex !== stored.aeskey) { wrong.push('media.aes_key is not the upload\'s'); return null; }
    return { bytes: decrypt(stored.cipher, Buffer.from(hex, 'hex')), stored };
  }
  // A picture (file, voice) of a person: the media reference that stands in their message.
  store(bytes, { fullUrl = false } = {}) {
    const key = randomBytes(16), parameter = opaque();
    const cipher = createCipheriv('aes-128-ecb', key, null);
    this.downloads.set(parameter, { cipher: Buffer.concat([cipher.update(bytes), cipher.final()]), aeskey: key.toString('hex') });
    const full = `${this.gateway.cdnUrl}/download?encrypted_query_param=${encodeURIComponent(parameter)}`;
    return { key, media: { encrypt_query_param: parameter, aes_key: Buffer.from(key.toString('hex')).toString('base64'), encrypt_type: 1, ...(fullUrl ? { full_url: full } : {}) } };
  }
  download(request, query, wrong) {
    const stored = this.downloads.get(query.get('encrypted_query_param'));
    if (!stored) { wrong.push('a download parameter that was never given'); return { status: 404, headers: {}, body: '' }; }
    return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: stored.cipher };
  }
}
function decrypt(bytes, key) {
  const decipher = createDecipheriv('aes-128-ecb', key, null);
  return Buffer.concat([decipher.update(bytes), decipher.final()]);
}
