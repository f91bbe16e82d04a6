// run.mjs FOLDER: brings the official client into FOLDER, then proves the stand-in with it. Exit 77 (SKIP) without a
// registry.
import { fileURLToPath } from 'node:url';
import { withPackage } from '../../support/npm.mjs';

process.env.npm_config_legacy_peer_deps = 'true'; // its host program is not needed: what it imports of that is stubbed
process.env.npm_config_ignore_scripts = 'true';
withPackage({ folder: process.argv[2], spec: '@tencent-weixin/openclaw-weixin@2.4.9', module: '@tencent-weixin/openclaw-weixin', variable: 'SDK',
  tests: [fileURLToPath(new URL('sdk.test.mjs', import.meta.url))] });
