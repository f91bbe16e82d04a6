// start_trainer.mjs: what web_bot starts for 开始: reads where the bot listens, then becomes the trainer of arithmetic.
// node start_trainer.mjs LINK_FILE TOKEN [key=value …]

import { readFileSync } from 'node:fs';

const [file, token, ...rest] = process.argv.slice(2);
const { host } = new URL(readFileSync(file, 'utf8').trim());
process.argv.splice(2, process.argv.length, `ws://${host}/trainer`, token, ...rest);
await import('./fake_trainer.mjs');
