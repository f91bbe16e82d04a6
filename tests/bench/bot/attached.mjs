// What a training costs with the bot attached: pairs of runs, alone and attached, order alternating; prints the median
// ratio of their samples per second. usage: TRAINBOT_BIN=… node attached.mjs [MODEL] [PAIRS] [STEPS]
import { spawnSync } from 'node:child_process';
import { Bot, BIN, join, scratch } from '../../support/bot.mjs';
import { rmSync } from 'node:fs';

const [model = 'cnn', pairs = '15', steps = '120'] = process.argv.slice(2);
const bot = await new Bot().start();

function samplesPerSecond(socket) {
  const dir = scratch();
  const { stderr: out } = spawnSync(join(BIN, 'trainbot-train'),
    ['--model', model, '--steps', steps, '--param', 'ds=10', '--checkpoint-dir', dir],
    { encoding: 'utf8', env: { ...process.env, TRAINBOT_SOCKET: socket } });
  rmSync(dir, { recursive: true, force: true });
  const found = /([\d,]+) samples\/s/.exec(out);
  if (!found) throw new Error(`no figure in: ${out}`);
  return Number(found[1].replaceAll(',', ''));
}

const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
const ratios = [], alone = [], attached = [];
for (let i = 0; i < Number(pairs); i++) {
  const figures = {};
  for (const which of i % 2 ? ['alone', 'attached'] : ['attached', 'alone'])
    figures[which] = samplesPerSecond(which === 'alone' ? '' : join(bot.state, 'trainer.sock'));
  alone.push(figures.alone);
  attached.push(figures.attached);
  ratios.push(figures.attached / figures.alone);
}
console.log(`alone ${median(alone)} samples/s`);
console.log(`attached ${median(attached)} samples/s`);
console.log(`attached_to_alone ${median(ratios).toFixed(4)} ratio`);
const rows = (await bot.runs()).length;
console.log(`attached_runs ${rows} count`);
await bot.remove();
