// fake_trainer.mjs: a trainer made of arithmetic, for tests of the web side: it speaks wire protocol v1 over /trainer,
// logs a falling loss, takes live parameters, pauses, saves and stops as asked, and can be told to meet a NaN.
//
// node fake_trainer.mjs URL TOKEN [steps=1562] [rate=200] [nan_at=0] [batch=128]

import crypto from 'node:crypto';
import { connectWebSocket } from './ws.mjs';

const [url, token, ...rest] = process.argv.slice(2);
const options = Object.fromEntries(rest.map((pair) => pair.split('=')));
const steps = Number(options.steps ?? 1562), rate = Number(options.rate ?? 200), nanAt = Number(options.nan_at ?? 0);
const params = { lr: Number(options.lr ?? 0.001), bs: Number(options.batch ?? 128), ds: 10, ti: steps * 128, dropout: 0.25 };
const specs = [
  { name: 'lr', type: 'float', value: params.lr, min: 0, min_open: true, max: 1, live: true, help: 'learning rate' },
  { name: 'bs', type: 'int', value: params.bs, min: 1, max: 60000, live: true, help: 'batch size' },
  { name: 'ds', type: 'int', value: params.ds, min: 1, max: 100000, live: true, help: 'report every' },
  { name: 'ti', type: 'int', value: params.ti, min: 1, max: 1000000000, live: true, help: 'samples' },
  { name: 'dropout', type: 'float', value: params.dropout, min: 0, max: 0.95, live: true, help: 'probability to drop' },
];

let seq = 0, step = 0, paused = false, ended = false, loss = 2.3, random = 7;
const socket = await connectWebSocket(url, { Authorization: `Bearer ${token}` });
const noise = () => ((random = (random * 1103515245 + 12345) % 2147483648) / 2147483648 - 0.5);
const send = (frame) => socket.send({ ...frame, seq: ++seq });
const event = (kind, fields = {}) => send({ type: 'event', kind, step, t_ms: Date.now(), ...fields });

function save(id) {
  event('checkpoint', { path: `runs/${process.env.TRAINBOT_RUN || 1}/checkpoints/step-${step}`, bytes: 39300000, ...(id ? { id } : {}) });
}

function end(status) {
  ended = true;
  if (status !== 'failed') event('finished', {});
  send({ type: 'bye', status });
  setTimeout(() => {
    socket.close();
    process.exit(0);
  }, 300);
}

function control(frame) {
  const old = {}, next = {};
  if (frame.type === 'set') {
    for (const [name, value] of Object.entries(frame.params)) {
      old[name] = params[name];
      next[name] = params[name] = value;
    }
  }
  if (['set', 'stop', 'pause', 'resume', 'save'].includes(frame.type)) send({ type: 'applied', id: frame.id, step, old, new: next });
  if (frame.type === 'pause') {
    paused = true;
    event('paused', { id: frame.id });
  } else if (frame.type === 'resume') {
    paused = false;
    event('resumed', { id: frame.id });
  } else if (frame.type === 'save') {
    save(frame.id);
  } else if (frame.type === 'stop') {
    if (frame.save) save(frame.id);
    end('stopped');
  } else if (frame.type === 'call') {
    send({ type: 'result', id: frame.id, text: `${frame.name}: 7 2 1 0 4` });
  }
}

function train() {
  if (paused || ended) return;
  const rows = [];
  const target = 0.25 + 0.05 * Math.abs(Math.log10(params.lr / 0.001));
  for (let i = 0; i < Math.max(1, rate / 50) && step < steps; i++) {
    step++;
    loss += (target - loss) * 0.006 + noise() * 0.12 * Math.sqrt(loss);
    loss = Math.max(loss, 0.05);
    rows.push([step, Date.now(), step / 468, step === nanAt ? 'nan' : loss]);
    if (step % params.ds === 0) {
      send({ type: 'metrics', cols: ['loss'], rows: rows.splice(0) });
      const acc = Math.min(0.99, Math.max(0.05, 1 - loss * 0.32 + noise() * 0.03));
      send({ type: 'progress', step, t_ms: Date.now(), epoch: step / 468, values: { loss: step === nanAt ? 'nan' : loss, acc } });
    }
    if (step === nanAt) {
      paused = true;
      send({ type: 'metrics', cols: ['loss'], rows: rows.splice(0) });
      event('paused', { text: 'nan' });
      return;
    }
  }
  if (rows.length) send({ type: 'metrics', cols: ['loss'], rows });
  if (step >= steps) end('finished');
}

socket.on('message', (text) => {
  const frame = JSON.parse(text);
  if (frame.type === 'welcome') {
    Object.assign(params, frame.params || {});
    event('started');
    setInterval(train, rate >= 50 ? 20 : 1000 / rate);
  } else if (frame.type !== 'ack') {
    control(frame);
  }
});
socket.on('close', () => process.exit(ended ? 0 : 1));
setInterval(() => send({ type: 'heartbeat', step, since_step_ms: 0 }), 5000).unref();
send({
  type: 'hello', v: 1, instance: crypto.randomBytes(16).toString('hex'), run: process.env.TRAINBOT_RUN ?? '', name: options.name ?? 'cnn', pid: process.pid,
  host: 'test', total_steps: steps, batch: params.bs, params: specs, commands: [{ name: '识别', args: 'N', help: 'predictions' }], next_seq: 1,
});
