// What a service tells the bot in confidence, and what it is given by its owner, shows up nowhere: with the log at its most
// talkative, through sends, pictures, typing, errors of all kinds, a logout and a login.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Bot, SLOW, Trainer, scratch, until } from '../../support/bot.mjs';
import { SIDES, generator } from './sides.mjs';

const SPEED = 20;
process.env.TRAINBOT_TEST_SPEED = String(SPEED);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// All texts below `value` whose field is told in confidence.
const FIELDS = /^(context_token|typing_ticket|get_updates_buf|aeskey|aes_key|encrypt_query_param|upload_param|upload_full_url|bot_token|ticket|param|token|secret|newest|cursor)$/;
function confided(value, into, depth = 0, seen = new Set()) {
  if (!value || typeof value !== 'object' || depth > 6 || seen.has(value)) return into;
  seen.add(value);
  const entries = value instanceof Map ? [...value.entries()] : Object.entries(value);
  for (const [key, inner] of entries) {
    if (typeof inner === 'string' && FIELDS.test(String(key)) && inner.length >= 8) into.add(inner);
    else if (typeof inner === 'object' && !Buffer.isBuffer(inner)) confided(inner, into, depth + 1, seen);
  }
  return into;
}
const files = (dir) => readdirSync(dir).flatMap((name) => { const path = join(dir, name); return statSync(path).isDirectory() ? files(path) : [path]; });

for (const channel of ['weixin', 'telegram', 'wecom'])
  test(`${channel}: no secret anywhere`, { timeout: 120000 * SLOW }, async (t) => {
    const random = generator(4), side = new SIDES[channel](SPEED), dir = scratch(), bot = new Bot({ dir });
    await side.start(bot.state);
    Object.assign(bot, new Bot({ dir, config: `${side.config}[access]\nowner=${channel}:${side.id}\n[trainer t]\ncommand=/bin/true\n[bot]\ndefault_trainer=t\n` }));
    bot.level = 'debug';
    await bot.start();
    const secrets = new Set(side.secrets.filter((one) => one.length >= 6));
    const service = side.gateway ?? side.server, seen = [];
    const look = async () => {
      if (channel === 'weixin') for (const part of [service.accounts, service.chats, service.cdn]) confided(part, secrets);
      seen.push(readFileSync(`/proc/${bot.child.pid}/cmdline`, 'latin1'), readFileSync(`/proc/${bot.child.pid}/environ`, 'latin1'));
      for (const path of ['/api/channels', '/metrics', '/api/runs']) seen.push((await bot.request('GET', path)).bytes.toString());
      seen.push(JSON.stringify(await bot.command('通道')));
    };
    const trainer = new Trainer(bot, { name: 'x', total: 1000 });
    t.after(() => { trainer.close(); bot.child?.kill('SIGKILL'); return side.close(); });
    await trainer.ready();
    for (let i = 1; i < 30; i++) trainer.metrics(i, { loss: 1 / i });
    await trainer.drained();
    side.says('状态', () => 1);
    await until('an answer', () => side.shown.length > 0);
    side.says('曲线', () => 1);
    await until('the picture', () => side.shown.length > 1);
    // The service repeats what it was sent in its own words.
    if (channel === 'telegram') service.fault(() => true, { code: 400, description: `Bad Request: no such path /bot${service.token}/sendMessage` }, 4);
    if (channel === 'wecom') service.fault((frame) => frame.cmd !== 'aibot_subscribe', { errcode: 40058, errmsg: `secret ${service.secret} is bad` }, 3);
    if (channel === 'weixin') service.inject('sendmessage', { json: { ret: -3, errmsg: `token ${side.account.token} context ${[...service.chats.values()].map((chat) => `${chat.newest} ${chat.ticket}`).join(' ')}` } }, 2);
    side.says('状态', () => 1);
    await until('the refusal is logged', () => /-3|\b400\b|40058/.test(bot.log));
    side.calm();
    for (let i = 0; i < 25; i++) {
      side.disturb(random);
      side.says('状态', () => 1);
      if (i % 5 === 0) await look();
      await pause(100);
    }
    side.calm();
    await look();
    const state = async () => (await bot.json('/api/channels')).channels.find((one) => one.name === channel).state;
    await until('the channel is up', async () => await state() === 'up');
    side.says('退出', () => 1);
    await until('the question', () => side.shown.some(({ text }) => text.includes('60 秒内回')));
    side.says('是', () => 1);
    await until('the logout', async () => await state() === 'logged_out');
    await look();
    await bot.command(`登录 ${channel}`);
    if (channel !== 'weixin') await until('the login', async () => await state() === 'up'); // WeChat needs a new scan
    await look();
    assert.deepEqual(await bot.stop(), { code: 0, signal: null });
    if (channel === 'weixin') assert.ok(secrets.size >= 6, `the stand-in handed out ${secrets.size}`);
    const database = files(bot.state).find((path) => path.endsWith('.db') || path.endsWith('.sqlite'));
    assert.ok(database, `a database among ${files(bot.state)}`);
    // Every table but the one that keeps the marks and tokens themselves.
    const rows = execFileSync('python3', ['-c', `import sqlite3, sys
base = sqlite3.connect(sys.argv[1])
for (table,) in base.execute("select name from sqlite_master where type = 'table'").fetchall():
    if table != 'pair':
        for row in base.execute('select * from ' + table): print(table, row)`, database], { encoding: 'utf8', maxBuffer: 1 << 26 });
    assert.match(rows, /状态/, 'the messages are among them');
    for (const [where, text] of [['the log', bot.log], ['what it shows', seen.join('\n')], ['its rows', rows]])
      for (const secret of secrets) assert.ok(!text.includes(secret), `${where} holds a secret: …${text.slice(Math.max(0, text.indexOf(secret) - 120), text.indexOf(secret))}`);
    await bot.remove();
  });
