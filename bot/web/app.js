// app.js: the page as a whole: who may see it, which view stands, and the wires between the line, the chat and the runs.

import { el, byId, setText, show } from './dom.js';
import { t, setLang, getLang } from './text.js';
import { Link } from './link.js';
import { Chat } from './chat.js';
import { Runs, isLive } from './runs.js';

const store = {
  get(key) {
    try {
      return localStorage.getItem(`trainbot.${key}`);
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(`trainbot.${key}`, value);
    } catch { /* private mode */ }
  },
};

let link, chat, runs;
let unseen = 0;

/* ---- words and looks ---- */

function label() {
  setText(byId('runs-button').querySelector('span'), t('runs'));
  byId('menu-button').ariaLabel = t('menu');
  byId('text').placeholder = t('write');
  byId('text').ariaLabel = t('write');
  byId('send').ariaLabel = t('send');
  setText(byId('empty-title'), t('emptyTitle'));
  setText(byId('empty-text'), t('emptyText'));
  setText(byId('empty-start'), t('start'));
  setText(byId('newer'), `↓ ${t('newer')}`);
  setText(byId('typing'), t('typing'));
  setText(byId('runs-title'), t('runs'));
  setText(byId('menu-language'), t('language'));
  setText(byId('menu-theme'), `${t('theme')}: ${t(store.get('theme') || 'auto')}`);
  setText(byId('menu-logout'), t('logout'));
  setText(byId('invalid-title'), t('invalid'));
  setText(byId('invalid-text'), t('invalidText'));
  byId('card-head').ariaLabel = t('tapCurve');
  for (const back of document.querySelectorAll('.back')) back.ariaLabel = t('back');
  byId('picture-close').ariaLabel = t('close');
  if (link) setState(link.shownState);
}

function theme(next) {
  store.set('theme', next);
  document.documentElement.dataset.theme = next;
  label();
  if (runs) runs.draw();
}

function setState(name) {
  if (!name) return;
  if (link) link.shownState = name;
  const node = byId('state');
  node.className = name;
  setText(node.querySelector('span'), t(name));
}

/* ---- views: the chat, the list, one run; the address names them, so that "back" works ---- */

function route() {
  const [name, id] = location.hash.slice(1).split('/');
  const run = name === 'run' && /^[1-9]\d*$/.test(id || '') ? id : null;
  show(byId('runs'), name === 'runs');
  show(byId('run'), Boolean(run));
  byId('main').inert = name === 'runs' || Boolean(run);
  if (name === 'runs') runs.load().catch(() => {});
  if (run && runs.opened !== run) runs.open(run);
  if (!run && runs.opened) runs.close();
  show(byId('menu'), false);
}

function back() {
  if (history.state && history.state.inside) history.back();
  else location.hash = byId('run').hidden ? '' : '#runs';
}

function picture(src, title) {
  const box = byId('picture');
  box.querySelector('img').src = src;
  box.querySelector('img').alt = title || t('picture');
  setText(byId('picture-title'), title || '');
  box.showModal();
}

/* ---- writing ---- */

function say(text) {
  const trimmed = text.trim();
  if (!trimmed) return;
  link.say(trimmed);
  chat.toEnd();
}

function composer() {
  const text = byId('text');
  const fit = () => {
    text.style.height = 'auto';
    text.style.height = `${Math.min(text.scrollHeight, 160)}px`;
    byId('send').disabled = !text.value.trim();
  };
  const submit = () => {
    say(text.value);
    text.value = '';
    fit();
    text.focus({ preventScroll: true });
  };
  text.addEventListener('input', fit);
  text.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  });
  byId('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
  });
  fit();
}

/* ---- what comes ---- */

function current(run) {
  const live = run && isLive(run);
  chat.setUseful(live ? [t('status'), t('plot'), run.state === 'paused' ? t('resume') : t('pause'), t('stop'), t('params')] : [t('start'), t('list'), t('help')]);
}

function notice(message) {
  if (!document.hidden || message.dir !== 'out' || message.class === 'progress') return;
  unseen++;
  document.title = `(${unseen}) ${message.class === 'alert' ? '⚠ ' : ''}trainbot`;
}

function take(packet) {
  if (packet.type === 'message') {
    if (chat.take(packet) && packet.dir === 'out') notice(packet);
    if (packet.dir === 'out') chat.typing(false);
  } else if (packet.type === 'run') {
    runs.takeRun(packet.run);
  } else if (packet.type === 'rows') {
    runs.takeRows(packet);
  } else if (packet.type === 'lagging') {
    runs.reload();
  } else if (packet.type === 'typing') {
    chat.typing(true);
  } else if (packet.type === 'synced') {
    show(byId('empty'), chat.messages.size === 0 && link.unsent.length === 0);
    runs.load().then(() => runs.reload()).catch(() => {});
  }
}

/* ---- coming in ---- */

async function post(path, body) {
  return fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
}

function invalid() {
  show(byId('app'), false);
  for (const id of ['runs', 'run']) show(byId(id), false);
  show(byId('invalid'), true);
}

/** The link's token becomes a cookie, and leaves the address. */
async function enter() {
  const token = /^#t=([\w-]+)$/.exec(location.hash);
  if (!token) return true;
  history.replaceState(null, '', location.pathname);
  const answer = await post('/api/session', { token: token[1] });
  return answer.ok || (answer.status === 401 || answer.status === 429 ? false : Promise.reject(answer));
}

async function enterPatiently() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 10000)) {
    try {
      return await enter();
    } catch {
      setState('offline');
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}

async function logout() {
  if (!confirm(t('logoutAsk'))) return;
  await post('/api/logout', {}).catch(() => {});
  link.end();
}

function wire() {
  byId('runs-button').onclick = () => {
    history.pushState({ inside: true }, '', '#runs');
    route();
  };
  byId('runs-list').addEventListener('click', (event) => {
    const item = event.target.closest('a.run');
    if (!item) return;
    event.preventDefault();
    history.pushState({ inside: true }, '', item.getAttribute('href'));
    route();
  });
  byId('card-open').onclick = () => {
    if (!runs.current) return;
    history.pushState({ inside: true }, '', `#run/${runs.current.id}`);
    route();
  };
  for (const button of document.querySelectorAll('.back')) button.onclick = back;
  byId('menu-button').onclick = () => show(byId('menu'), byId('menu').hidden);
  document.addEventListener('click', (event) => {
    if (!event.target.closest('#menu, #menu-button')) show(byId('menu'), false);
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    if (!byId('menu').hidden) show(byId('menu'), false);
    else if (location.hash.length > 1) back();
  });
  byId('menu-language').onclick = () => {
    setLang(getLang() === 'zh' ? 'en' : 'zh');
    store.set('lang', getLang());
    label();
    chat.again();
    runs.again();
    current(runs.current);
  };
  byId('menu-theme').onclick = () => theme({ auto: 'light', light: 'dark', dark: 'auto' }[store.get('theme') || 'auto']);
  byId('menu-logout').onclick = logout;
  byId('empty-start').onclick = () => say(t('start'));
  byId('picture').onclick = () => byId('picture').close();
  addEventListener('popstate', route);
  addEventListener('hashchange', () => (location.hash.startsWith('#t=') ? location.reload() : route()));
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return;
    unseen = 0;
    document.title = 'trainbot';
  });
}

async function main() {
  setLang(store.get('lang') || (navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en'));
  document.documentElement.dataset.theme = store.get('theme') || 'auto';
  label();
  if (!(await enterPatiently())) return invalid();
  chat = new Chat({ say, again: (id) => link.again(id), picture });
  runs = new Runs({ current, watch: (ids) => link && link.watch(ids) });
  link = new Link({ state: setState, packet: take, unsent: (list) => chat.unsent(list), invalid });
  chat.unsent(link.unsent);
  chat.setUseful([t('start'), t('list'), t('help')]);
  wire();
  composer();
  route();
  show(byId('app'), true);
  link.open();
}

main();
