// What a gateway may send that it should not: frames of every wrong shape, and acknowledgements of every kind of frame.
// The bot logs each kind once, with the field, stays within its memory, and works on.
import test from 'node:test';
import assert from 'node:assert/strict';
import { SLOW, Trainer, until } from '../../support/bot.mjs';
import { ask, chatBot, logged, resident, speed, stripped } from '../../support/chat_bot.mjs';
import { WecomGateway } from '../../support/wecom_gateway.mjs';

speed(20);
async function begin(t) {
  const gateway = await new WecomGateway().start();
  t.after(() => gateway.stop());
  const bot = await chatBot(t, { files: { secret: gateway.secret }, config: (dir) =>
    `[channel wecom]\nurl=${gateway.url}\nbot_id=${gateway.botId}\nsecret_file=${dir}/secret\n[access]\nowner=wecom:zhangsan\n` });
  await gateway.waitReady();
  return { gateway, bot, owner: gateway.person('zhangsan') };
}
const from = '"from":{"userid":"zhangsan"}', headers = '"headers":{"req_id":"CBx"}';
const callback = (body) => `{"cmd":"aibot_msg_callback",${headers},"body":${body}}`;
const event = (body) => `{"cmd":"aibot_event_callback",${headers},"body":${body}}`;
const FRAMES = ['', 'null', '7', '"x"', '[]', '{}', 'not json', '<html></html>', '{"cmd":7}', '{"cmd":[],"headers":7}', `{"cmd":"aibot_wonder",${headers}}`, '{"errcode":0}', '{"headers":{},"errcode":0}',
  '{"headers":{"req_id":7},"errcode":0}', '{"headers":{"req_id":"nobody"},"errcode":0}', callback('7'), callback('[]'), callback('{}'), callback(`{"msgid":7,${from},"msgtype":"text","text":{"content":"停止"}}`),
  callback('{"msgid":"b1","msgtype":"text","text":{"content":"停止"}}'), callback(`{"msgid":"b2","from":{"userid":7},"msgtype":"text","text":{"content":"停止"}}`), callback(`{"msgid":"b3",${from},"chattype":"group","msgtype":"text","text":{"content":"停止"}}`),
  callback(`{"msgid":"b4",${from},"chattype":"single","msgtype":"text","text":"停止"}`), callback(`{"msgid":"b5",${from},"chattype":"single","msgtype":"text","text":{"content":["停止"]}}`), callback(`{"msgid":"b6",${from},"chattype":7,"msgtype":8}`),
  callback(`{"msgid":"b7",${from},"chattype":"single","msgtype":"mixed","mixed":{"msg_item":7}}`), callback(`{"msgid":"b8",${from},"chattype":"single","msgtype":"mixed","mixed":{"msg_item":[7,null,{"msgtype":"text"},{"msgtype":"text","text":{"content":7}}]}}`),
  callback(`{"msgid":"b9",${from},"chattype":"single","create_time":1e300,"msgtype":"voice","voice":{}}`), callback(`{"msgid":"${'x'.repeat(5000)}",${from},"chattype":"single","msgtype":"text","text":{"content":"状态"}}`),
  `{"cmd":"aibot_msg_callback","headers":{"req_id":""},"body":{"msgid":"c1",${from},"chattype":"single","msgtype":"text","text":{"content":"停止"}}}`, `{"cmd":"aibot_msg_callback","body":{"msgid":"c2",${from},"chattype":"single","msgtype":"text","text":{"content":"停止"}}}`,
  event('{}'), event(`{"msgid":"e1",${from},"event":7}`), event(`{"msgid":"e2",${from},"event":{"eventtype":7}}`), event(`{"msgid":"e3",${from},"event":{"eventtype":"template_card_event"}}`),
  event(`{"msgid":"e4",${from},"event":{"eventtype":"template_card_event","template_card_event":{"event_key":7,"task_id":[]}}}`), event(`{"msgid":"e5",${from},"event":{"eventtype":"wonder"}}`), event('{"msgid":"e6","event":{"eventtype":"enter_chat"}}'),
  '['.repeat(100000), '{"a":'.repeat(50000) + '1' + '}'.repeat(50000), callback(`{"msgid":"d1",${from},"chattype":"single","msgtype":"text","text":{"content":"${'长'.repeat(100000)}"}}`)];

test('frames of every wrong shape, among good ones', { timeout: 100000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t);
  await ask(owner, '帮助', /开始/);
  const start = bot.log.length, before = resident(bot);
  for (let round = 0; round < 20; round++) for (const frame of FRAMES) gateway.garbage(frame);
  await ask(owner, '列表', /./, { ms: 60000 });
  assert.equal(gateway.subscriptions.length, 1, 'a wrong frame is no reason to leave');
  gateway.pieces = 50;
  for (const frame of FRAMES) gateway.write(gateway.active, frame);
  gateway.pieces = 1;
  await ask(owner, '列表', /./, { ms: 60000 });
  const lines = logged(bot, start, 'wecom');
  assert.ok(lines.some((line) => /req_id|from|userid|msgid|content|text/.test(line)), `the field is named:\n${lines.join('\n')}`);
  assert.equal(new Set(lines.map(stripped)).size, lines.length, `each kind once:\n${lines.join('\n')}`);
  assert.ok(resident(bot) - before < 80 * (SLOW > 1 ? 4 : 1), 'its memory');
});

// What is written while the connection breaks may be lost: a person writes again.
async function works(gateway, owner) {
  for (let tries = 0; tries < 20; tries++) {
    await gateway.waitReady(60000);
    const answer = await ask(owner, '帮助', /开始/, { ms: 5000 }).catch(() => undefined);
    if (answer) return until('its acknowledgement', () => gateway.ready && !gateway.active.inFlight.size); // else it is sent again, later and later
  }
  assert.fail('no answer to twenty messages');
}

test('what is no text at all: binary, not UTF-8, huge, broken WebSocket', { timeout: 100000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t);
  await ask(owner, '帮助', /开始/);
  const before = resident(bot);
  for (const breakage of [() => gateway.binary(Buffer.from('{}')), () => gateway.garbage(Buffer.from('{"cmd":"\xff"}', 'latin1')), () => gateway.garbage('x'.repeat(2 << 20)),
    () => gateway.garbage(`{"a":"${'x'.repeat(2 << 20)}"}`), () => gateway.active.peer.raw(3, true, Buffer.from('x')), () => gateway.active.peer.raw(0, true, Buffer.from('no beginning')),
    () => gateway.active.peer.stream.write(Buffer.from([0xf1, 0xff, 0, 0, 0, 0])), () => gateway.active.peer.close(4000), () => gateway.active.peer.stream.write(Buffer.from([0x81, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255]))]) {
    const { peer } = gateway.active, { pongs } = peer, { length } = gateway.subscriptions;
    breakage();
    peer.ping(); // answered, or the connection is given up and made anew
    await until('it took notice', () => peer.pongs > pongs || gateway.subscriptions.length > length, 60000);
    await works(gateway, owner);
  }
  for (const handshake of ['refuse', 'garbage', 'hang']) {
    gateway.server.handshake = handshake;
    const tries = gateway.server.handshakes;
    gateway.cut();
    await gateway.waitFor('it tries', () => gateway.server.handshakes > tries || gateway.server.streams.size, 60000);
    await new Promise((resolve) => gateway.server.server.once('upgrade', resolve));
    gateway.server.handshake = 'accept';
    await works(gateway, owner);
  }
  assert.ok(resident(bot) - before < 80 * (SLOW > 1 ? 4 : 1), 'its memory');
});

test('acknowledgements of every wrong shape', { timeout: 150000 * SLOW }, async (t) => {
  const { gateway, bot, owner } = await begin(t);
  const one = new Trainer(bot, { total: 100000 });
  t.after(() => one.close());
  await one.ready();
  for (let step = 1; step <= 30; step++) one.progress(step, { loss: 1 / step });
  await ask(owner, '状态', /#1/);
  const start = bot.log.length, ids = (frame) => JSON.stringify(frame.headers);
  const acks = [() => '{}', (frame) => `{"headers":${ids(frame)}}`, (frame) => `{"headers":${ids(frame)},"errcode":"0"}`, (frame) => `{"headers":${ids(frame)},"errcode":1e300,"errmsg":7}`, (frame) => `{"headers":${ids(frame)},"errcode":0,"body":7}`,
    (frame) => `{"headers":${ids(frame)},"errcode":0,"body":{"upload_id":7,"media_id":[]}}`, (frame) => `{"headers":${ids(frame)},"errcode":-9007199254740993,"errmsg":"${'x'.repeat(3000)}"}`, (frame) => `{"headers":[${ids(frame)}],"errcode":0}`];
  for (const cmd of ['ping', 'aibot_respond_msg', 'aibot_send_msg', 'aibot_upload_media_init', 'aibot_upload_media_chunk', 'aibot_upload_media_finish'])
    for (const answer of acks) {
      if (cmd === 'ping' && answer === acks[0]) continue;
      gateway.fault((frame) => frame.cmd === cmd, { answer });
    }
  for (let i = 0; i < 8; i++) { owner.says('曲线'); owner.says('列表'); }
  await gateway.waitFor('most of them eaten', () => gateway.faults.length < 25, 90000);
  gateway.noFaults();
  await gateway.waitReady(60000);
  await ask(owner, '帮助', /开始/, { ms: 90000 });
  const lines = logged(bot, start, 'wecom');
  assert.ok(lines.length <= 120, `${lines.length} lines:\n${lines.join('\n')}`);
  for (const answer of acks) gateway.fault((frame) => frame.cmd === 'aibot_subscribe', { answer });
  gateway.cut();
  await gateway.waitFor('some eaten', () => gateway.faults.length < acks.length, 60000);
  gateway.noFaults();
  assert.equal((await bot.send('登录 wecom')).code, 0);
  await gateway.waitReady(60000);
  await ask(owner, '帮助', /开始/, { ms: 90000 });
});
