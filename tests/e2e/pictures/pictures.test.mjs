// What a network has learned, asked from the chat: the real bot, a real training of a real model, real pictures.
import test from 'node:test';
import assert from 'node:assert/strict';
import { inflateSync } from 'node:zlib';
import { BIN, Bot, SLOW, join, trainerSection, until } from '../../support/bot.mjs';

const TRAIN = join(BIN, 'trainbot-train');
const ENDLESS = '--param ti=1000000000000 --param ds=100000 --param save_every=1000000000 --checkpoint-dir {run_dir}/checkpoints';
const section = (name, words = ENDLESS) => trainerSection(name, `--model ${name} ${words}`, `resume_args=--resume {checkpoint}\ndescribe=${TRAIN} --model ${name} --describe\n`);

async function begin(t, config, sets = []) {
  const bot = new Bot({ config, sets });
  t.after(() => bot.remove());
  await bot.start();
  return bot;
}
async function ask(bot, text, ok = true) { // { text, images }: its words, and its pictures' bytes
  const answer = await bot.command(text);
  assert.equal(answer.ok, ok, `${text}: ${JSON.stringify(answer)}`);
  const images = [];
  for (const reply of answer.replies) if (reply.image) images.push((await bot.request('GET', reply.image)).bytes);
  return { text: answer.replies.map((reply) => reply.text ?? '').join('\n').trimEnd(), images };
}
function look(bytes) { // a PNG that a phone shows: its size, and that something is on it
  assert.equal(bytes.subarray(0, 8).toString('latin1'), '\x89PNG\r\n\x1a\n');
  const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  assert.ok(width >= 200 && width <= 800 && height >= 100 && height <= 1600, `${width} x ${height}`);
  assert.ok(bytes.length < 200000, `${bytes.length} bytes`);
  const data = [];
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at)) if (bytes.toString('latin1', at + 4, at + 8) === 'IDAT') data.push(bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)));
  assert.ok(new Set(inflateSync(Buffer.concat(data))).size > 16, 'all one colour');
  return { width, height };
}
const stepped = (bot, id, step) => until(`step ${step} of #${id}`, async () => (await bot.run(id)).step >= step, 60000);

test('an autoencoder from the chat: 重建, 潜空间, 滤波器, and what it cannot show', { timeout: 120000 * SLOW }, async (t) => {
  const bot = await begin(t, section('autoencoder') + section('softmax'), ['bot.default_trainer=softmax']);
  await ask(bot, '开始 autoencoder');
  await stepped(bot, 1, 20);
  assert.match((await ask(bot, '帮助')).text, /这个训练自己的命令:重建 8 · 潜空间 · 滤波器$/);
  const pairs = await ask(bot, '重建 4');
  assert.match(pairs.text, /^4 张测试图:上面是原图,下面是还原\(第 \d+ 步\)\n每像素均方误差 0\.\d+$/);
  assert.equal(pairs.images.length, 1);
  const four = look(pairs.images[0]);
  const eight = await ask(bot, 'reconstructions');
  assert.match(eight.text, /^8 test images: the original above, what comes back below \(step \d+\)\nmean squared error per pixel 0\.\d+$/);
  assert.ok(look(eight.images[0]).height > 1.5 * four.height);
  const map = await ask(bot, '潜空间');
  assert.match(map.text, /^2,000 张测试图的编码\(每张 3 个数,第 \d+ 步\)\n横竖是前两个主成分,占全部方差的 \d+ %/);
  look(map.images[0]);
  look((await ask(bot, '滤镜')).images[0]);
  assert.match((await ask(bot, '重建 0', false)).text, /^#1 没有照做:张数要在 1 到 100 之间,不是"0"。$/);
  assert.match((await ask(bot, '重建 x', false)).text, /张数要在 1 到 100 之间,不是"x"。$/);
  assert.match((await ask(bot, '难例 16', false)).text, /^没有"难例"这个命令。发"帮助"看有哪些。\n这个训练自己的命令:重建 8 · 潜空间 · 滤波器$/);
  assert.match((await ask(bot, '识别 3', false)).text, /^#1\(autoencoder\)没有"识别"这个命令,它有:重建 8 · 潜空间 · 滤波器。$/);
  assert.match((await ask(bot, '重健 4', false)).text, /你是要"重建"吗/);
  assert.match((await ask(bot, '结果')).text, /#1 第 \d+ 步 · 潜空间\n/);
  await ask(bot, '停止');
  const after = await ask(bot, '重建 4'); // of the ended run, from its checkpoint
  assert.match(after.text, /^4 张测试图/);
  look(after.images[0]);
  assert.match((await ask(bot, '重建 999', false)).text, /^#1 没有做成\(重建 999\):.*张数要在 1 到 100 之间,不是"999"。$/);
});

test('a classifier from the chat: 难例, 混淆, in both languages, by a viewer too', { timeout: 120000 * SLOW }, async (t) => {
  const bot = await begin(t, section('softmax'), ['bot.default_trainer=softmax', 'access.viewers=web:looker']);
  await ask(bot, '开始');
  await stepped(bot, 1, 50);
  const hard = await ask(bot, '难例 6');
  assert.match(hard.text, /^10,000 张测试图里最难的 6 张\(第 \d+ 步\)\n1\. ✗ 认成.+,其实是.+,损失 \d+\.\d\d\n/);
  look(hard.images[0]);
  const matrix = await ask(bot, 'confusion');
  assert.match(matrix.text, /^test accuracy 0\.\d{4} \(10,000 images, step \d+\)\n(.+ taken for .+: \d+ \(\d+\.\d % of that class\)\n?){3}$/);
  look(matrix.images[0]);
  const viewed = await bot.request('POST', '/api/command', { body: { text: '混淆矩阵', as: 'web:looker' } });
  const answer = JSON.parse(viewed.bytes.toString());
  assert.equal(answer.ok, true, JSON.stringify(answer));
  assert.match(answer.replies[0].text, /^测试准确率 0\.\d{4}\(10,000 张,第 \d+ 步\)\n.+被认成.+:\d+ 张\(.+的 \d+\.\d %\)/);
  assert.match((await ask(bot, 'hardest 101', false)).text, /^#1 refused: the number of images must be between 1 and 100, not "101"\.$/);
  assert.match((await ask(bot, 'samples 4', false)).text, /This training's own commands: hardest 16 · confusion · filters$/);
});
