// Resident memory of the bot over many messages through each service's stand-in. usage: TRAINBOT_BIN=… node soak.mjs [messages]
import { readFileSync } from 'node:fs';
const { Bot, scratch } = await import('../../support/bot.mjs');
const { SIDES } = await import('../../e2e/delivery/sides.mjs');

const messages = Number(process.argv[2] ?? 20000), only = process.argv[3];
const rss = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

for (const channel of only ? [only] : ['weixin', 'telegram', 'wecom']) {
  // the pauses between messages are not what is measured; WeCom's heartbeats and time limits must stay sensible
  process.env.TRAINBOT_TEST_SPEED = channel === 'wecom' ? '100' : '5000';
  const side = new SIDES[channel](Number(process.env.TRAINBOT_TEST_SPEED)), dir = scratch(), bot = new Bot({ dir });
  await side.start(bot.state);
  if (side.server) side.server.limits = false;
  Object.assign(bot, new Bot({ dir, config: `${side.config}[access]\nowner=${channel}:${side.id}\n[trainer t]\ncommand=/bin/true\n[bot]\ndefault_trainer=t\n` }));
  await bot.start();
  const got = () => side.gateway ? side.person.sent.length : side.person.chat.messages.length;
  const marks = [], begun = Date.now();
  for (let said = 0; said < messages;) {
    const before = got();
    side.says('帮助', () => 1);
    said++;
    for (const end = Date.now() + 20000; got() <= before && Date.now() < end;) await new Promise((resolve) => setImmediate(resolve));
    if (said % Math.ceil(messages / 10) === 0) marks.push(rss(bot.child.pid));
  }
  console.log(`${channel}_messages ${got()}\n${channel}_per_s ${Math.round(messages / (Date.now() - begun) * 1000)}\n${channel}_rss_kib ${marks.join(' ')}`);
  await bot.remove();
  await side.close();
}
process.exit(0);
