// The fault campaign: a person steers a training through one chat service while answers get lost, connections break, the
// service refuses, and the bot is killed again and again. Afterwards: no reply or alert lost, none out of order, none twice
// but where the service may have taken it before the connection or the bot died, no command carried out twice. The
// channel is argv; each finds out in its own program, so that they run side by side.
import test from 'node:test';
import assert from 'node:assert/strict';
import { Bot, SLOW, Trainer, scratch, until } from '../../support/bot.mjs';
import { SIDES, generator } from './sides.mjs';

const SPEED = 20;
process.env.TRAINBOT_TEST_SPEED = String(SPEED);
const channel = process.env.CAMPAIGN_CHANNEL ?? 'weixin';
const KILLS = Number(process.env.CAMPAIGN_KILLS ?? (process.env.TRAINBOT_FULL ? 500 : 100));
const seed = Number(process.env.CAMPAIGN_SEED ?? Date.now() % 1000000);

const CRASH = /⚠ #(\d+) 崩溃/g;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// A trainer that a hand-written program would be: takes each set once and says so.
function steered(bot) {
  const trainer = new Trainer(bot, { name: 'main', params: [{ name: 'k', type: 'int', value: 0, min: 0, max: 1000000, live: true }] });
  trainer.sets = new Map(); // id → value
  trainer.answers = new Map();
  trainer.value = 0;
  trainer.onControl = (frame) => {
    if (frame.type !== 'set') return;
    if (!trainer.sets.has(frame.id)) {
      trainer.sets.set(frame.id, frame.params.k);
      trainer.answers.set(frame.id, { type: 'applied', id: frame.id, step: trainer.sets.size, old: { k: trainer.value }, new: { k: frame.params.k } });
      trainer.value = frame.params.k;
      trainer.say(trainer.answers.get(frame.id));
    }
  };
  return trainer;
}

// Where each number of a kind stands in what was shown: number → [{at, lost, place}]
function found(shown, pattern) {
  const places = new Map();
  shown.forEach((message, place) => {
    for (const match of message.text.matchAll(pattern)) {
      const number = Number(match[1]);
      if (!places.has(number)) places.set(number, []);
      places.get(number).push({ ...message, place });
    }
  });
  return places;
}

test(`${channel}: ${KILLS} kills among faults (seed ${seed})`, { timeout: 1200000 * SLOW }, async (t) => {
  const random = generator(seed), side = new SIDES[channel](SPEED), dir = scratch();
  const bot = new Bot({ dir }), trainers = [];
  t.after(async () => {
    for (const one of trainers) one.close();
    await bot.remove();
    await side.close();
  });
  await side.start(bot.state);
  Object.assign(bot, new Bot({ dir, config: `${side.config}[access]\nowner=${channel}:${side.id}\n[trainer t]\ncommand=/bin/true\n[bot]\ndefault_trainer=t\n` }));
  await bot.start();
  const trainer = steered(bot);
  trainers.push(trainer);
  await trainer.ready();
  side.says('状态', random);
  await until('the first answer', () => side.shown.length > 0);
  let commands = 0, notes = 0, alerts = 0, faults = 0;
  const kills = [], crashed = [];
  while (kills.length < KILLS) {
    if (random() < 0.5) { side.disturb(random); faults++; }
    const what = random();
    if (what < 0.55) side.says(`参数 ${trainer.id} k=${++commands}`, random);
    else if (what < 0.85) trainer.event('note', { text: `note-${++notes}.` });
    else {
      const name = `crash-${++alerts}.`, run = new Trainer(bot, { name });
      crashed.push(run);
      trainers.push(run);
      run.say({ type: 'bye', status: 'failed' });
      run.drained().then(() => run.close(), () => {});
    }
    await pause(random() * 250);
    if (random() < 0.5) {
      kills.push(Date.now());
      await bot.kill();
      if (random() < 0.3) await pause(random() * 300);
      await bot.start();
      await side.restarted?.(new Set(trainer.sets.values()));
    }
  }
  side.calm();
  for (const run of crashed) await run.drained();
  await trainer.drained();
  const shown = () => side.shown;
  // Every now and then the person writes again: what waits for that leaves then.
  const enough = () => found(shown(), /→ (\d+),从/g).size >= commands && found(shown(), /note-(\d+)\./g).size >= notes && found(shown(), CRASH).size >= alerts;
  const end = Date.now() + Number(process.env.CAMPAIGN_WAIT ?? 120000) * SLOW;
  while (!enough() && Date.now() < end) {
    side.says('状态', () => 1);
    await pause(1500);
  }

  if (process.env.CAMPAIGN_SHOW || !enough()) console.log(shown().map((message) => `${message.at} ${message.lost} ${message.text}`).join('\n---\n'), bot.log,
    JSON.stringify(await bot.json('/api/channels').catch(String)), JSON.stringify((side.server ?? side.gateway).requests?.slice(-40)).slice(-8000));
  // Each command once, in the order written.
  const values = [...trainer.sets.values()];
  assert.deepEqual(values, Array.from({ length: commands }, (_, i) => i + 1), 'each command once and in order');
  const upTo = (count) => Array.from({ length: count }, (_, i) => i + 1);
  const kinds = [['replies', /→ (\d+),从/g, upTo(commands), true], ['notes', /note-(\d+)\./g, upTo(notes), true],
    ['alerts', CRASH, crashed.map((run) => Number(run.id)), false]]; // two runs that crash while the bot is down come in any order
  const counts = {};
  let widest = 0;
  for (const [name, pattern, numbers, ordered] of kinds) {
    const places = found(shown(), pattern);
    const missing = numbers.filter((number) => !places.has(number));
    assert.deepEqual(missing, [], `no ${name} lost`);
    const firsts = [...places.entries()].sort((a, b) => a[1][0].place - b[1][0].place || a[0] - b[0]).map(([number]) => number);
    if (ordered) assert.deepEqual(firsts, [...firsts].sort((a, b) => a - b), `${name} in order`);
    let twice = 0;
    for (const [number, list] of places)
      for (let i = 1; i < list.length; i++) {
        twice++;
        const killed = kills.find((at) => at >= list[i - 1].at - 320 && /* a slow service may have been at it when the bot died */ at <= list[i].at);
        if (killed !== undefined && !list[i - 1].lost) widest = Math.max(widest, killed - list[i - 1].at);
        assert.ok(list[i - 1].lost || killed !== undefined, `${name} ${number} came twice without a reason`);
      }
    counts[name] = { made: numbers.length, shownTwice: twice };
  }
  assert.ok(widest < 500 * SLOW, `a kill long after the service had answered led to a second copy: ${widest} ms`);
  if (side.violations.length) console.log('kills at', kills.map((at) => Math.round(at - Date.now() + performance.now())), bot.log);
  assert.deepEqual(side.violations, []);
  for (const secret of side.secrets) assert.ok(!bot.log.includes(secret), 'a secret in the log');
  const most = side.mostPerInbound === undefined ? '' : `, at most ${side.mostPerInbound} messages after one of the person's`;
  console.log(`${channel}: seed ${seed}, ${kills.length} kills, ${faults} faults, ${commands} commands each once; ${JSON.stringify(counts)}; lost 0; ` +
    `longest from the service's answer to a kill that led to a second copy: ${widest} ms${most}`);
});
