// Login by QR code: what the gateway answers while a person scans, types a number, confirms, or lets the code grow old.
import { randomBytes } from 'node:crypto';

export class Code {
  constructor(gateway, tokens) {
    this.gateway = gateway;
    this.tokens = tokens; // local_token_list
    this.qrcode = `${randomBytes(12).toString('hex')}+/=`;
    this.url = `https://liteapp.weixin.qq.com/q/${randomBytes(8).toString('hex')}?qrcode=${randomBytes(12).toString('hex')}&bot_type=3`;
    this.status = 'wait';
    this.told = null;       // the status of the last answer
    this.waiting = new Set();
    this.wrongNumbers = 0;
    this.polls = 0;
    this.redirectHost = undefined;
    this.redirectTold = false;
  }
  // --- what the person does ---
  // number: the phone shows it and the terminal must say it.
  scan(person, { number } = {}) {
    this.person = person;
    this.number = number;
    return this.become(number === undefined ? 'scaned' : 'need_verifycode');
  }
  confirm({ withoutId = false, withoutBase = false, base } = {}) {
    const { gateway } = this;
    if (this.bound()) return this.become('binded_redirect');
    const account = gateway.account({ owner: this.person });
    this.answer = { bot_token: account.token, ilink_bot_id: withoutId ? undefined : account.id, baseurl: withoutBase ? undefined : base ?? gateway.url, ilink_user_id: this.person.id };
    this.account = account;
    return this.become('confirmed');
  }
  expire() { return this.become('expired'); }
  // The account lives elsewhere: from now on this code is known at the second address only.
  redirect({ host = this.gateway.secondHost } = {}) {
    this.redirectHost = host;
    return this.become('scaned_but_redirect');
  }
  become(status) {
    this.status = status;
    this.told = null;
    for (const wake of this.waiting) wake();
    return this;
  }
  // Whether a token that the client said it has is alive and this person's.
  bound() {
    return this.tokens.some((token) => {
      const account = this.gateway.accounts.get(token);
      return account?.alive && account.owner === this.person;
    });
  }
  // --- what the client sees ---
  async ask(request, query, wrong) {
    this.polls++;
    this.pace();
    const typed = query.get('verify_code');
    this.take(typed, wrong);
    if (this.redirectTold && !request.second) wrong.push('the status was asked at the first host after a redirect');
    if (this.over) wrong.push(`the status was asked after "${this.over}"`);
    if (this.told === this.status) await this.hold(request);
    return this.tell(request);
  }
  // The number that was typed, against the one on the phone.
  take(typed, wrong) {
    if (typed === null) {
      if (this.pending && this.status !== 'verify_code_blocked') wrong.push('verify_code left out before "scaned"');
      return;
    }
    if (typed === '') wrong.push('an empty verify_code');
    if (this.accepted) wrong.push('verify_code after "scaned"');
    if (this.status !== 'need_verifycode') return;
    this.pending = true;
    if (typed === this.number) {
      this.status = 'scaned';
      this.told = null;
    } else {
      this.told = null;
      this.pending = false;
      if (++this.wrongNumbers >= this.gateway.switches.wrongNumbers) this.status = 'verify_code_blocked';
    }
  }
  pace() {
    const now = Date.now();
    if (this.lastAnswer && this.told !== 'need_verifycode' && now - this.lastAnswer < 1000 / this.gateway.speed * 0.9) this.gateway.note('get_qrcode_status', `asked ${now - this.lastAnswer} ms after an answer`);
  }
  hold(request) {
    return new Promise((resolve) => {
      const done = () => { clearTimeout(timer); this.waiting.delete(done); resolve(); };
      const timer = setTimeout(done, this.gateway.switches.statusHoldMs / this.gateway.speed);
      this.waiting.add(done);
      request.gone(done);
    });
  }
  tell(request) {
    const { status } = this;
    request.delivered(() => { // an answer that was lost does not oblige the client
      this.lastAnswer = Date.now();
      this.told = status;
      if (status === 'scaned' && this.pending) { this.pending = false; this.accepted = true; }
      if (status === 'scaned_but_redirect' && this.redirectHost) this.redirectTold = true;
      if (status === 'binded_redirect') this.person.bot.cursor = ''; // the client may have thrown its cursor away
      if (['confirmed', 'expired', 'verify_code_blocked', 'binded_redirect'].includes(status)) this.over = status;
    });
    return { ...(this.gateway.switches.statusRet ? { ret: 0 } : {}), status: this.status, redirect_host: this.status === 'scaned_but_redirect' ? this.redirectHost : undefined, ...(this.status === 'confirmed' ? this.answer : {}) };
  }
}
