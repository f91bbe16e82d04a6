// run.mjs: brings the browser's driver into FOLDER, then runs the page's tests with it. Exit 77 (SKIP) where there is no
// registry or no Chromium.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = process.argv[2];
const here = dirname(fileURLToPath(import.meta.url));
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
if (!chromium) {
  console.log('SKIP: there is no Chromium here');
  process.exit(77);
}
mkdirSync(folder, { recursive: true });
if (!existsSync(join(folder, 'node_modules', 'playwright-core'))) {
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  try {
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--prefix', folder, 'playwright-core@1.60.0'], { stdio: 'pipe', timeout: 120000 });
  } catch {
    console.log('SKIP: the npm registry cannot be reached');
    process.exit(77);
  }
}
const result = spawnSync(process.execPath, ['--test', join(here, 'page.test.mjs'), join(here, 'main_job.test.mjs')], { stdio: 'inherit', env: { ...process.env, PLAYWRIGHT: join(folder, 'node_modules', 'playwright-core', 'index.js'), CHROMIUM: chromium } });
process.exit(result.status ?? 1);
