// page.test.mjs: what a person does with the page on a phone, in a real browser: comes in by the link, starts a training,
// sees it go on, changes the learning rate, loses the network, stops, and looks at the run.

import test from 'node:test';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { Host, SLOW } from '../../integration/web/host.mjs';

const { chromium } = createRequire(import.meta.url)(process.env.PLAYWRIGHT);
const LIMIT = 15000 * SLOW;

async function open(browser, host, options = {}) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, locale: 'zh-CN', ...options });
  const page = await context.newPage();
  const errors = [];
  page.setDefaultTimeout(LIMIT);
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('request', (request) => new URL(request.url()).host === new URL(host.base).host || errors.push(`asked elsewhere: ${request.url()}`));
  await page.goto(host.link);
  return { page, context, errors };
}

const say = async (page, text) => {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
};
const reply = (page, pattern) => page.waitForFunction((source) => [...document.querySelectorAll('.message.theirs')].some((m) => new RegExp(source).test(m.innerText)), pattern.source);

test('the page on a phone', async (t) => {
  const host = await new Host({ trainer: ['steps=200000', 'rate=100'] }).start();
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
  const { page, context, errors } = await open(browser, host);
  await page.waitForSelector('#state.live');
  await t.test('the token has left the address', () => assert.ok(!page.url().includes('t=')));
  await t.test('nothing yet: it says what to do, and one tap does it', async () => {
    await page.click('#empty-start');
    await reply(page, /已开始/);
    await page.waitForSelector('#card .badge.running');
  });
  await t.test('progress is one message that changes in place', async () => {
    await page.waitForSelector('.message.progress');
    const first = await page.innerText('.message.progress');
    await page.waitForFunction((text) => document.querySelector('.message.progress').innerText !== text, first);
    assert.equal(await page.locator('.message.progress').count(), 1);
    await page.waitForFunction(() => /^\d/.test(document.querySelector('#card-tiles dd').innerText));
  });
  await t.test('the curve is drawn', async () => {
    await page.waitForFunction(() => {
      const canvas = document.querySelector('#card-curve');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let colours = 0;
      for (let i = 0; i < data.length; i += 4) colours += data[i + 3] > 200 && Math.abs(data[i] - data[i + 2]) > 60;
      return colours > 200;
    });
  });
  await t.test('the learning rate changes at a named step', async () => {
    await say(page, 'lr 0.0005');
    await reply(page, /0\.001 → 0\.0005.*第 \d+ 步/);
  });
  await t.test('what is said without a network is kept and sent once', async () => {
    await context.setOffline(true);
    await page.evaluate(() => dispatchEvent(new Event('offline')));
    await host.end();
    await page.waitForSelector('#state.offline, #state.connecting');
    await say(page, '列表');
    await page.waitForSelector('.message.unsent');
    host.listen = `127.0.0.1:${host.port}`;
    await host.start();
    await context.setOffline(false);
    await page.waitForSelector('#state.live');
    await page.waitForFunction(() => !document.querySelector('.message.unsent'));
    assert.equal(await page.locator('.message.mine', { hasText: '列表' }).count(), 1); // never gone in between
    await page.waitForFunction(() => !document.querySelector('#waiting').children.length);
    assert.equal(await page.locator('.message.mine', { hasText: '列表' }).count(), 1);
  });
  await t.test('the list, and one run with its parameters', async () => {
    await page.click('#runs-button');
    await page.click('#runs-list a.run');
    await page.waitForSelector('#run-curve');
    assert.match(await page.innerText('#run-body'), /学习率 lr\s+0\.0005/);
    await page.goBack();
    await page.goBack();
    assert.ok(await page.isVisible('#composer'));
  });
  await t.test('in English, at 320 px, sideways: nothing sticks out', async () => {
    await page.click('#menu-button');
    await page.click('#menu-language');
    assert.equal(await page.getAttribute('#text', 'placeholder'), 'Write to trainbot…');
    for (const [width, height] of [[320, 568], [844, 390], [1280, 800], [390, 844]]) {
      await page.setViewportSize({ width, height });
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${width}×${height}`);
      assert.ok(await page.isVisible('#send'));
    }
  });
  await t.test('every control has a name and is large enough', async () => {
    const small = await page.evaluate(() => [...document.querySelectorAll('button, textarea, a')].filter((n) => n.offsetParent)
      .filter((n) => !(n.innerText || n.ariaLabel || n.placeholder || '').trim() || n.offsetHeight < 32).map((n) => n.outerHTML.slice(0, 80)));
    assert.deepEqual(small, []);
  });
  assert.deepEqual(errors, []);
  await t.test('a wrong link shows nothing', async () => {
    const other = await browser.newContext();
    const stranger = await other.newPage();
    await stranger.goto(`${host.base}/#t=wrong-token-0123456789`);
    await stranger.waitForSelector('#invalid:not([hidden])');
    assert.ok(!(await stranger.innerText('body')).includes('cnn'));
    await other.close();
  });
  await browser.close();
  assert.equal(await host.remove(), 0);
});
