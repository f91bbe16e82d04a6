// chat.js: the conversation. Messages are keyed by the bot's id: a newer version of a message replaces it in place (the
// progress message), a person's own message stands as "waiting" until the bot has it. Quick replies of the newest
// message that has some stand above the composer.

import { el, byId, setText, show } from './dom.js';
import { t, clockTime, day } from './text.js';

const LONG_TEXT = 1200;
const BAR = /^(?=[▓█░]{5})([▓█]*)(░*) ?(.*)$/u;

/** A line "▓▓▓░░ 970/1562" as a bar that fits any width, its text below. */
function drawnBar([, full, rest, text]) {
  const bar = el('span.bar', { role: 'img', ariaLabel: text }, el('span'));
  bar.firstElementChild.style.width = `${(full.length / (full.length + rest.length)) * 100}%`;
  return el('span.barred', {}, bar, el('span', {}, text));
}

export class Chat {
  /** on: {say(text), again(id), picture(src, title)} */
  constructor(on) {
    this.on = on;
    this.messages = new Map();
    this.list = byId('messages');
    this.scroller = byId('chat');
    this.waiting = byId('waiting');
    this.stuck = true;
    this.scroller.addEventListener('scroll', () => {
      const { scrollTop, scrollHeight, clientHeight } = this.scroller;
      this.stuck = scrollHeight - scrollTop - clientHeight < 60;
      if (this.stuck) show(byId('newer'), false);
    }, { passive: true });
    byId('newer').onclick = () => this.toEnd(true);
    new ResizeObserver(() => this.stuck && this.toEnd()).observe(this.scroller);
  }

  toEnd(smooth) {
    this.stuck = true;
    show(byId('newer'), false);
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: smooth ? 'smooth' : 'instant' });
  }

  grown(fresh) {
    if (this.stuck) this.toEnd();
    else if (fresh) show(byId('newer'), true);
  }

  /** A message, or a newer version of one. Returns true when it is new. */
  take(message) {
    const known = this.messages.get(message.id);
    if (known && known.message.rev >= message.rev && message.rev) return false;
    const node = this.make(message);
    if (known) {
      node.classList.add('edited');
      known.node.replaceWith(node);
    } else {
      this.insert(node, message);
    }
    this.messages.set(message.id, { message, node });
    this.grown(!known);
    this.quick();
    show(byId('empty'), false);
    return !known;
  }

  insert(node, message) {
    const after = [...this.list.children].reverse().find((child) => child.dataset.id && Number(child.dataset.id) < Number(message.id));
    if (after) after.after(node);
    else this.list.prepend(node);
    const before = node.previousElementSibling;
    const here = day(message.t_ms);
    if (!before || before.dataset.day !== here) {
      const next = node.nextElementSibling;
      if (next && next.classList.contains('day') && next.dataset.day === here) next.remove();
      node.before(el('li.day', { 'data-day': here }, here));
    }
  }

  make(message) {
    const mine = message.dir === 'in';
    const good = message.class === 'alert' && message.text.startsWith('✓') ? '.good' : '';
    const node = el(`li.message.${mine ? 'mine' : 'theirs'}.${message.class}${good}`, { 'data-id': message.id, 'data-day': day(message.t_ms) });
    if (message.image) {
      const image = el('img', { src: message.image, alt: message.text || t('picture'), loading: 'lazy' });
      image.onload = () => this.grown(false);
      node.append(el('button.picture', { type: 'button', ariaLabel: message.text || t('picture'), onclick: () => this.on.picture(message.image, message.text) }, image));
    }
    if (message.text) node.append(this.text(message, mine));
    const time = el('time', { dateTime: new Date(message.t_ms).toISOString() }, clockTime(message.t_ms));
    if (!mine && !message.rev) time.append(` · ${t('unsaved')}`);
    node.append(time);
    return node;
  }

  text(message, mine) {
    const box = el('div.text', { dir: 'auto' });
    const lines = message.text.split('\n');
    const headed = !mine && (lines.length > 1 || message.class === 'alert');
    lines.forEach((line, i) => {
      const bar = mine ? null : BAR.exec(line);
      if (bar) box.append(drawnBar(bar));
      else box.append(headed && i === 0 ? el('span.first', {}, line) : line, i + 1 < lines.length && !BAR.test(lines[i + 1]) ? '\n' : '');
    });
    if (message.text.length < LONG_TEXT) return box;
    box.classList.add('folded');
    const more = el('button.more', { type: 'button' }, t('more'));
    more.onclick = () => {
      const folded = box.classList.toggle('folded');
      setText(more, folded ? t('more') : t('less'));
    };
    return el('div', {}, box, more);
  }

  /** What the bot does not have yet. */
  unsent(list) {
    this.waiting.replaceChildren(...list.map((message) => {
      const note = el('span.note', {}, message.error ? `${t('refused')} (${message.error})` : message.taken ? '' : t('waiting'));
      const node = el(`li.message.mine.${message.error ? 'refused' : message.taken ? 'taken' : 'unsent'}`, {}, el('div.text', { dir: 'auto' }, message.text), note);
      if (message.error) note.append(el('button.more', { type: 'button', onclick: () => this.on.again(message.id) }, '↻'));
      return node;
    }));
    if (list.length) show(byId('empty'), false);
    this.grown(false);
  }

  typing(on) {
    clearTimeout(this.typingTimer);
    show(byId('typing'), on);
    if (on) this.typingTimer = setTimeout(() => show(byId('typing'), false), 12000);
    this.grown(false);
  }

  /** The bot's own quick replies, or what is always useful. */
  quick() {
    const newest = [...this.messages.values()].reverse().find(({ message }) => message.dir === 'out' && message.buttons.length);
    const texts = newest ? [...newest.message.buttons] : [];
    for (const text of this.useful || []) if (texts.length < 7 && !texts.includes(text)) texts.push(text);
    const key = texts.join('\n');
    if (key === this.quickKey) return;
    this.quickKey = key;
    byId('quick').replaceChildren(...texts.map((text) => el('button', { type: 'button', onclick: () => this.on.say(text) }, text)));
    byId('quick').scrollLeft = 0;
  }

  setUseful(texts) {
    this.useful = texts;
    this.quick();
  }

  /** After the language changed. */
  again() {
    for (const entry of this.messages.values()) {
      const node = this.make(entry.message);
      entry.node.replaceWith(node);
      entry.node = node;
    }
    for (const node of this.list.querySelectorAll('.day')) {
      const next = node.nextElementSibling;
      if (next) node.dataset.day = node.textContent = next.dataset.day;
    }
  }
}
