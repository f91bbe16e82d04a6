// How long the bot takes between a service's answer that brings a command and the request that carries its reply, and
// between a trainer's progress row and the message that shows it: both seen from the stand-in of the service, on loopback,
// so its own work and Node's are in the figures. usage: TRAINBOT_BIN=… node latency.mjs [rounds [channel]]
import { performance } from 'node:perf_hooks';
process.env.TRAINBOT_TEST_SPEED ??= '20'; // the services' own pauses between messages are not what is measured
const { Bot, Trainer, scratch, until } = await import('../../support/bot.mjs');
const { SIDES } = await import('../../e2e/delivery/sides.mjs');

const rounds = Number(process.argv[2] ?? 200), speed = Number(process.env.TRAINBOT_TEST_SPEED);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Calls back with the moment at which a message (not a poll) reached the service.
function watch(side, sent) {
  if (side.gateway) side.gateway.servers[0].prependListener('request', (request) => { if (request.url.endsWith('/sendmessage')) sent(performance.now()); });
  else if (side.name === 'telegram') side.server.server.prependListener('request', (request) => { if (/\/(sendMessage|editMessageText)$/.test(request.url)) sent(performance.now()); });
  else {
    const take = side.server.take.bind(side.server);
    side.server.take = (link, text) => { if (/aibot_(send|respond)_msg/.test(text.slice(0, 60))) sent(performance.now()); return take(link, text); };
  }
}

function say(name, times) {
  const sorted = [...times].sort((a, b) => a - b), at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  console.log(`${name}_p50 ${at(0.5).toFixed(2)} ms\n${name}_p99 ${at(0.99).toFixed(2)} ms\n${name}_max ${sorted.at(-1).toFixed(2)} ms\n${name}_count ${sorted.length}`);
}

for (const channel of process.argv[3] ? [process.argv[3]] : ['weixin', 'telegram', 'wecom']) {
  const side = new SIDES[channel](speed), dir = scratch(), bot = new Bot({ dir });
  await side.start(bot.state);
  Object.assign(bot, new Bot({ dir, config: `${side.config}[access]\nowner=${channel}:${side.id}\n[trainer t]\ncommand=/bin/true\n[bot]\ndefault_trainer=t\n` }));
  await bot.start();
  let next = null;
  watch(side, (now) => { next?.(now); next = null; });
  const once = () => new Promise((resolve) => { next = resolve; });
  const trainer = new Trainer(bot, { name: 'main', total: 1000000 });
  await trainer.ready();
  let sent = once();
  side.says('帮助', () => 1);
  await sent;
  const replies = [], rows = [];
  for (let i = 0; i < rounds; i++) {
    await pause(channel === 'wecom' ? 400 : 120); // slower than the pace that the service bears, or that is what is measured
    sent = once();
    const begun = performance.now();
    side.says('帮助', () => 1);
    replies.push((await sent) - begun);
  }
  say(`${channel}_reply`, replies);
  for (let i = 0; channel !== 'weixin' && i < rounds / 4; i++) { // WeChat gets digests, not rows
    await pause(channel === 'telegram' ? 400 : 450);
    sent = Promise.race([once(), pause(3000).then(() => null)]);
    const begun = performance.now();
    trainer.progress(i + 1, { loss: 1 / (i + 1) });
    const now = await sent;
    if (now !== null) rows.push(now - begun);
  }
  if (rows.length) say(`${channel}_progress`, rows);
  trainer.close();
  await bot.remove();
  await side.close();
}
process.exit(0);
