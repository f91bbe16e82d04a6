// text.js: the page's words in Chinese and English, and numbers, times and durations as a person reads them.
// What the bot says comes from the bot; only the page's own labels stand here.

const words = {
  zh: {
    title: 'trainbot', runs: '训练', menu: '菜单', back: '返回', close: '关闭', send: '发送',
    write: '写给 trainbot…', live: '已连接', connecting: '正在连接…', offline: '没有连接，会自动重连', waiting: '等待发送',
    refused: '没有收下，点这里再发', newer: '有新消息', emptyTitle: '还没有训练', emptyText: '写“开始”，就会开始第一次训练。',
    start: '开始', status: '状态', list: '列表', help: '帮助', stop: '停止', pause: '暂停', resume: '继续', plot: '曲线',
    params: '参数', invalid: '这个链接无效', invalidText: '请打开 trainbot 启动时显示的链接。',
    step: '步', steps: (a, b) => (b ? `${a}/${b} 步` : `第 ${a} 步`), speed: (v) => `${v} 样本/秒`, left: (v) => `还要 ${v}`,
    loss: '损失', acc: '准确率', noRuns: '还没有训练。', curve: '曲线', events: '经过', changes: '参数的变化',
    csv: '下载 CSV', image: '曲线图片', checkpoint: '存档', started: '开始于', took: '用时', language: 'English', theme: '外观',
    auto: '跟随系统', light: '浅色', dark: '深色', logout: '退出登录', logoutAsk: '所有已打开的页面都会退出。确定吗？', host: '机器',
    exit: '退出码', signal: '信号', from: (n) => `接着 #${n}`, nothing: '还没有数据', copy: '复制', more: '展开', less: '收起',
    typing: '正在准备…', unsaved: '数据库写不进，这条没有存下', tapCurve: '曲线：显示或收起', smooth: '粗线是平滑后的值', log: '对数轴',
    today: '今天', yesterday: '昨天', now: '现在', noEvents: '没有记录。', picture: '图片', you: '你', alert: '告警', lost: '不存在',
    states: { queued: '排队', starting: '启动中', running: '运行中', paused: '已暂停', stopping: '正在停', finished: '已完成', stopped: '已停止', failed: '失败', lost: '失联' },
    paramNames: { lr: '学习率', bs: '批量', ds: '显示', ti: '迭代' },
    kinds: { started: '开始', launched: '启动', plan: '计划', epoch: '轮', checkpoint: '存档', paused: '暂停', resumed: '继续', gap: '缺口', note: '说明', finished: '完成', failed: '失败', exited: '退出', lost: '失联', nan: 'NaN', stall: '停顿', stopped: '停止', crashed: '崩溃' },
  },
  en: {
    title: 'trainbot', runs: 'Runs', menu: 'Menu', back: 'Back', close: 'Close', send: 'Send',
    write: 'Write to trainbot…', live: 'connected', connecting: 'connecting…', offline: 'offline, reconnecting by itself', waiting: 'waiting to be sent',
    refused: 'not taken; tap to send again', newer: 'New messages', emptyTitle: 'No training yet', emptyText: 'Write “start” and the first one begins.',
    start: 'start', status: 'status', list: 'runs', help: 'help', stop: 'stop', pause: 'pause', resume: 'resume', plot: 'plot',
    params: 'params', invalid: 'This link is not valid', invalidText: 'Open the link that trainbot prints when it starts.',
    step: 'step', steps: (a, b) => (b ? `step ${a}/${b}` : `step ${a}`), speed: (v) => `${v} samples/s`, left: (v) => `${v} left`,
    loss: 'loss', acc: 'acc', noRuns: 'No runs yet.', curve: 'Curve', events: 'Events', changes: 'Changes of parameters',
    csv: 'CSV file', image: 'Plot', checkpoint: 'checkpoint', started: 'started', took: 'took', language: '中文', theme: 'Appearance',
    auto: 'as the system', light: 'light', dark: 'dark', logout: 'Log out', logoutAsk: 'Every open page will be logged out. Go on?', host: 'machine',
    exit: 'exit code', signal: 'signal', from: (n) => `goes on from #${n}`, nothing: 'No data yet', copy: 'Copy', more: 'more', less: 'less',
    typing: 'working on it…', unsaved: 'the database cannot be written: this was not kept', tapCurve: 'Curve: show or hide', smooth: 'bold: smoothed', log: 'log axis',
    today: 'today', yesterday: 'yesterday', now: 'now', noEvents: 'Nothing yet.', picture: 'picture', you: 'you', alert: 'alert', lost: 'does not exist',
    states: { queued: 'queued', starting: 'starting', running: 'running', paused: 'paused', stopping: 'stopping', finished: 'finished', stopped: 'stopped', failed: 'failed', lost: 'lost' },
    paramNames: {},
    kinds: {},
  },
};

let lang = 'en';

export function setLang(next) {
  lang = next === 'zh' ? 'zh' : 'en';
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en';
}

export function getLang() {
  return lang;
}

/** The word for a key; functions take their arguments. */
export function t(key, ...args) {
  const word = words[lang][key];
  return typeof word === 'function' ? word(...args) : word;
}

export function stateName(state) {
  return words[lang].states[state] || state;
}

export function kindName(kind) {
  return words[lang].kinds[kind] || kind;
}

/** The usual metrics' names are translated, all others stand as the trainer calls them. */
export function metricName(name) {
  return name === 'loss' || name === 'acc' ? t(name) : name;
}

/** A parameter's name as it is written to the bot, in Chinese with the word before it. */
export function paramName(name) {
  const known = words[lang].paramNames[name];
  return known ? `${known} ${name}` : name;
}

/** A parameter's value with all its digits. */
export function exact(value) {
  if (typeof value === 'number' && Number.isInteger(value)) return number(value);
  return value === null || value === undefined ? '–' : String(value);
}

/** Three to four significant digits, thousands separated where whole. "nan", "inf" pass as they are. */
export function number(value) {
  if (typeof value !== 'number') return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return value.toLocaleString('en-US');
  if (size !== 0 && (size < 0.001 || size >= 1e7)) return value.toExponential(2);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  return Number(value.toPrecision(4)).toString();
}

/** A metric's value keeps its width while it changes: always four significant digits. */
export function metric(value) {
  if (typeof value !== 'number' || Number.isInteger(value)) return number(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 10000)) return value.toExponential(2);
  return value.toPrecision(4);
}

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const parts = s >= 86400 ? [[Math.floor(s / 86400), 'd'], [Math.floor((s % 86400) / 3600), 'h']]
    : s >= 3600 ? [[Math.floor(s / 3600), 'h'], [Math.floor((s % 3600) / 60), 'm']]
      : s >= 60 ? [[Math.floor(s / 60), 'm'], [s % 60, 's']] : [[s, 's']];
  const units = lang === 'zh' ? { d: ' 天', h: ' 小时', m: ' 分', s: ' 秒' } : { d: ' d', h: ' h', m: ' min', s: ' s' };
  return parts.filter(([n], i) => n || i === 0).map(([n, u]) => n + units[u]).join(' ');
}

export function clockTime(ms) {
  return new Date(ms).toLocaleTimeString(lang === 'zh' ? 'zh-CN' : 'en-GB', { hour: '2-digit', minute: '2-digit' });
}

export function day(ms) {
  const date = new Date(ms);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(ms).setHours(0, 0, 0, 0)) / 86400000);
  if (days === 0) return t('today');
  if (days === 1) return t('yesterday');
  return date.toLocaleDateString(lang === 'zh' ? 'zh-CN' : 'en-GB', { month: 'short', day: 'numeric' });
}
