// What a WeCom template card must look like (limits of the AI-bot's long connection). cardProblems(): the breaches, in words.
const TYPES = ['text_notice', 'news_notice', 'button_interaction', 'vote_interaction', 'multiple_interaction'];
const INTERACTIVE = TYPES.slice(2);
const FIELDS = ['card_type', 'source', 'action_menu', 'main_title', 'emphasis_content', 'quote_area', 'sub_title_text', 'horizontal_content_list',
  'jump_list', 'card_action', 'card_image', 'image_text_area', 'vertical_content_list', 'button_selection', 'button_list', 'checkbox',
  'select_list', 'submit_button', 'task_id', 'feedback'];
const LISTS = { horizontal_content_list: 6, jump_list: 3, vertical_content_list: 4 };

const long = (text, units) => typeof text === 'string' && [...text].length > units;

function titles(card, say) {
  const title = card.main_title;
  if (title === undefined) { if (!card.sub_title_text) say('no title'); return; }
  if (typeof title !== 'object' || title === null) return say('main_title is not an object');
  for (const key of Object.keys(title)) if (key !== 'title' && key !== 'desc') say(`main_title.${key}`);
  for (const key of ['title', 'desc']) if (title[key] !== undefined && typeof title[key] !== 'string') say(`main_title.${key} is no text`);
  if (!title.title && !title.desc && !card.sub_title_text) say('an empty title');
  if (long(title.title, 26)) say(`a title of ${[...title.title].length} characters`);
  if (long(title.desc, 30)) say(`a desc of ${[...title.desc].length} characters`);
}

function buttons(card, say) {
  const list = card.button_list;
  if (!Array.isArray(list) || list.length < 1 || list.length > 6) return say(`button_list of ${Array.isArray(list) ? list.length : typeof list}`);
  const keys = new Set();
  for (const button of list) {
    if (typeof button?.text !== 'string' || !button.text) say('a button without text');
    else if (long(button.text, 10)) say(`a button's text of ${[...button.text].length} characters`);
    if (typeof button?.key !== 'string' || !button.key) say('a button without key');
    else if (Buffer.byteLength(button.key) > 1024) say('a key above 1024 bytes');
    if (keys.has(button?.key)) say(`two buttons with the key ${button.key}`);
    keys.add(button?.key);
    if (button?.style !== undefined && ![1, 2, 3, 4].includes(button.style)) say(`style ${button.style}`);
    for (const key of Object.keys(button ?? {})) if (!['text', 'key', 'style'].includes(key)) say(`button.${key}`);
  }
}

// inUpdate: sent as the answer to a click.
export function cardProblems(card) {
  const problems = [], say = (what) => problems.push(what);
  if (typeof card !== 'object' || card === null || Array.isArray(card)) return ['no card'];
  for (const key of Object.keys(card)) if (!FIELDS.includes(key)) say(`the field ${key}`);
  if (!TYPES.includes(card.card_type)) return [...problems, `card_type ${card.card_type}`];
  titles(card, say);
  if (long(card.sub_title_text, 112)) say('sub_title_text too long');
  if (INTERACTIVE.includes(card.card_type) && card.task_id === undefined) say('no task_id');
  if (card.task_id !== undefined && !/^[0-9A-Za-z_@-]{1,128}$/.test(card.task_id)) say(`task_id ${JSON.stringify(card.task_id)}`);
  if (card.card_type === 'button_interaction') buttons(card, say);
  else if (card.button_list !== undefined) say(`button_list in a ${card.card_type}`);
  if (card.card_type === 'text_notice' || card.card_type === 'news_notice') {
    const action = card.card_action;
    if (!action || ![1, 2].includes(action.type)) say('no card_action');
    else if (action.type === 1 && !/^https?:\/\//.test(action.url ?? '')) say('card_action without url');
  }
  for (const [name, most] of Object.entries(LISTS))
    if (card[name] !== undefined && (!Array.isArray(card[name]) || card[name].length > most)) say(`${name} above ${most}`);
  return problems;
}
