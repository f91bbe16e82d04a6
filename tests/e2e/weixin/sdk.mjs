// The official client, @tencent-weixin/openclaw-weixin 2.4.9 (SDK names its folder), outside of its host program: what it
// imports from there is a stub, and the service's fixed address leads to the gateway that pointAt() names.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const home = mkdtempSync(join(tmpdir(), 'tb-sdk-'));
process.env.OPENCLAW_STATE_DIR = home;
process.env.TB_SDK_TMP = home;
const STUBS = {
  'infra-runtime': 'export const resolvePreferredOpenClawTmpDir = () => process.env.TB_SDK_TMP;\nexport const withFileLock = (path, options, work) => work();',
  'account-id': 'export const normalizeAccountId = (id) => String(id).trim().toLowerCase();',
  'config-runtime': 'export const loadConfig = () => ({});\nexport const writeConfigFile = async () => {};',
  'channel-message': 'export const createTypingCallbacks = () => ({});',
  'command-auth': 'export const resolveSenderCommandAuthorizationWithRuntime = async () => ({});\nexport const resolveDirectDmAuthorizationOutcome = () => "unauthorized";',
  'hook-runtime': 'export const fireAndForgetHook = () => {};\nexport const buildCanonicalSentMessageHookContext = (x) => x;\nexport const toPluginMessageContext = (x) => x;\nexport const toPluginMessageSentEvent = (x) => x;',
  'plugin-runtime': 'export const getGlobalHookRunner = () => undefined;',
};
const stub = join(process.env.SDK, '..', '..', 'openclaw');
mkdirSync(join(stub, 'plugin-sdk'), { recursive: true });
writeFileSync(join(stub, 'package.json'), JSON.stringify({ name: 'openclaw', version: '0.0.0', type: 'module', exports: { './plugin-sdk/*': './plugin-sdk/*.js' } }));
for (const [name, text] of Object.entries(STUBS)) writeFileSync(join(stub, 'plugin-sdk', `${name}.js`), `${text}\n`);

const load = (name) => import(pathToFileURL(join(process.env.SDK, 'dist', 'src', `${name}.js`)).href);
export const folder = home;
export const { startWeixinLoginWithQr, waitForWeixinLogin } = await load('auth/login-qr');
export const { getUpdates, notifyStart, notifyStop, sendTyping, sendMessage, getUploadUrl } = await load('api/api');
export const { WeixinConfigManager } = await load('api/config-cache');
export const { sendMessageWeixin } = await load('messaging/send');
export const { sendWeixinMediaFile } = await load('messaging/send-media');
export const { weixinMessageToMsgContext } = await load('messaging/inbound');
export const { downloadMediaFromItem } = await load('media/media-download');
export const { monitorWeixinProvider } = await load('monitor/monitor');
export const { saveWeixinAccount, registerWeixinAccountId } = await load('auth/accounts');

// Its login asks one fixed host, and a redirect one over https: both are led to the gateway.
const real = globalThis.fetch;
let gateway = null;
export function pointAt(target) { gateway = target; }
globalThis.fetch = (url, options) => real(String(url).replace('https://ilinkai.weixin.qq.com', gateway.url).replace(/^https:\/\/127\.0\.0\.1:/, 'http://127.0.0.1:'), options);
