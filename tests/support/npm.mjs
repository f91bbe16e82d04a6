// A test that needs a package of npm: it comes into a folder of the build when the test runs. Without a registry the test
// says SKIP (exit 77).
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// Ends the process with the tests' status. `variable` tells them the path of `module`.
export function withPackage({ folder, spec, module, variable, tests }) {
  const path = join(folder, 'node_modules', module);
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(path, 'package.json'))) {
    writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
    try {
      execFileSync('npm', ['install', '--no-audit', '--no-fund', '--prefix', folder, spec], { stdio: 'pipe', timeout: 120000 });
    } catch {
      console.log(`SKIP: the npm registry cannot be reached (${spec})`);
      process.exit(77);
    }
  }
  // Not through node --test: what an SDK prints could be taken for the runner's own messages.
  for (const test of tests) {
    const result = spawnSync(process.execPath, [test], { stdio: 'inherit', env: { ...process.env, [variable]: path } });
    if (result.status !== 0) process.exit(result.status ?? 1);
  }
  process.exit(0);
}
