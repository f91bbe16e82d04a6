// What goes wrong gets one clear line and a non-zero exit, and changes nothing.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, writeFileSync, chmodSync, mkdirSync, readdirSync } from 'node:fs';
import net from 'node:net';
import { BIN, Bot, SLOW, Trainer, join, scratch, trainerSection, until } from '../../support/bot.mjs';

function program(name, words, options = {}, bin = BIN) {
  return new Promise((resolve) => execFile(join(bin, name), words, { encoding: 'utf8', ...options },
    (error, out, err) => resolve({ code: error ? error.code : 0, out, err })));
}

const trainers = '[trainer cnn]\ncommand=/bin/true\n';
const configurations = [
  ['an unknown key', `[bot]\nlanguag=zh\n${trainers}`, /:2: .*languag/],
  ['an unknown section', `[bots]\n${trainers}`, /:1: .*bots/],
  ['a key twice', `[bot]\nmax_running=1\nmax_running=2\n${trainers}`, /:3: .*max_running/],
  ['a port out of range', `[channel web]\nlisten=127.0.0.1:70000\n${trainers}`, /:2: .*65535/],
  ['no port', `[channel web]\nlisten=127.0.0.1\n${trainers}`, /:2: .*127\.0\.0\.1:8080/],
  ['a number that is none', `[bot]\nmax_running=many\n${trainers}`, /:2: .*many.*from 1 to 1000/],
  ['a missing secret file', `[channel web]\ntrainer_token_file=/nowhere/at/all\n${trainers}`, /trainer_token_file.*\/nowhere\/at\/all/],
  ['an unknown placeholder', '[trainer cnn]\ncommand=/bin/true {no-such}\n', /command.*no-such/],
  ['an open quote', '[trainer cnn]\ncommand=/bin/true "abc\n', /:2: .*command/],
  ['no command', '[trainer cnn]\nlauncher=local\n', /command/],
  ['a line that is no pair', `[bot]\nhello\n${trainers}`, /:2: .*key=value/],
  ['a language that there is not', `[bot]\nlanguage=fr\n${trainers}`, /:2: .*zh or en/],
  ['a default trainer that there is not', `[bot]\ndefault_trainer=nosuch\n${trainers}`, /nosuch/],
];
for (const [what, text, line] of configurations) {
  test(`check-config: ${what}`, async () => {
    const dir = scratch(), file = join(dir, 'c.conf');
    writeFileSync(file, text);
    const { code, err, out } = await program('trainbot', ['check-config', '--config', file]);
    assert.notEqual(code, 0);
    assert.match(err, line);
    assert.equal(err.trimEnd().split('\n').length, 1, err);
    assert.equal(out, '');
  });
}

test('check-config: a secret that others can read', async () => {
  const dir = scratch(), file = join(dir, 'c.conf'), secret = join(dir, 'secret');
  writeFileSync(secret, 'x');
  chmodSync(secret, 0o644);
  writeFileSync(file, `[channel web]\ntoken_file=${secret}\n${trainers}`);
  const { code, err } = await program('trainbot', ['check-config', '--config', file]);
  assert.notEqual(code, 0);
  assert.match(err, /:2: .*chmod 600/);
});

test('check-config: what is right is said to be', async () => {
  const file = join(scratch(), 'c.conf');
  writeFileSync(file, trainers);
  const { code, out } = await program('trainbot', ['check-config', '--config', file]);
  assert.equal(code, 0);
  assert.match(out, /good/);
});

test('the sample configuration is right', async () => {
  const { code, err } = await program('trainbot', ['check-config', '--config', join(process.env.TRAINBOT_SOURCE, 'config/trainbot.conf')]);
  assert.equal(code, 0, err);
});

test('send without a bot: exit 2', async () => {
  const bot = new Bot();
  const { code, err } = await bot.send('status', { timeout: 5 });
  assert.equal(code, 2);
  assert.match(err, /no bot/);
});

test('a second bot on the state directory is refused', { timeout: 30000 * SLOW }, async (t) => {
  const bot = new Bot();
  t.after(() => bot.remove());
  await bot.start();
  const { code, err } = await program('trainbot', bot.words('serve'));
  assert.notEqual(code, 0);
  assert.match(err, /another trainbot/);
  assert.equal((await bot.send('status')).code, 0);
});

test('a state directory that cannot be written', { skip: process.getuid() !== 0 && 'needs root to drop to nobody' }, async () => {
  const dir = scratch(), file = join(dir, 'c.conf');
  chmodSync(dir, 0o755);
  mkdirSync(join(dir, 's'), { mode: 0o755 });
  writeFileSync(file, `[bot]\nstate_dir=${join(dir, 's')}\n${trainers}`);
  copyFileSync(join(BIN, 'trainbot'), join(dir, 'trainbot')); // the build may stand where nobody may not look
  const { code, err } = await program('trainbot', ['serve', '--config', file], { uid: 65534, gid: 65534, cwd: '/' }, dir);
  assert.notEqual(code, 0);
  assert.match(err, /Permission denied/);
  assert.deepEqual(readdirSync(join(dir, 's')), []);
});

test('commands: each one clear line, refused, nothing changed', { timeout: 120000 * SLOW }, async (t) => {
  const bot = new Bot({ config: trainerSection('cnn', '--model softmax --param ds=100000 --param ti=1000000000',
    `describe=${join(BIN, 'trainbot-train')} --model softmax --describe\n`) });
  t.after(() => bot.remove());
  await bot.start();
  const refused = async (text, line) => {
    const { code, out, err } = await bot.send(text);
    assert.equal(code, 1, `${text}: exit ${code}: ${out}${err}`);
    assert.match(out, line, text.length > 100 ? 'a long text' : text);
    assert.ok(out.length < 600, `${out.length} bytes`);
  };
  await refused('停止', /没有在运行的训练/);
  await refused('开始 nosuch', /nosuch/);
  await refused('lr -1', /lr|学习率/);
  await refused('lr abc', /"abc" 不是数/);
  await refused('bs 0', /批量/);
  await refused('ti 1e99', /ti|迭代/);
  await refused('tingzhi', /停止/);
  await refused('开始 cnn lr=abc', /abc/);
  assert.deepEqual(await bot.runs(), []);
  await refused(Buffer.from([0xe5, 0xbc, 0xff, 0xfe]).toString('latin1'), /./);
  const long = await bot.command('x'.repeat(60000));
  assert.ok(long.status === 413 || long.ok === false, JSON.stringify(long).slice(0, 200));
  const huge = await bot.request('POST', '/api/command', { body: JSON.stringify({ text: 'y'.repeat(1 << 20) }) });
  assert.ok(huge.status === 413 || JSON.parse(huge.bytes).ok === false, `${huge.status} ${huge.bytes.subarray(0, 200)}`);
  assert.ok(huge.bytes.length < 1000);
  const raw = await bot.request('POST', '/api/command', { body: Buffer.concat([Buffer.from('{"text":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]) });
  assert.ok(raw.status === 400 || JSON.parse(raw.bytes).ok === false, `${raw.status} ${raw.bytes}`);

  assert.equal((await bot.send('开始')).code, 0);
  await refused('开始', /还有 #1 在运行/);
  await refused('lr abc', /"abc" 不是数/);
  await refused('lr 2', /lr|学习率/);
  assert.equal((await bot.runs()).length, 1);
  assert.equal((await bot.send('停止')).code, 0);
  assert.equal((await bot.run(1)).state, 'stopped');
});

test('trainers that misbehave are answered or dropped, and the bot goes on', { timeout: 120000 * SLOW }, async (t) => {
  const bot = new Bot();
  t.after(() => bot.remove());
  await bot.start();
  const peer = () => new Promise((resolve) => {
    const stream = net.connect(join(bot.state, 'trainer.sock'), () => resolve(stream));
    stream.text = '';
    stream.on('error', () => {});
    stream.on('data', (data) => (stream.text += data));
    stream.on('close', () => (stream.gone = true));
  });
  const codes = (stream) => stream.text.split('\n').filter(Boolean).map((line) => JSON.parse(line).code);

  const garbage = await peer();
  garbage.write(Buffer.from([0, 1, 2, 255, 254, 10]));
  garbage.write('not json\n{"type":"nosuch"}\n{"no":"type"}\n[1]\n');
  await until('five errors', () => codes(garbage).length === 5);
  garbage.write('x'.repeat(10 << 20));
  garbage.write('\n{"type":"nosuch"}\n');
  await until('the long line and the next one answered', () => codes(garbage).length === 7);
  assert.equal(codes(garbage)[5], 'too_long');
  assert.equal(codes(garbage)[6], 'unknown_type');

  const version = await peer();
  version.write(JSON.stringify({ type: 'hello', v: 99, instance: '0'.repeat(32), name: 'x', pid: 1, host: 'h', next_seq: 1, params: [], commands: [] }) + '\n');
  await until('the version refused', () => codes(version)[0] === 'bad_version');

  const half = await peer();
  half.write('{"type":"hel');
  half.destroy();

  const early = await peer();
  early.write('{"type":"metrics","seq":1,"step":1,"t_ms":1,"values":{"loss":1}}\n');
  await until('hello comes first', () => codes(early).length === 1);

  const deaf = await peer(); // never reads: bad lines until the bot lets go
  deaf.pause();
  for (let i = 0; i < 200; i++) deaf.write('bad\n'.repeat(1000));
  await until('the deaf one dropped', () => { deaf.resume(); return deaf.gone; });

  const good = new Trainer(bot, { name: 'good' });
  t.after(() => good.close());
  await good.ready();
  good.metrics(1, { loss: 'nan' });
  good.metrics(2, { loss: 0.5, acc: 1e300 });
  await good.drained();
  const rows = await bot.csv(good.id);
  assert.equal(rows[0].loss, 'nan');
  assert.equal(Number(rows[1].acc), 1e300);
});
