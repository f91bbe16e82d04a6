// run.mjs FOLDER [emulator]: brings grammY, a client of the Bot API, into FOLDER and proves the stand-in with it; or the
// emulator telegram-test-api, and runs the bot on that. Exit 77 (SKIP) without a registry.
import { fileURLToPath } from 'node:url';
import { withPackage } from '../../support/npm.mjs';

const [folder, what = 'sdk'] = process.argv.slice(2);
const packages = { sdk: ['grammy', '1.46.0'], emulator: ['telegram-test-api', '4.2.1'] }, [name, version] = packages[what];
withPackage({ folder: `${folder}-${what}`, spec: `${name}@${version}`, module: name, variable: 'SDK',
  tests: [fileURLToPath(new URL(`${what}.test.mjs`, import.meta.url))] });
