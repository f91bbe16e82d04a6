// run.mjs FOLDER: brings grammY, a client of the Bot API, into FOLDER, then proves the stand-in with it. Exit 77 (SKIP)
// without a registry.
import { fileURLToPath } from 'node:url';
import { withPackage } from '../../support/npm.mjs';

withPackage({ folder: process.argv[2], spec: 'grammy@1.46.0', module: 'grammy', variable: 'SDK',
  tests: [fileURLToPath(new URL('sdk.test.mjs', import.meta.url))] });
