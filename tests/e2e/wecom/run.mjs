// run.mjs FOLDER: brings WeCom's own SDK into FOLDER, then proves the stand-in with it. Exit 77 (SKIP) without a registry.
import { fileURLToPath } from 'node:url';
import { withPackage } from '../../support/npm.mjs';

withPackage({ folder: process.argv[2], spec: '@wecom/aibot-node-sdk@1.0.7', module: '@wecom/aibot-node-sdk', variable: 'SDK',
  tests: [fileURLToPath(new URL('sdk.test.mjs', import.meta.url))] });
