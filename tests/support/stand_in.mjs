// What the stand-ins of chat services share: a clock that can run faster than the world's, a list of violations, scripted
// faults, and waiting for a thing.
const SLOW = process.env.TRAINBOT_SANITIZED ? 4 : 1;

// Limits of a service (rates, lives) are counted on this clock: `speed` times as fast as the world's, and it can be moved.
export class Clock {
  constructor(speed = 1) {
    this.speed = speed;
    this.begun = Date.now();
    this.skew = 0;
  }
  now() { return this.begun + (Date.now() - this.begun) * this.speed + this.skew; }
  advance(ms) { this.skew += ms; }
  real(ms) { return ms / this.speed; } // how long that takes in the world
}

export class StandIn {
  constructor({ speed = Number(process.env.TRAINBOT_TEST_SPEED) || 1 } = {}) {
    this.clock = new Clock(speed);
    this.violations = []; // what the client did against the service's rules
    this.notes = [];      // what is allowed and worth knowing
    this.faults = [];
    this.watchers = new Set();
  }
  wrong(what, detail) {
    if (this.violations.length < 1000) this.violations.push(detail === undefined ? what : `${what}: ${typeof detail === 'string' ? detail : JSON.stringify(detail)?.slice(0, 300)}`);
    this.changed();
  }
  note(what) { if (this.notes.length < 1000) this.notes.push(what); }
  // The next `times` requests for which match(request) holds meet `action`; see the service's own file for the actions.
  fault(match, action, times = 1) {
    const fault = { match, action, times, hits: 0 };
    this.faults.push(fault);
    return fault;
  }
  takeFault(request) {
    const fault = this.faults.find((one) => one.times > 0 && one.match(request));
    if (!fault) return undefined;
    fault.times--;
    fault.hits++;
    if (!fault.times) this.faults.splice(this.faults.indexOf(fault), 1);
    return fault.action;
  }
  noFaults() { this.faults = []; }
  changed() { for (const look of [...this.watchers]) look(); }
  // Resolves with the first truthy value of check(), looked at after every change.
  waitFor(what, check, ms = 20000) {
    return new Promise((resolve, reject) => {
      const end = setTimeout(() => { this.watchers.delete(look); reject(new Error(`not within ${ms * SLOW} ms: ${what}`)); }, ms * SLOW);
      const look = () => {
        let value;
        try { value = check(); } catch (error) { this.watchers.delete(look); clearTimeout(end); return reject(error); }
        if (!value) return;
        this.watchers.delete(look);
        clearTimeout(end);
        resolve(value);
      };
      this.watchers.add(look);
      look();
    });
  }
}

// At most `count` in `ms`, on a clock: over() says whether one more now is too many, and counts it if not.
export class Rate {
  constructor(clock, limits) { Object.assign(this, { clock, limits, times: [] }); }
  over() {
    const now = this.clock.now(), longest = Math.max(...this.limits.map(([, ms]) => ms));
    while (this.times.length && this.times[0] <= now - longest) this.times.shift();
    for (const [count, ms] of this.limits) {
      const recent = this.times.filter((time) => time > now - ms);
      if (recent.length >= count) { this.wait_ms = recent[recent.length - count] + ms - now; return true; }
    }
    this.times.push(now);
    return false;
  }
}
