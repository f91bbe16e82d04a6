// The real bot on the stand-in of personal WeChat, and its terminal: what these tests share.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { Gateway } from '../../support/weixin_gateway.mjs';
import { BIN, Bot, join, until } from '../../support/bot.mjs';
import { chatBot } from '../../support/chat_bot.mjs';

export const OWNER = 'o9owner@im.wechat';
export const section = (gateway, more = '') => `[channel weixin]\nbase_url=${gateway.url}\ncdn_base_url=${gateway.cdnUrl}\n${more}`;

export async function gatewayFor(t, switches) {
  const gateway = await new Gateway({ switches }).start();
  t.after(() => gateway.close());
  return gateway;
}
// A state directory with its configuration, and no bot on it: for `trainbot login weixin` alone.
export function home(t, gateway, more) {
  const bot = new Bot({ config: section(gateway, more) });
  t.after(() => bot.remove());
  return bot;
}
// A running bot; `trainers` and `weixin` are parts of its configuration.
export async function begin(t, { switches, weixin = '', trainers = '', sets } = {}) {
  const gateway = await new Gateway({ switches }).start();
  const started = chatBot(t, { config: () => `${section(gateway, weixin)}${trainers}`, sets });
  await started.catch(() => gateway.close());
  t.after(() => gateway.close()); // after the bot's own end
  const bot = await started;
  return { gateway, bot, owner: gateway.person(OWNER) };
}

// `trainbot login weixin` with a pipe as its keyboard.
export class Login {
  constructor(t, bot) {
    this.out = '';
    this.err = '';
    this.child = spawn(join(BIN, 'trainbot'), bot.words('login', 'weixin'), { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdout.on('data', (data) => (this.out += data));
    this.child.stderr.on('data', (data) => (this.err += data));
    this.child.stdin.on('error', () => {});
    this.exited = new Promise((resolve) => this.child.on('close', (code, signal) => resolve(code ?? signal)));
    t.after(() => this.child.kill('SIGKILL'));
  }
  says(pattern) {
    return until(`the terminal says ${pattern}; it said:\n${this.out}${this.err}`, () => pattern.exec(this.out) ?? pattern.exec(this.err));
  }
  type(line) { this.child.stdin.write(`${line}\n`); }
}
// The whole login: the code is scanned and confirmed.
export async function logIn(t, gateway, bot, person) {
  const login = new Login(t, bot);
  const code = await gateway.nextCode();
  code.scan(person);
  code.confirm();
  assert.equal(await login.exited, 0, login.out + login.err);
  return login;
}
// Waits until the bot of this person polls.
export const polls = (gateway, person) => gateway.waitFor('the bot polls', () => person.bot?.open.size > 0);

export function clean(gateway) {
  assert.deepEqual(gateway.violations, []);
}
// Secrets of the service must stand nowhere that a person or a log reads.
export function noSecrets(gateway, text) {
  const secrets = [...gateway.accounts.keys(), ...gateway.codes.map((code) => code.qrcode)];
  for (const chat of gateway.chats.values()) secrets.push(...chat.tokens, ...(chat.ticket ? [chat.ticket] : []));
  for (const upload of gateway.cdn.uploads.values()) secrets.push(upload.aeskey, upload.parameter);
  for (const parameter of gateway.cdn.downloads.keys()) secrets.push(parameter);
  for (const secret of secrets) assert.ok(!text.includes(secret) && !text.includes(encodeURIComponent(secret)), `a secret in: ${text.slice(Math.max(0, text.indexOf(secret) - 200), text.indexOf(secret) + 200)}`);
}
