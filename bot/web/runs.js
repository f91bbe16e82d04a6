// runs.js: the runs: the card of the one that is going on, the list, and one run's page with its curve, parameters and
// what happened to it. Run objects come from /api/runs and, newer, over the live line; rows only over the live line.

import { el, byId, setText, show } from './dom.js';
import { t, stateName, kindName, metricName, paramName, number, exact, metric, duration, clockTime, day } from './text.js';
import { Series, drawCurve } from './curve.js';

const LIVE = ['queued', 'starting', 'running', 'paused', 'stopping'];
const CARD_POINTS = 300;
const PAGE_POINTS = 600;

export function isLive(run) {
  return LIVE.includes(run.state);
}

async function getJson(path) {
  const answer = await fetch(path, { headers: { accept: 'application/json' } });
  if (!answer.ok) throw Object.assign(new Error(`${path}: ${answer.status}`), { status: answer.status });
  return answer.json();
}

/** The curves of one run: fetched once, then fed with live rows. */
class Curves {
  constructor(run, points, changed) {
    this.run = run;
    this.points = points;
    this.changed = changed;
    this.series = new Map();
    this.names = [];
    this.chosen = null;
    this.early = [];
    this.metricsNames = new Set();
  }

  async load() {
    this.loading = true;
    const wanted = this.chosen ? `&metric=${this.chosen.map(encodeURIComponent).join(',')}` : '';
    try {
      const answer = await getJson(`/api/runs/${this.run}/series.json?points=${this.points}${wanted}`);
      this.names = answer.names;
      this.series = new Map(answer.series.map((s) => [s.metric, new Series(s.buckets)]));
      if (!this.chosen && answer.series.length) this.chosen = answer.series.map((s) => s.metric).slice(0, 2);
    } catch { /* asked again with the next news */ }
    this.loading = false;
    this.early.splice(0).forEach((packet) => this.add(packet, true));
    this.changed();
  }

  /** Soon, and not again before: live rows come faster than any pause. */
  reloadSoon() {
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.load();
    }, 300);
  }

  add(packet, late) {
    if (this.loading) {
      if (this.early.length < 200) this.early.push(packet);
      return;
    }
    packet.cols.forEach((col) => !packet.progress && this.metricsNames.add(col));
    packet.cols.forEach((col, i) => {
      const name = packet.progress && this.metricsNames.has(col) ? `progress_${col}` : col;
      if (!this.names.includes(name)) this.names.push(name);
      const series = this.series.get(name);
      if (!series) {
        if (!this.chosen || this.chosen.length < 2) this.reloadSoon();
        return;
      }
      for (const row of packet.rows) {
        const value = row[3 + i];
        if (value === null) continue;
        if (!series.add(row[0], value) && !late) this.reloadSoon();
      }
    });
    this.changed();
  }

  lines() {
    return (this.chosen || []).filter((name) => this.series.has(name)).map((name) => ({ name, series: this.series.get(name) }));
  }
}

function percent(run) {
  return run.total_steps ? Math.min(100, (run.step / run.total_steps) * 100) : null;
}

/** Loss, accuracy, then what else there is; at most `most`. */
function chosenMetrics(run, most) {
  const names = Object.keys(run.metrics);
  const first = ['loss', 'acc'].filter((name) => names.includes(name));
  const rest = names.filter((name) => !first.includes(name) && !(name.startsWith('progress_')));
  return [...first, ...rest].slice(0, most);
}

function badge(run) {
  return el(`span.badge.${run.stalled && run.state === 'running' ? 'stalled' : run.state}`, {}, stateName(run.state));
}

export class Runs {
  /** on: {current(run or null), watch(ids)} */
  constructor(on) {
    this.on = on;
    this.runs = new Map();
    this.current = null;
    this.opened = null;
    this.card = { node: byId('card'), canvas: byId('card-curve') };
    byId('card-head').onclick = () => this.toggleCurve();
    this.curveShown = localStorage.getItem('trainbot.curve') !== 'hidden';
    addEventListener('resize', () => this.draw());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
  }

  async load() {
    const { runs } = await getJson('/api/runs?limit=200');
    this.runs = new Map(runs.map((run) => [run.id, run]));
    this.choose();
    this.renderList();
  }

  takeRun(run) {
    const known = this.runs.get(run.id);
    this.runs.set(run.id, { ...known, ...run });
    this.choose();
    if (!byId('runs').hidden) this.renderListSoon();
    if (this.opened === run.id) this.openedNews(known, run);
  }

  takeRows(packet) {
    if (this.curves && this.curves.run === packet.run) this.curves.add(packet);
    if (this.page && this.page.run === packet.run) this.page.add(packet);
  }

  /** The newest that is going on, else the newest. */
  choose() {
    const all = [...this.runs.values()].sort((a, b) => Number(b.id) - Number(a.id));
    const next = all.find(isLive) || all[0] || null;
    const changed = (next && next.id) !== (this.current && this.current.id);
    this.current = next;
    if (changed) {
      this.curves = next ? new Curves(next.id, CARD_POINTS, () => this.draw()) : null;
      if (this.curves) this.curves.load();
      this.watch();
    }
    this.renderCard();
    this.on.current(next);
  }

  watch() {
    this.on.watch([...new Set([this.current && this.current.id, this.opened].filter(Boolean))]);
  }

  /** Rows were missed: the store has them. */
  reload() {
    if (this.curves) this.curves.load();
    if (this.page) this.page.load();
  }

  toggleCurve() {
    this.curveShown = !this.curveShown;
    localStorage.setItem('trainbot.curve', this.curveShown ? 'shown' : 'hidden');
    this.renderCard();
    this.draw();
  }

  /* ---- the card ---- */

  renderCard() {
    const run = this.current;
    show(this.card.node, Boolean(run));
    if (!run) return;
    const part = percent(run);
    setText(byId('card-name'), `${run.name} #${run.id}`);
    byId('card-state').replaceChildren(badge(run));
    setText(byId('card-percent'), part === null ? '' : `${Math.floor(part)} %`);
    const bar = byId('card-bar');
    bar.className = run.state;
    bar.firstElementChild.style.width = `${part === null ? (isLive(run) ? 100 : 0) : part}%`;
    bar.classList.toggle('unknown', part === null && run.state === 'running');
    if (part !== null) bar.setAttribute('aria-valuenow', Math.floor(part));
    const facts = [t('steps', number(run.step), run.total_steps ? number(run.total_steps) : '')];
    if (run.samples_per_s && run.state === 'running') facts.push(t('speed', number(Math.round(run.samples_per_s))));
    if (typeof run.eta_s === 'number' && run.state === 'running') facts.push(t('left', duration(run.eta_s)));
    if (run.ended_ms && run.started_ms) facts.push(`${t('took')} ${duration((run.ended_ms - run.started_ms) / 1000)}`);
    setText(byId('card-facts'), facts.join(' · '));
    const tiles = chosenMetrics(run, 3).map((name) => [metricName(name), metric(run.metrics[name]), name]);
    if ('lr' in run.params) tiles.push([paramName('lr'), exact(run.params.lr), 'lr']);
    byId('card-tiles').replaceChildren(...tiles.map(([name, value, key]) => el(`div.tile.${key === 'loss' ? 'first' : key === 'acc' ? 'second' : 'other'}`, {},
      el('dt', {}, name), el('dd', {}, value))));
    show(this.card.canvas, this.curveShown);
    byId('card-head').setAttribute('aria-expanded', this.curveShown);
  }

  draw() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      if (this.curves && this.curveShown && this.current) drawCurve(this.card.canvas, this.curves.lines());
      if (this.page && byId('run-curve')) {
        drawCurve(byId('run-curve'), this.page.lines(), this.marks || []);
        this.renderChips();
      }
    });
  }

  /* ---- the list ---- */

  renderListSoon() {
    clearTimeout(this.listTimer);
    this.listTimer = setTimeout(() => this.renderList(), 500);
  }

  renderList() {
    const all = [...this.runs.values()].sort((a, b) => Number(b.id) - Number(a.id));
    const items = all.map((run) => {
      const part = percent(run);
      const values = chosenMetrics(run, 2).map((name) => `${metricName(name)} ${metric(run.metrics[name])}`);
      const facts = [t('steps', number(run.step), run.total_steps ? number(run.total_steps) : ''), ...values].join(' · ');
      const bar = el(`span.bar.${run.state}`, {}, el('span'));
      bar.firstElementChild.style.width = `${part === null ? 0 : part}%`;
      return el('li', {}, el('a.run', { href: `#run/${run.id}` },
        el('span.row', {}, el('strong', {}, `${run.name} #${run.id}`), badge(run), el('span.when', {}, run.started_ms ? `${day(run.started_ms)} ${clockTime(run.started_ms)}` : '')),
        bar, el('span.facts', {}, facts)));
    });
    byId('runs-list').replaceChildren(...(items.length ? items : [el('li.none', {}, t('noRuns'))]));
  }

  /* ---- one run ---- */

  async open(id) {
    this.opened = id;
    this.watch();
    this.page = null;
    const body = byId('run-body');
    body.replaceChildren();
    setText(byId('run-title'), this.runs.has(id) ? `${this.runs.get(id).name} #${id}` : `#${id}`);
    let run;
    try {
      run = await getJson(`/api/runs/${id}`);
    } catch (error) {
      body.replaceChildren(el('p.none', {}, error.status === 404 ? t('lost') : t('offline')));
      return;
    }
    if (this.opened !== id) return;
    this.runs.set(id, { ...this.runs.get(id), ...run });
    this.page = new Curves(id, PAGE_POINTS, () => this.draw());
    this.renderRun(run);
    await this.page.load();
  }

  close() {
    this.opened = null;
    this.page = null;
    this.watch();
  }

  openedNews(known, run) {
    if (known && known.state === run.state && JSON.stringify(known.params) === JSON.stringify(run.params)) {
      const head = byId('run-facts');
      if (head) setText(head, this.factsOf(run).join(' · '));
      return;
    }
    clearTimeout(this.openTimer);
    this.openTimer = setTimeout(async () => {
      if (this.opened !== run.id) return;
      try {
        this.renderRun(await getJson(`/api/runs/${run.id}`));
        this.draw();
      } catch { /* the next news tries again */ }
    }, 300);
  }

  factsOf(run) {
    const facts = [t('steps', number(run.step), run.total_steps ? number(run.total_steps) : '')];
    if (run.started_ms) facts.push(`${t('started')} ${day(run.started_ms)} ${clockTime(run.started_ms)}`);
    if (run.started_ms && run.ended_ms) facts.push(`${t('took')} ${duration((run.ended_ms - run.started_ms) / 1000)}`);
    if (run.exit !== null) facts.push(`${t('exit')} ${run.exit}`);
    if (run.signal) facts.push(`${t('signal')} ${run.signal}`);
    if (run.from_run) facts.push(t('from', run.from_run));
    return facts;
  }

  renderRun(run) {
    setText(byId('run-title'), `${run.name} #${run.id}`);
    const changes = run.param_history.filter((change) => change.step > 0);
    this.marks = changes.slice(-12).map((change) => ({ step: change.step, text: `${change.name} ${exact(change.new)}` }));
    const params = Object.entries(run.params).map(([name, value]) => el('div', {}, el('dt', {}, paramName(name)), el('dd', {}, exact(value))));
    const metrics = Object.entries(run.metrics).map(([name, value]) => el('div', {}, el('dt', {}, metricName(name)), el('dd', {}, metric(value))));
    const events = [...run.events.map((event) => ({ ...event, title: kindName(event.kind) })),
      ...changes.map((change) => ({ t_ms: change.t_ms, step: change.step, title: `${change.name} ${exact(change.old)} → ${exact(change.new)}`, text: change.by }))]
      .sort((a, b) => a.t_ms - b.t_ms);
    const dark = matchMedia('(prefers-color-scheme: dark)').matches ? '&dark=1' : '';
    byId('run-body').replaceChildren(
      el('p.state', {}, badge(run), el('span.facts', { id: 'run-facts' }, this.factsOf(run).join(' · '))),
      el('canvas', { id: 'run-curve', role: 'img', ariaLabel: t('curve') }),
      el('div.chips', { id: 'run-chips' }),
      el('p.links', {}, el('a.button', { href: `/api/runs/${run.id}/metrics.csv`, download: `run-${run.id}.csv` }, t('csv')),
        el('a.button', { href: `/api/runs/${run.id}/plot.png?width=780${dark}`, target: '_blank', rel: 'noopener' }, t('image'))),
      run.checkpoint ? el('p.path', {}, el('span.label', {}, t('checkpoint')), ` ${run.checkpoint}`) : null,
      el('h3', {}, t('params')), el('dl.grid', {}, ...params),
      metrics.length ? el('dl.grid', {}, ...metrics) : null,
      el('h3', {}, t('events')),
      el('ol.events', {}, ...(events.length ? events.map((event) => el('li', {}, el('time', {}, clockTime(event.t_ms)),
        el('span', {}, el('strong', {}, event.title), event.step ? ` · ${t('steps', number(event.step), '')}` : '', event.text ? el('span.detail', {}, event.text) : null))) : [el('li.none', {}, t('noEvents'))])),
    );
  }

  renderChips() {
    const { names, chosen } = this.page;
    const key = JSON.stringify([names, chosen]);
    const box = byId('run-chips');
    if (!box || box.dataset.key === key) return;
    box.dataset.key = key;
    box.replaceChildren(...names.map((name) => el('button', {
      type: 'button', ariaPressed: String((chosen || []).includes(name)),
      onclick: () => {
        const on = (this.page.chosen || []).includes(name);
        this.page.chosen = on ? this.page.chosen.filter((n) => n !== name) : [...(this.page.chosen || []), name].slice(-2);
        if (!this.page.chosen.length) this.page.chosen = [name];
        this.page.load();
      },
    }, metricName(name))));
  }

  again() {
    this.renderCard();
    this.renderList();
    if (this.opened) this.open(this.opened);
    this.draw();
  }
}
