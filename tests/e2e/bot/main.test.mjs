// The main job from outside: a person starts, watches, steers and stops a real training, over every way there is, and
// reads of everything that goes wrong in one clear line of their own language.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { BIN, Bot, SLOW, Socket, join, scratch, trainerSection, until } from '../../support/bot.mjs';

const TRAIN = join(BIN, 'trainbot-train');
const DATA = '/usr/share/datasets/fashion-mnist';
const DESCRIBE = (model) => `resume_args=--resume {checkpoint}\ndescribe=${TRAIN} --model ${model} --describe\n`;
const LONG = '--param ti=1000000000000 --param ds=1000 --param save_every=1000000000';

// A Chinese line names things as they are called, and says all else in Chinese.
const NAMES = /#\d+|"[^"]*"|\S*\/\S+|step-\d+|SIG[A-Z]+|\b(cnn|softmax|mlp|soft|plain|fails|deaf|nodata|cut|nosuch|noexec|nodir|lr|ti|bs|ds|NaN|CPU|kB|MB|GB|adam|sgd|pause|stop|ignore|nan|seed|momentum|optimiser|optimizer|save_every|dropout|IDX|gzip|ubyte|console|web|far|elsewhere|operator|viewer|trainbot-train|describe)\b/g;
function chinese(text) {
  const rest = text.replace(/最后.行输出:[^]*/, '').replaceAll(hostname(), '').replace(NAMES, ''); // what a program printed stands as it was
  assert.doesNotMatch(rest, /[A-Za-z]{3,}/, `English in Chinese: ${text}`);
  assert.doesNotMatch(text, /[\uff0c\uff1a\uff1b\uff08\uff09]|\\[#.*_`n]/, `punctuation: ${text}`); // one kind in all replies
  assert.ok(text.split('\n').length <= 30 && text.length < 2000, `too long for a screen: ${text}`);
  return text;
}
function english(text) {
  assert.doesNotMatch(text, /[\u3000-\u303f\u4e00-\u9fff]/, `Chinese in English: ${text}`);
  return text;
}

class Talk { // what a person sees on the page while they talk over any of the three ways
  static async open(bot) {
    const talk = new Talk();
    talk.bot = bot;
    talk.socket = await Socket.open(bot);
    talk.socket.send({ type: 'since', rev: 0 });
    return talk;
  }
  get seen() { return this.socket.messages.filter((message) => message.type === 'message'); }
  alert(pattern) { return until(`an alert like ${pattern}`, () => this.seen.find((message) => message.class === 'alert' && pattern.test(message.text))); }
  async send(text, code = 0) {
    const answer = await this.bot.send(text, { timeout: 30 });
    assert.equal(answer.code, code, `${text}: ${answer.out}${answer.err}`);
    return answer.out;
  }
  async post(text, ok = true) {
    const answer = await this.bot.command(text);
    assert.equal(answer.ok, ok, JSON.stringify(answer));
    this.images = answer.replies.filter((reply) => reply.image).map((reply) => reply.image);
    return answer.replies.map((reply) => reply.text ?? '').join('\n').trimEnd();
  }
  async say(text, pattern) { // over the WebSocket; its reply is the first that fits
    const before = this.seen.length;
    this.socket.send({ type: 'say', text, id: `say-${Math.random()}` });
    return (await until(`a reply to "${text}" like ${pattern}`, () => this.seen.slice(before).find((message) => message.class === 'reply' && pattern.test(message.text)))).text;
  }
}

async function begin(t, config, sets = []) {
  const bot = new Bot({ config, sets });
  t.after(() => bot.remove());
  await bot.start();
  return { bot, talk: await Talk.open(bot) };
}
const pid = (bot, id) => until('its process', () => {
  try { return Number(/^pid (\d+)/m.exec(readFileSync(join(bot.state, 'runs', String(id), 'keeper'), 'utf8'))?.[1]); } catch { return 0; }
});
function png(bytes) {
  assert.equal(bytes.subarray(0, 8).toString('latin1'), '\x89PNG\r\n\x1a\n');
  assert.equal(bytes.subarray(12, 16).toString(), 'IHDR');
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}
function complete(rows, from, to) { // one row a step, ascending, nothing missing
  assert.equal(rows.length, to - from + 1);
  rows.forEach((row, i) => assert.equal(Number(row.step), from + i));
}
const stepped = (bot, id, step) => until(`step ${step} of #${id}`, async () => (await bot.run(id)).step >= step, 60000);

test('the whole conversation, over three ways, in both languages', { timeout: 120000 * SLOW }, async (t) => {
  const { bot, talk } = await begin(t, trainerSection('cnn', `--model softmax ${LONG}`, DESCRIBE('softmax')));
  const zh = async (way, ...words) => chinese(await talk[way](...words));
  assert.match(await zh('send', '状态'), /还没有训练过/);
  assert.match(await zh('send', '开始 cnn lr=0.01 ds=1000'), /^#1 softmax 已开始:lr 0\.01,批量 128,共 1,000,000,000,000 样本,每 1000 步报告。曲线:发"曲线"。$/);
  await stepped(bot, 1, 3);
  assert.match(await zh('post', '状态'), /^softmax #1 · 0 %.*\n░{20} \d+\/7812500000 步/);
  assert.match(await zh('say', '参数', /参数/), /lr 0\.01 · \(0, 1\],下一步生效/);
  assert.match(await zh('send', 'lr 0.0005'), /^#1 lr 0\.01 → 0\.0005,从第 \d+ 步起生效。$/);
  assert.match(await zh('say', 'lr x0.5', /0\.00025/), /^#1 lr 0\.0005 → 0\.00025,从第 \d+ 步起生效。$/);
  assert.match(await zh('post', 'ti 900000000000'), /^#1 迭代 1,000,000,000,000 → 900,000,000,000,从第 \d+ 步起生效,现在共 7,031,250,000 步。$/);
  assert.match(await zh('send', 'bs 64'), /^#1 批量 128 → 64,从第 \d+ 步起生效,现在共 14,06\d,\d{3},\d{3} 步。$/);
  assert.match(await zh('send', 'ds 10'), /^#1 显示 1,000 → 10,从第 \d+ 步起生效。$/);
  const changes = (await bot.run(1)).param_history;
  assert.deepEqual(changes.map(({ name, old, new: now }) => [name, old, now]), [['lr', 0.01, 0.0005], ['lr', 0.0005, 0.00025], ['ti', 1e12, 9e11], ['bs', 128, 64], ['ds', 1000, 10]]);
  assert.match(changes[0].by, /^console:\d+$/);
  assert.match(changes[1].by, /^web:/);
  assert.ok(changes.every((change) => change.step > 0));
  await until('a progress row', async () => 'acc' in (await bot.run(1)).metrics);
  await talk.post('曲线');
  const drawn = await bot.request('GET', talk.images[0]);
  assert.ok(png(drawn.bytes).width >= 390);
  assert.ok(drawn.bytes.length > 2000);
  assert.match((await bot.request('GET', '/api/runs/1/plot.svg?metrics=loss')).bytes.toString(), /<svg/);
  assert.equal(png((await bot.request('GET', '/api/runs/1/plot.png?width=500&dark=1')).bytes).width, 500);
  assert.match(await zh('say', '暂停', /暂停/), /^#1 已暂停在第 (\d+) 步。发"继续"接着练。$/);
  assert.match(await zh('send', '暂停', 1), /已经暂停/);
  assert.match(await zh('send', '继续'), /^#1 从第 \d+ 步继续。$/);
  const saved = /^#1 第 (\d+) 步已存档:(runs\/1\/checkpoints\/step-\1)\(.* kB\)。$/.exec(await zh('post', '保存'));
  assert.ok(saved && statSync(join(bot.state, saved[2])).size > 10000);
  assert.match(await zh('post', '识别 10'), /^10 张对了 \d+ 张\(第 \d+ 步\)\n1\. /);
  png((await bot.request('GET', talk.images[0])).bytes);
  assert.match(await zh('send', '结果'), /#1 第 \d+ 步 · 识别 10\n10 张对了/);
  const stopped = /^#1 已停在第 (\d+) 步,准确率 0\.\d+。存档:(runs\/1\/checkpoints\/step-\1)\(.* kB\)。接着练:开始 cnn 续 1$/.exec(await zh('say', '停止', /已停/));
  assert.ok(stopped && existsSync(join(bot.state, stopped[2])));
  assert.match(await zh('send', '停止', 1), /^现在没有在运行的训练。最近一个是 #1\(已停止\)。$/);
  complete(await bot.csv(1), 1, Number(stopped[1]));
  assert.equal(talk.seen.filter((message) => message.text.includes('已停在')).length, 1, 'told once');
  assert.match(await zh('send', '列表'), /^#1 softmax · 已停止/);
  assert.match(await zh('send', '开始 cnn 续 1'), new RegExp(`^#2 softmax 已开始:接着 #1 第 ${stopped[1]} 步,lr 0\\.00025,批量 64,`));
  assert.match(await zh('send', '用 2'), /#2/);
  await stepped(bot, 2, Number(stopped[1]) + 1);
  assert.match(await zh('send', '静音'), /告警照发/);
  assert.match(await zh('send', '取消静音'), /恢复/);
  assert.match(await zh('send', '停止'), /^#2 已停在/);
  assert.equal(Number((await bot.csv(2))[0].step), Number(stopped[1]) + 1);
  assert.match(await zh('send', '删除 2'), /60 秒内回"是"/);
  assert.match(await zh('send', '是'), /^#2 已删除。$/);
  assert.equal(existsSync(join(bot.state, 'runs/2')), false);
  assert.match(await zh('send', '帮助'), /开始/);
  assert.match(await zh('send', '帮助 全部'), /退出/);
  assert.match(await zh('send', '退出'), /60 秒内回"是"/);
  assert.match(await zh('send', '否'), /不动/);

  const en = async (way, ...words) => english(await talk[way](...words));
  assert.match(await en('send', 'start cnn lr=0.02 bs=128'), /^#3 softmax started: lr 0\.02, batch 128,/);
  assert.match(await en('send', 'status'), /^softmax #3 · 0 %/);
  assert.match(await en('post', 'params'), /lr 0\.02 · \(0, 1\], from the next step/);
  assert.match(await en('say', 'lr 0.0005', /0\.0005/), /^#3 lr 0\.02 → 0\.0005, from step \d+ on\.$/);
  assert.match(await en('send', 'bs 64'), /^#3 batch 128 → 64, from step \d+ on, now [\d,]+ steps in all\.$/);
  assert.match(await en('send', 'pause'), /^#3 paused at step \d+\. Send "resume" to go on\.$/);
  assert.match(await en('send', 'resume'), /^#3 goes on from step \d+\.$/);
  assert.match(await en('send', 'save'), /^#3 saved at step \d+: runs\/3\/checkpoints\/step-\d+ \(.* kB\)\.$/);
  assert.match(await en('send', 'recognize 4'), /^\d of 4 right \(step \d+\)/);
  assert.match(await en('send', 'runs'), /^#3 softmax · running/);
  assert.match(await en('send', 'use 3'), /#3 softmax \(running\)/);
  assert.match(await en('send', 'mute 23:00-08:00'), /23:00/);
  assert.match(await en('send', 'unmute'), /./);
  assert.match(await en('send', 'stop'), /^#3 stopped at step \d+, acc 0\.\d+\. Checkpoint: runs\/3\/\S+ \(.* kB\)\. To go on: start cnn from 3$/);
  assert.match(await en('send', 'help all'), /quit/);
  assert.match(await en('send', 'delete 3'), /Answer "yes"/);
  assert.match(await en('send', 'yes'), /^#3 was deleted\.$/);
});

test('a short training to its end: every number is there and the end is told', { timeout: 90000 * SLOW }, async (t) => {
  const { bot, talk } = await begin(t, trainerSection('cnn', '--model softmax --param ti=12800 --param ds=10', DESCRIBE('softmax')));
  await talk.send('开始');
  const told = await talk.alert(/完成/);
  assert.match(chinese(told.text), /^✓ #1 完成:12,800 样本,用时 .+,测试准确率 0\.\d{3,4}\(10,000 张\)。$/);
  const run = await bot.run(1), output = readFileSync(join(bot.state, 'runs/1/output.log'), 'utf8');
  assert.equal(run.state, 'finished');
  assert.equal(run.exit, 0);
  assert.match(output, /^Iter 1280, Minibatch Loss= \d\.\d{6}, Training Accuracy= \d\.\d{5}$/m);
  assert.match(output, /^Optimization Finished!\nTesting Accuracy: 0\.\d{5}$/m);
  const rows = await bot.csv(1);
  complete(rows, 1, 100);
  rows.forEach((row, i) => {
    assert.equal(row.loss, String(Number(row.loss)), 'the shortest text of the number');
    assert.equal(row.progress_loss !== '', (i + 1) % 10 === 0, `step ${i + 1}: ${JSON.stringify(row)}`);
  });
  assert.ok(Number(rows[99].test_acc) > 0.5);
  const shown = [...output.matchAll(/^Iter (\d+), Minibatch Loss= (\S+), Training Accuracy= (\S+)$/gm)];
  assert.equal(shown.length, 10);
  for (const [, samples, loss, acc] of shown) {
    const row = rows[samples / 128 - 1];
    assert.ok(Math.abs(row.progress_loss - loss) <= 1e-6, `${row.progress_loss} ${loss}`);
    assert.ok(Math.abs((row.progress_acc ?? row.acc) - acc) <= 1e-5, `${row.progress_acc} ${acc}`);
  }
  assert.doesNotMatch(chinese(await talk.send('状态')), /test_images/);
});

// A checkpoint of step 2 whose momentum is near the largest number: nothing happens at a tiny lr, all breaks at lr 1.
function explosive(dir) {
  execFileSync(TRAIN, ['--model', 'softmax', '--param', 'optimiser=sgd', '--param', 'momentum=0.999', '--steps', '2', '--checkpoint-dir', dir], { stdio: 'ignore', env: { ...process.env, TRAINBOT_SOCKET: join(dir, 'none') } });
  const path = join(dir, 'step-2'), bytes = readFileSync(path), head = bytes.readUInt32LE(12);
  const names = bytes.subarray(24, 24 + head).toString('latin1').match(/out\.(weight|bias)(\.velocity)?/g);
  let at = Math.ceil((24 + head) / 64) * 64;
  for (const name of names) {
    const count = name.includes('weight') ? 7840 : 10;
    if (name === 'out.weight.velocity') for (let i = 0; i < count; i++) bytes.writeFloatLE(1e38, at + 4 * i);
    at += 4 * count;
  }
  createHash('sha256').update(bytes.subarray(0, at)).digest().copy(bytes, at);
  writeFileSync(path, bytes);
  return path;
}

test('NaN: the alert, the pause by itself, back to the last finite checkpoint', { timeout: 90000 * SLOW }, async (t) => {
  const dir = scratch();
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const { bot, talk } = await begin(t, trainerSection('soft', `--resume ${explosive(dir)} --param ti=1000000000 --param ds=10 --param save_every=20`, DESCRIBE('softmax')), ['bot.default_trainer=soft']);
  await talk.send('开始 soft lr=1e-37');
  await stepped(bot, 1, 25);
  await talk.send('lr 1');
  const alert = chinese((await talk.alert(/NaN/)).text);
  assert.match(alert, /^⚠ #1 .*变成( NaN|无穷大)\(第 \d+ 步,此前 \S+,lr 1\)。训练已自己暂停;"继续"会回到第 \d+ 步的存档。建议先发:lr x0\.1$/);
  const [, bad, good] = /第 (\d+) 步,.*回到第 (\d+) 步/.exec(alert).map(Number);
  assert.ok(good < bad);
  assert.match(await talk.send('状态'), /已暂停/);
  assert.match(await talk.send('lr 1e-37'), /lr 1 → 1e-37/);
  assert.match(await talk.send('继续'), new RegExp(`^#1 从第 ${good} 步继续。$`));
  await stepped(bot, 1, bad + 5);
  await talk.send('停止');
  const rows = await bot.csv(1);
  complete(rows, 3, (await bot.run(1)).step);
  assert.ok(rows.every((row) => row.loss !== 'nan'), 'the rewound rows are superseded');
  assert.equal(talk.seen.filter((message) => /NaN/.test(message.text)).length, 1);
});

test('the bot stops, dies, comes back: the training never notices and no row is missing', { timeout: 120000 * SLOW }, async (t) => {
  const { bot, talk } = await begin(t, trainerSection('cnn', '--model softmax --param bs=1 --param ti=20000 --param ds=1000 --param save_every=1000000', DESCRIBE('softmax')));
  await talk.send('开始');
  await stepped(bot, 1, 20);
  bot.child.kill('SIGSTOP');
  const output = join(bot.state, 'runs/1/output.log'), iterations = () => (readFileSync(output, 'utf8').match(/^Iter/gm) ?? []).length;
  const then = iterations();
  await until('steps while the bot is stopped', () => iterations() >= then + 3, 60000);
  bot.child.kill('SIGCONT');
  const now = (await bot.run(1)).step;
  await stepped(bot, 1, now + 1000);
  await bot.kill();
  await until('the end while no bot is there', () => existsSync(join(bot.state, 'runs/1/exit')) && /^exit 0$/m.test(readFileSync(join(bot.state, 'runs/1/exit'), 'utf8')), 120000);
  await bot.start();
  await until('the end told', async () => (await bot.run(1)).state === 'finished', 60000);
  complete(await bot.csv(1), 1, 20000);
  const again = await Talk.open(bot);
  assert.match((await again.alert(/完成/)).text, /^✓ #1 完成:20,000 样本/);
  assert.equal(again.seen.filter((message) => /完成/.test(message.text)).length, 1);
});

test('a spool without room: thinned, and the gap is told', { timeout: 120000 * SLOW }, async (t) => {
  const { bot, talk } = await begin(t, trainerSection('cnn', '--model softmax --param bs=1 --param ti=60000 --param ds=100000 --param save_every=1000000', `env.TRAINBOT_SPOOL_MB=1\n${DESCRIBE('softmax')}`));
  await talk.send('开始');
  await stepped(bot, 1, 20);
  await bot.kill();
  await until('the end while no bot is there', () => existsSync(join(bot.state, 'runs/1/exit')) && /^exit 0$/m.test(readFileSync(join(bot.state, 'runs/1/exit'), 'utf8')), 120000);
  await bot.start();
  await until('the end told', async () => (await bot.run(1)).state === 'finished', 60000);
  const rows = await bot.csv(1), steps = rows.map((row) => Number(row.step)), run = await bot.run(1);
  assert.ok(steps.every((step, i) => i === 0 || step > steps[i - 1]));
  assert.equal(run.step, 60000);
  assert.equal(steps.at(-1), 60000);
  assert.ok(rows.length < 60000 && Number(rows.at(-1).test_acc) > 0.3, 'the bound was reached, and the result is there');
  const dropped = run.events.filter((event) => event.kind === 'gap').reduce((sum, event) => sum + Number(/(\d+) rows dropped/.exec(event.text)[1]), 0);
  assert.equal(rows.length + dropped, 60000 + 1, 'what is missing is named'); // the last step is there: its row is the test's
  const again = await Talk.open(bot);
  chinese((await again.alert(/缺了/)).text);
  t.diagnostic(`${again.seen.filter((message) => /缺了/.test(message.text)).length} gaps told`);
  t.diagnostic(`${rows.length} rows, ${dropped} dropped`);
});

test('programs that end badly or say nothing', { timeout: 120000 * SLOW }, async (t) => {
  const cut = (bot) => join(bot.dir, 'cut');
  const bot = new Bot({ sets: ['bot.default_trainer=plain', 'bot.max_running=2'], config: '' });
  writeFileSync(bot.config, readFileSync(bot.config, 'utf8') + `
[trainer nodata]
command=${TRAIN} --model softmax --data /nowhere
[trainer cut]
command=${TRAIN} --model softmax --data ${cut(bot)}
[trainer nosuch]
command=/no/such/program
[trainer noexec]
command=/etc/passwd
[trainer nodir]
command=/bin/true
directory=/no/such/directory
[trainer fails]
command=/bin/sh ${join(bot.dir, 'fails.sh')}
[trainer plain]
command=/bin/sh -c "echo hello; exec sleep 1000"
[trainer deaf]
command=/bin/sh -c "trap '' TERM; while :; do sleep 0.2; done"
stop_timeout_s=1
[trainer soft]
command=${TRAIN} --model softmax ${LONG}
resume_args=--resume {checkpoint}
stop_timeout_s=1
env.ASAN_OPTIONS=handle_segv=0:detect_leaks=0
`);
  writeFileSync(join(bot.dir, 'fails.sh'), `head -c 300000 /dev/zero | tr '\\0' x; echo; printf '\\033[31mred\\033[0m \\377\\376 \\001bin\\n'; exit 3\n`);
  mkdirSync(cut(bot));
  for (const file of readdirSync(DATA)) { copyFileSync(join(DATA, file), join(cut(bot), file)); truncateSync(join(cut(bot), file), 5000); }
  t.after(() => bot.remove());
  await bot.start();
  const talk = await Talk.open(bot);
  const refused = async (text, pattern) => assert.match(chinese(await talk.send(text, 1)), pattern);
  await refused('开始 nodata', /^⚠ #1 nodata 没有启动:退出码 2。最后一行输出:\n.*没有数据目录 \/nowhere:没有这个文件或目录$/);
  await refused('开始 cut', /^⚠ #2 cut 没有启动:退出码 2。最后一行输出:\n.*文件不完整/);
  await refused('开始 nosuch', /^⚠ #3 nosuch 没有启动:\/no\/such\/program 运行不了:没有这个文件或目录。$/);
  await refused('开始 noexec', /^⚠ #4 noexec 没有启动:\/etc\/passwd 运行不了:没有权限。$/);
  await refused('开始 nodir', /^⚠ #5 nodir 没有启动:进不了目录 \/no\/such\/directory:没有这个文件或目录。$/);
  const fails = await talk.send('开始 fails', 1);
  assert.match(fails, /^⚠ #6 fails 没有启动:退出码 3。最后两行输出:\nx{50,}…\n/);
  assert.ok(fails.length < 700);
  assert.doesNotMatch(fails, /[\x00-\x09\x0b-\x1f]/);

  const plain = chinese(await talk.send('开始 plain'));
  assert.match(plain, /^#7 plain 的进程在运行\(\d+\),还没有报告过。/);
  assert.match(chinese(await talk.send('状态 7')), /还没有报告过/);
  assert.match(chinese(await talk.send('停止')), /^#7 已停止。没有存档。$/);
  assert.equal((await bot.run(7)).state, 'stopped');

  assert.match(await talk.send('start soft'), /^#8 softmax started/);
  assert.match(await talk.send('start soft'), /^#9 softmax started/);
  assert.match(chinese(await talk.send('开始 soft', 1)), /^还有 #\d 在运行/);
  assert.match(chinese(await talk.send('停止')), /^#9 已停在第/, 'the newest, and it is named');
  await stepped(bot, 8, 10);
  process.kill(await pid(bot, 8), 'SIGSEGV');
  assert.match(chinese((await talk.alert(/#8/)).text), /^⚠ #8 崩溃:SIGSEGV\(访问了不该访问的内存\),第 \d+ 步。/);
  assert.equal((await bot.run(8)).signal, 11);

  await talk.send('开始 soft');
  await stepped(bot, 10, 10);
  process.kill(await pid(bot, 10), 'SIGSTOP'); // never answers, and holds SIGTERM off
  const stopping = talk.send('停止 10');
  assert.match(chinese((await talk.alert(/SIGTERM/)).text), /^⚠ #10 没有回应停止,已向它的进程组发 SIGTERM。$/);
  assert.match(chinese((await talk.alert(/SIGKILL/)).text), /^⚠ #10 还是没有结束,已发 SIGKILL。$/);
  assert.match(chinese(await stopping), /^#10 已停在第/);
});

test('a trainer started by hand, the exit codes of send, and a failed save', { timeout: 90000 * SLOW }, async (t) => {
  const { bot, talk } = await begin(t, trainerSection('cnn', `--model softmax ${LONG}`, DESCRIBE('softmax')));
  const folder = join(bot.dir, 'kept');
  mkdirSync(folder);
  const hand = spawn(TRAIN, ['--model', 'softmax', ...LONG.split(' '), '--checkpoint-dir', folder],
    { env: { ...process.env, TRAINBOT_SOCKET: join(bot.state, 'trainer.sock'), TRAINBOT_RUN: '', TRAINBOT_RUN_DIR: '' }, stdio: 'ignore' });
  t.after(() => hand.kill('SIGKILL'));
  const ended = new Promise((resolve) => hand.on('exit', (code) => resolve(code)));
  await until('the run', async () => (await bot.runs())[0]?.step > 5);
  assert.equal((await bot.send('暂停', { timeout: 30 })).code, 0);
  assert.equal((await bot.send('暂停', { timeout: 30 })).code, 1);
  process.kill(hand.pid, 'SIGSTOP');
  const late = await new Promise((resolve) => {
    const child = spawn(join(BIN, 'trainbot'), bot.words('--timeout', '1', 'send', '继续'), { stdio: 'ignore' });
    child.on('exit', resolve);
  });
  assert.equal(late, 3);
  process.kill(hand.pid, 'SIGCONT');
  await until('it goes on', async () => (await bot.runs())[0].state === 'running');
  const api = chinese(await talk.post('保存'));
  assert.match(api, /^#1 第 \d+ 步已存档/);
  execFileSync('sh', ['-c', `rm -rf "${folder}"`]); // the folder is gone: nothing can be written
  assert.match(chinese(await talk.send('保存', 1)), /^#1 没有照做:存不了 .+:没有这个文件或目录。$/);
  assert.match(chinese(await talk.send('停止')), /^#1 已停在第 \d+ 步/);
  assert.equal(await ended, 0);
});

test('a corrupt checkpoint, and one that cannot be written', { timeout: 90000 * SLOW }, async (t) => {
  const { bot, talk } = await begin(t, trainerSection('cnn', `--model softmax ${LONG}`, DESCRIBE('softmax')));
  await talk.send('开始');
  await talk.send('停止');
  const run = await bot.run(1);
  truncateSync(run.checkpoint, 5000);
  assert.match(chinese(await talk.send('开始 cnn 续 1', 1)), /^⚠ #2 cnn 没有启动:退出码 2。最后一行输出:\n.*损坏/);
  assert.match(chinese(await talk.send('识别 5 #1', 1)), /^#1 没有做成\(识别 5\):.*损坏/);
  assert.match(chinese(await talk.send('开始 cnn 续 2', 1)), /没有存档/);
});

test('a trainer on another machine: its token, and nothing with a wrong one', { timeout: 60000 * SLOW }, async (t) => {
  const dir = scratch(), token = 'a-token-for-remote-trainers-0123456789';
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, 'token'), `${token}\n`, { mode: 0o600 });
  const { bot, talk } = await begin(t, '[trainer cnn]\ncommand=/bin/true\n', [`channel web.trainer_token_file=${join(dir, 'token')}`]);
  await assert.rejects(Socket.open(bot, '/trainer', 'wrong'), /401/);
  await assert.rejects(Socket.open(bot, '/trainer'), /401/, 'the page\'s token is none for trainers');
  const far = await Socket.open(bot, '/trainer', token);
  far.send({ type: 'hello', v: 1, instance: 'f'.repeat(32), name: 'far', pid: 1, host: 'elsewhere', total_steps: 100, batch: 1, next_seq: 1,
    params: [{ name: 'lr', type: 'float', value: 0.1, min: 0, max: 1, live: true, help: '' }], commands: [] });
  const welcome = await until('the welcome', () => far.messages.find((message) => message.type === 'welcome'));
  far.hear = (message) => {
    if (message.type === 'set') far.send({ type: 'applied', seq: 4, id: message.id, step: 2, old: { lr: 0.1 }, new: message.params });
    if (message.type === 'stop') far.send({ type: 'applied', seq: 5, id: message.id, step: 2, old: {}, new: {} });
    if (message.type === 'stop') far.send({ type: 'bye', seq: 6, status: 'stopped' });
  };
  for (const [seq, step] of [[1, 1], [2, 2]]) far.send({ type: 'metrics', seq, step, t_ms: Date.now(), values: { loss: 1 / step } });
  far.send({ type: 'progress', seq: 3, step: 2, values: { acc: 0.5 } });
  await until('the rows acknowledged', () => far.messages.some((message) => message.type === 'ack' && message.seq >= 3));
  complete(await bot.csv(welcome.run), 1, 2);
  assert.match(chinese(await talk.send('状态')), /^far #1 · 2 % · 准确率 0\.5/);
  assert.match(chinese(await talk.send('lr x0.5')), /^#1 lr 0\.1 → 0\.05,从第 2 步起生效。$/);
  assert.match(chinese(await talk.send('停止')), /^#1 已停在第 2 步,准确率 0\.5。没有存档。$/);
  assert.match(chinese(await talk.send('通道')), /远程训练 1/);
  assert.match(chinese(await talk.send('谁')), /已执行:#1 已停在第 2 步/);
  far.close();
});

test('a full disk for checkpoints: said once, the save is answered, the training goes on', { timeout: 60000 * SLOW }, async (t) => {
  const dir = scratch(), small = join(dir, 'small');
  mkdirSync(small);
  try { execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small], { stdio: 'ignore' }); } catch { t.skip('no right to mount a small tmpfs'); return; }
  t.after(() => { execFileSync('umount', [small]); rmSync(dir, { recursive: true, force: true }); });
  const { bot, talk } = await begin(t, trainerSection('cnn', `--model softmax ${LONG.replace('1000000000 ', '100 ')} --param save_every=50 --checkpoint-dir ${small}`));
  await talk.send('开始');
  await stepped(bot, 1, 300);
  assert.match(chinese(await talk.send('保存', 1)), /^#1 没有照做:存不了 \S+:磁盘满了。$/);
  assert.equal((await bot.run(1)).state, 'running');
  const before = talk.seen.filter((message) => /磁盘满了。训练照常。$/.test(message.text));
  assert.equal(before.length, 1, 'said once');
  assert.match(chinese(await talk.send('停止')), /^#1 已停在第 \d+ 步,准确率 0\.\d+。没有存档。$/);
});
