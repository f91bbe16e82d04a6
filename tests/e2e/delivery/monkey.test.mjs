// A monkey at each chat service: somebody writes and presses, logs out and in, swaps the account, the service fails, goes
// away, comes back, throws the bot out, and the bot is ended and begun, all at random moments. Whatever happened: every
// SIGTERM ends with exit code 0 (every handle closed, nothing leaked), and once the service is sane the bot is up again by
// what a person can do, and answers. The channel is MONKEY_CHANNEL, the time MONKEY_MS, the seed MONKEY_SEED.
import test from 'node:test';
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bot, SLOW, Trainer, scratch, until } from '../../support/bot.mjs';
import { SIDES, generator, pick } from './sides.mjs';

const SPEED = 20;
process.env.TRAINBOT_TEST_SPEED = String(SPEED);
const channel = process.env.MONKEY_CHANNEL ?? 'weixin', TIME_MS = Number(process.env.MONKEY_MS ?? 8000);
const seed = Number(process.env.MONKEY_SEED ?? Date.now() % 1000000), random = generator(seed);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// What each service can do to a bot besides the campaign's faults; all of it is undone by heal().
const PRANKS = {
  weixin: (side, bot) => {
    const path = join(bot.state, 'weixin', 'account.json');
    const write = (text) => writeFileSync(path, text, { mode: 0o600 });
    const account = (more = {}) => JSON.stringify({ bot_token: side.account.token, ilink_bot_id: side.account.id, baseurl: side.gateway.url,
      ilink_user_id: side.id, saved_ms: Date.now(), ...more });
    const anew = () => { side.account = side.gateway.account({ owner: side.person }); write(account()); };
    let open = true;
    const away = async (ms) => { if (!open) return; open = false; await side.gateway.close(); await pause(ms); await side.gateway.start(); open = true; };
    return {
      pranks: [() => write(account()), anew, () => rmSync(path, { force: true }), () => write('{"bot_token":'), () => write(account({ bot_token: 'x@im.bot:wrong' })),
        () => side.account.expire(pick(random, ['errcode', 'ret', 'both', 'http401'])), () => away(random() * 400),
        () => side.gateway.inject(pick(random, ['getconfig', 'sendtyping', 'msg/notifystart', 'msg/notifystop', 'getuploadurl']), pick(random, [{ drop: 'after' }, { delay: 20000 }, { status: 502 }, { errcode: -14 }, { html: true }]), 1)],
      heal: anew,
      // An injected -14 or a swapped account leaves requests of the old login on their way; an old account put back after a
      // logout begins without its cursor; notifystart may be lost.
      explained: /within 60 s of -14|dead token|unknown token|the cursor was forgotten|before notifystart/,
    };
  },
  telegram: (side) => {
    let open = true;
    const away = async (ms) => { if (!open) return; open = false; await side.server.close(); await pause(ms); await side.server.reopen(); open = true; };
    const token = side.server.token;
    return {
      pranks: [() => side.server.revoke(), () => side.server.restore(), () => away(random() * 400),
        () => side.server.fault((request) => /getme|deletewebhook|setmycommands|answercallback|sendchataction/.test(request.method), pick(random, ['drop', 'hang', 'dropAfter', { delay: 400 }, { code: 500 }, { code: 429, parameters: { retry_after: 3 } }, { status: 200, body: '[]' }]), 1),
        () => { try { side.person.press(pick(random, ['状态', '停止', '确认停止', '不', '曲线'])); } catch { /* nothing of the kind is shown */ } },
        () => { side.server.updates.webhook = side.server.updates.webhook ? '' : 'https://example.com/'; }],
      heal: () => { side.server.restore(token); side.server.updates.webhook = ''; },
      // A pause that the service asked for is not remembered over a restart.
      explained: /before retry_after has passed|ms after 409/,
    };
  },
  wecom: (side) => {
    let open = true;
    const away = async (ms) => { if (!open) return; open = false; await side.server.close(); await pause(ms); await side.server.reopen(); open = true; };
    const { secret } = side.server;
    return {
      pranks: [() => side.server.ready && side.server.kick(), () => side.server.cut(), () => away(random() * 400), () => { side.server.secret = 'another'; },
        () => { side.server.secret = secret; }, () => side.server.ready && side.server.garbage(pick(random, ['{', '[]', '{"cmd":"aibot_msg_callback"}'])), () => side.server.ready && side.server.binary(Buffer.alloc(100)),
        () => side.server.fault((frame) => /subscribe|ping|upload/.test(frame.cmd), pick(random, ['drop', 'lost', 'noAck', 'dropAfter', { errcode: -1 }, { delay: 300 }]), 1),
        () => { try { side.person.clicks(pick(random, ['状态', '停止', '曲线'])); } catch { /* no such card */ } }],
      before: () => side.server.mayReturn(), // a person asked for it, or another bot begins
      heal: () => { side.server.secret = secret; },
      // How much was sent is not remembered over a restart, and here one follows the other.
      explained: /more than 30 messages a minute/,
    };
  },
};

test(`${channel}: a monkey for ${TIME_MS} ms (seed ${seed})`, { timeout: (TIME_MS + 120000) * SLOW }, async () => {
  const side = new SIDES[channel](SPEED), dir = scratch(), bot = new Bot({ dir });
  await side.start(bot.state);
  Object.assign(bot, new Bot({ dir, config: `${side.config}[access]\nowner=${channel}:${side.id}\n[trainer t]\ncommand=/bin/true\n[bot]\ndefault_trainer=t\n` }));
  const { pranks, heal, before, explained } = PRANKS[channel](side, bot);
  const counts = {}, did = [], trainers = [], took = [];
  const note = (what) => { counts[what] = (counts[what] ?? 0) + 1; did.push(what); };
  const clean = ({ code, signal }) => assert.deepEqual([code, signal], [0, null], `after ${did.slice(-12).join(', ')}:\n${bot.log.slice(-6000)}`);
  const login = () => bot.command(`登录 ${channel}`).catch(() => {}); // it may just be ending
  await bot.start();
  const actions = {
    say: () => side.says(pick(random, ['状态', '列表', '帮助', '是', '不', '退出', '静音 1', `登录 ${channel}`, '看不懂的话', 'x'.repeat(3000)]), random),
    progress: () => {
      if (trainers.length < 3) trainers.push(new Trainer(bot, { name: `r${trainers.length}`, total: 100000 }));
      const one = pick(random, trainers);
      one.step = (one.step ?? 0) + 100;
      if (random() < 0.5) one.event('note', { text: `note ${one.step}` });
      else one.metrics(one.step, { loss: 1 / one.step });
    },
    fault: () => side.disturb(random),
    prank: () => pick(random, pranks)(),
    login: () => { before?.(); return login(); },
    logout: async () => { side.says('退出', random); await pause(random() * 60); side.says('是', random); },
    restart: async () => { clean(await bot.stop()); before?.(); await bot.start(); },
  };
  const weights = ['say', 'say', 'say', 'progress', 'progress', 'progress', 'fault', 'fault', 'prank', 'prank', 'login', 'login', 'logout', 'restart'];
  for (const end = Date.now() + TIME_MS; Date.now() < end; await pause(random() * 120)) {
    const what = pick(random, weights);
    note(what);
    await actions[what]();
  }
  // The service is itself again; a person logs in where that is wanted. Twice: also after a restart.
  for (const round of ['sane again', 'begun again']) {
    side.calm();
    heal();
    let asked = 0;
    const since = Date.now();
    await until(`${round}: up and answering`, async () => {
      if (asked++ % 50 === 0) {
        before?.();
        await login();
        side.says('状态', () => 1);
      }
      const { channels } = await bot.json('/api/channels'), one = channels.find(({ name }) => name === channel);
      return one.state === 'up' && side.shown.some((message) => message.at > since && /训练|还没有|#\d/.test(message.text));
    }, 60000).catch((error) => { throw new Error(`${error.message} after ${did.slice(-12).join(', ')}:\n${bot.log.slice(-6000)}`); });
    took.push(Date.now() - since);
    clean(await bot.stop());
    if (round === 'sane again') { before?.(); await bot.start(); }
  }
  assert.doesNotMatch(bot.log, /AddressSanitizer|LeakSanitizer|runtime error/);
  for (const secret of side.secrets) assert.ok(!bot.log.includes(secret), 'a secret in the log');
  const violations = side.violations.map((one) => (one.what ? `${one.path}: ${one.what}` : one)).filter((one) => !explained.test(one));
  assert.deepEqual(violations, []);
  console.log(`${channel}: seed ${seed}: ${JSON.stringify(counts)}, up and answering after ${took.join(' and ')} ms`);
  for (const trainer of trainers) trainer.close();
  await bot.remove();
  await side.close();
});
