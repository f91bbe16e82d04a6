// `trainbot login weixin` against every state that the service knows, and against a service that does not answer well.
import test from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { speed } from '../../support/chat_bot.mjs';
import { SLOW, join } from '../../support/bot.mjs';
import { Login, OWNER, clean, gatewayFor, home, noSecrets } from './phone.mjs';

speed(20);
const file = (bot) => join(bot.state, 'weixin', 'account.json');
async function start(t, switches, more) {
  const gateway = await gatewayFor(t, switches);
  const bot = home(t, gateway, more);
  const login = new Login(t, bot);
  t.after(() => noSecrets(gateway, login.out.replaceAll(/https:\/\/liteapp\S+/g, '') + login.err));
  return { gateway, bot, login, owner: gateway.person(OWNER) };
}
function kept(bot, owner) {
  assert.equal(statSync(file(bot)).mode & 0o777, 0o600);
  assert.equal(statSync(join(bot.state, 'weixin')).mode & 0o777, 0o700);
  const account = JSON.parse(readFileSync(file(bot), 'utf8'));
  assert.equal(account.bot_token, owner.bot.token);
  assert.equal(account.ilink_bot_id, owner.bot.id);
  assert.equal(account.ilink_user_id, owner.id);
  return account;
}

test('scanned, confirmed', { timeout: 30000 * SLOW }, async (t) => {
  const { gateway, bot, login, owner } = await start(t);
  const code = await gateway.nextCode();
  await login.says(/用微信扫/);
  await login.says(new RegExp(code.url.replace('?', '\\?')));
  code.scan(owner);
  await login.says(/已扫到,请在手机上确认/);
  code.confirm();
  assert.equal(await login.exited, 0, login.err);
  assert.match(login.out, /✓ 登录成功/);
  assert.equal(kept(bot, owner).baseurl, gateway.url);
  assert.deepEqual(code.tokens, []);
  clean(gateway);
});

test('a number: wrong, no number at all, right', { timeout: 30000 * SLOW }, async (t) => {
  const { gateway, bot, login, owner } = await start(t);
  const code = await gateway.nextCode();
  code.scan(owner, { number: '4207' });
  await login.says(/手机上显示一个数字,请输入/);
  login.type('1111');
  await login.says(/数字不对/);
  login.type('what?');
  await login.says(/请输入手机上显示的数字/);
  login.type(' 4207 ');
  await login.says(/已扫到/);
  code.confirm();
  assert.equal(await login.exited, 0, login.err);
  kept(bot, owner);
  clean(gateway);
});

test('a number that nobody can type: told at once', { timeout: 30000 * SLOW }, async (t) => {
  for (const early of [true, false]) { // the keyboard is gone before the number is asked for, or while it is
    const { gateway, bot, login, owner } = await start(t);
    if (early) login.child.stdin.end();
    (await gateway.nextCode()).scan(owner, { number: '42' });
    await login.says(/请输入/);
    if (!early) login.child.stdin.end();
    assert.equal(await login.exited, 1, login.out);
    assert.match(login.err, /请在终端里直接运行/);
    assert.equal(existsSync(file(bot)), false);
    clean(gateway);
  }
});

test('too many wrong numbers: another code', { timeout: 30000 * SLOW }, async (t) => {
  const { gateway, bot, login, owner } = await start(t, { wrongNumbers: 2 });
  const code = await gateway.nextCode();
  code.scan(owner, { number: '42' });
  await login.says(/请输入/);
  login.type('1');
  await login.says(/数字不对/);
  login.type('2');
  await login.says(/数字错得太多/);
  (await gateway.nextCode()).scan(owner).confirm();
  assert.equal(await login.exited, 0, login.err);
  kept(bot, owner);
  clean(gateway);
});

test('three codes grow old: given up', { timeout: 30000 * SLOW }, async (t) => {
  const { gateway, bot, login } = await start(t);
  for (let i = 0; i < 3; i++) (await gateway.nextCode()).expire();
  assert.equal(await login.exited, 1);
  assert.match(login.out, /换一个新的/);
  assert.match(login.err, /三个码都没有用上/);
  assert.equal(gateway.codes.length, 3);
  assert.equal(existsSync(file(bot)), false);
  clean(gateway);
});

test('redirected to another host, the next code from the first again', { timeout: 30000 * SLOW }, async (t) => {
  const { gateway, bot, login, owner } = await start(t);
  const code = await gateway.nextCode();
  code.redirect();
  await gateway.waitFor('the status asked at the second host', () => code.redirectTold && code.polls >= 2);
  code.expire();
  const second = await gateway.nextCode();
  second.redirect();
  await gateway.waitFor('the status asked at the second host', () => second.redirectTold && second.polls >= 2);
  second.scan(owner).confirm();
  assert.equal(await login.exited, 0, login.err);
  kept(bot, owner);
  clean(gateway);
});

test('a redirect without a host keeps the host; one that leads elsewhere is not followed', { timeout: 30000 * SLOW }, async (t) => {
  const one = await start(t);
  const code = await one.gateway.nextCode();
  code.redirect({ host: undefined });
  code.redirectHost = undefined;
  await one.gateway.waitFor('asked on', () => code.polls >= 2);
  code.scan(one.owner).confirm();
  assert.equal(await one.login.exited, 0, one.login.err);
  for (const host of ['evil.example', '10.0.0.1:80', '127.0.0.1@evil.example', 'weixin.qq.com.evil.example', 'x/y', '']) {
    const { gateway, login } = await start(t);
    const bad = await gateway.nextCode();
    bad.redirect({ host });
    if (host === '') { // as good as none
      await gateway.waitFor('asked on', () => bad.polls >= 2);
      login.child.kill('SIGINT');
      assert.equal(await login.exited, 130);
      continue;
    }
    assert.equal(await login.exited, 1, `${host}: ${login.out}`);
    assert.match(login.err, /不属于它的地址/);
    clean(gateway);
  }
});

test('confirmed without an account; a base address that is not the service\'s', { timeout: 30000 * SLOW }, async (t) => {
  const { gateway, bot, login, owner } = await start(t);
  (await gateway.nextCode()).scan(owner).confirm({ withoutId: true });
  assert.equal(await login.exited, 1);
  assert.match(login.err, /没有给出账号/);
  assert.equal(existsSync(file(bot)), false);
  const second = await start(t);
  (await second.gateway.nextCode()).scan(second.owner).confirm({ base: 'https://evil.example' });
  assert.equal(await second.login.exited, 0, second.login.err);
  assert.doesNotMatch(readFileSync(file(second.bot), 'utf8'), /evil/);
});

test('bound before: the stored account stays; tokens of old logins are named', { timeout: 30000 * SLOW }, async (t) => {
  const { gateway, bot, login, owner } = await start(t);
  (await gateway.nextCode()).scan(owner).confirm();
  assert.equal(await login.exited, 0);
  const first = kept(bot, owner);
  const again = new Login(t, bot);
  const code = await gateway.nextCode();
  assert.deepEqual(code.tokens, [first.bot_token]);
  code.scan(owner).confirm();
  assert.equal(await again.exited, 0, again.err);
  assert.match(again.out, /早就绑在这里/);
  assert.equal(kept(bot, owner).bot_token, first.bot_token);

  const other = gateway.person('o9second@im.wechat'); // another person scans: a new account takes the first one's place
  const third = new Login(t, bot);
  (await gateway.nextCode()).scan(other).confirm();
  assert.equal(await third.exited, 0, third.err);
  kept(bot, other);
  const fourth = new Login(t, bot);
  const last = await gateway.nextCode();
  assert.deepEqual([...last.tokens].sort(), [first.bot_token, other.bot.token].sort());
  fourth.child.kill('SIGTERM');
  assert.equal(await fourth.exited, 143);
  clean(gateway);
});

test('a service that fails counts as waiting', { timeout: 60000 * SLOW }, async (t) => {
  const { gateway, bot, login, owner } = await start(t);
  gateway.inject('get_bot_qrcode', { status: 502 });
  gateway.inject('get_bot_qrcode', { drop: 'before' });
  const code = await gateway.nextCode();
  const bad = [{ status: 524 }, { status: 500 }, { html: true }, { drop: 'before' }, { drop: 'during' }, { drop: 'answer' }, { raw: '{"status":7}' },
    { raw: '{"status":"unknown thing"}' }, { raw: '' }, { raw: '[]' }, { raw: Buffer.from([0xff, 0xfe]) }, { raw: '{'.repeat(50000) }];
  for (const fault of bad) gateway.inject('get_qrcode_status', fault);
  code.scan(owner);
  await login.says(/已扫到/);
  await login.says(/网络不通/);
  code.confirm();
  assert.equal(await login.exited, 0, login.err);
  kept(bot, owner);
  clean(gateway);
});

test('nobody confirms within 480 s', { timeout: 60000 * SLOW }, async (t) => {
  process.env.TRAINBOT_TEST_SPEED = '200';
  t.after(() => speed(20));
  const { gateway, login } = await start(t, { statusHoldMs: 60000 });
  await gateway.nextCode();
  assert.equal(await login.exited, 1);
  assert.match(login.err, /8 分钟/);
  assert.equal(gateway.codes.length, 1);
  clean(gateway);
});

test('in English; the service down altogether; the channel switched off', { timeout: 60000 * SLOW }, async (t) => {
  const gateway = await gatewayFor(t);
  const bot = home(t, gateway);
  bot.sets = ['bot.language=en'];
  await gateway.close();
  const down = new Login(t, bot);
  assert.equal(await down.exited, 1);
  assert.match(down.out, /does not answer/);
  assert.match(down.err, /no login code could be had: .*refused/);
  await gateway.start();
  const login = new Login(t, bot);
  (await gateway.nextCode()).scan(gateway.person(OWNER)).confirm();
  assert.equal(await login.exited, 0);
  assert.match(login.out, /Scan this code with WeChat[^]*Logged in/);
  assert.doesNotMatch(login.out, /[\u4e00-\u9fff]/);
  bot.sets = ['channel weixin.enabled=false'];
  const off = new Login(t, bot);
  assert.equal(await off.exited, 1);
  assert.match(off.err, /enabled=true/);
});
