// The main job in a real browser with the real bot and the real trainer: open the link on a phone-sized screen, write
// 开始, watch the seed's network train, change the learning rate in the middle, look at the curve, stop with a checkpoint.
import test from 'node:test';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { Bot, BIN, SLOW, join, until } from '../../support/bot.mjs';

const { chromium } = createRequire(import.meta.url)(process.env.PLAYWRIGHT);

test('开始, lr, 曲线, 停止 on the page', { timeout: 180000 * SLOW }, async (t) => {
  const train = join(BIN, 'trainbot-train');
  const bot = await new Bot({ config: `[trainer cnn]\ncommand=${train} --model cnn --checkpoint-dir {run_dir}/checkpoints\n` +
    `resume_args=--resume {checkpoint}\ndescribe=${train} --model cnn --describe\n` }).start();
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
  t.after(async () => {
    await browser.close();
    const { code } = await bot.remove();
    assert.equal(code, 0, 'the bot leaves cleanly');
  });
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, locale: 'zh-CN' });
  const page = await context.newPage();
  page.setDefaultTimeout(40000 * SLOW);
  await page.goto(`http://127.0.0.1:${bot.port}/#t=${bot.token}`);
  await page.waitForSelector('#state.live');
  const say = async (text) => {
    await page.fill('#text', text);
    await page.press('#text', 'Enter');
  };
  const reply = (pattern) => page.waitForFunction((source) => {
    const found = [...document.querySelectorAll('.message.theirs')].map((message) => message.innerText).find((text) => new RegExp(source).test(text));
    return found;
  }, pattern.source).then((handle) => handle.jsonValue());

  await say('开始');
  assert.match(await reply(/已开始/), /#1 cnn 已开始:lr 0\.001,批量 128,共 200,000 样本,每 10 步报告/);
  assert.match(await reply(/准确率 0\.\d+[\s\S]*\/1562 步/), /样本\/秒/);
  await say('lr 0.0005');
  const changed = await reply(/0\.001 → 0\.0005/);
  const step = Number(/第 (\d+) 步/.exec(changed)[1]);
  assert.ok(step > 0);
  const history = (await bot.run(1)).param_history.find((change) => change.name === 'lr' && change.step === step);
  assert.ok(history, JSON.stringify((await bot.run(1)).param_history));
  await say('曲线');
  await page.waitForFunction(() => [...document.querySelectorAll('.message.theirs img')].some((picture) => picture.complete && picture.naturalWidth >= 780));
  await say('停止');
  const stopped = await reply(/已停在第 \d+ 步/);
  const at = Number(/第 (\d+) 步/.exec(stopped)[1]);
  assert.match(stopped, /存档:runs\/1\/checkpoints\/step-\d+/);
  assert.ok(at >= step);
  assert.ok(existsSync(join(bot.state, 'runs/1/checkpoints', `step-${at}`)));
  const run = await until('the end', async () => { const now = await bot.run(1); return now.state === 'stopped' && now; });
  assert.equal(run.step, at);
  assert.equal(run.exit, 0);
  const rows = await bot.csv(1);
  assert.equal(rows.length, at);
  rows.forEach((row, i) => assert.equal(Number(row.step), i + 1));
  t.diagnostic(`lr from step ${step}, stopped at ${at}: ${stopped.replaceAll('\n', ' ')}`);
});
