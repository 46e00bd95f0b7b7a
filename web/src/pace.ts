// Keeps a live picture near the present: a little faster where it fell behind, by a jump where that would take long, and with more in hand
// after it has run dry. hls.js plays faster only while it has more than a second in hand: with low latency that is never.

const kMaxRate = 1.1;
// Quantised, since each change of the rate costs the sound something.
const kRateStep = 0.05;
// Faster by 5 % for each quarter of a second behind: from kLate on, until kInTime.
const kRatePerSecond = 0.2;
const kLate = 0.12;
const kInTime = 0.03;
// What is in hand is not to be used up by catching up, in hold-backs.
const kSpareHoldBacks = 0.5;
// More than this is jumped over where the place is buffered: playing faster would take a quarter of a minute.
const kJump = 1.5;
// Else only this much and after a while, since a jump beyond what is buffered has to wait for its media.
const kFarJump = 6;
const kFarMs = 3000;
// What a jump needs to fill its buffer before another one may follow.
const kJumpPauseMs = 15_000;
// Held back in addition after each time that it ran dry, and taken back after so long without.
const kDryStep = 0.2;
const kMaxDry = 1;
// A picture that stops and goes runs dry once.
const kDryApartMs = 1000;
const kCalmMs = 60_000;

// Seconds, but for the time.
export interface Moment {
  nowMs: number;
  behind: number; // the picture behind the newest media
  ahead: number; // buffered from the picture on
  holdBack: number; // how far behind the playlist wants players to be
}

export interface Advice {
  target: number; // how far behind to be, in seconds
  rate: number;
  jump: boolean; // to the target
}

export class LivePace {
  private dry = 0;
  private calmSince = 0;
  private faster = false;
  private farSince: number | null = null;
  private lastDry = -Infinity;
  private lastJump = -Infinity;

  // The picture stood still, since nothing more was there.
  ranDry(nowMs: number): void {
    if (nowMs - this.lastDry < kDryApartMs) return;
    this.lastDry = nowMs;
    this.dry = Math.min(kMaxDry, this.dry + kDryStep);
    this.calmSince = nowMs;
  }

  // Nobody is watching the present: paused, or rewound.
  rest(): void {
    this.faster = false;
    this.farSince = null;
  }

  advise(moment: Moment): Advice {
    if (this.dry > 0 && moment.nowMs - this.calmSince >= kCalmMs) {
      this.dry = Math.max(0, this.dry - kDryStep);
      this.calmSince = moment.nowMs;
    }
    const target = moment.holdBack + this.dry;
    const late = moment.behind - target;
    const jump = this.shallJump(moment, late);
    return { target, rate: jump ? 1 : this.rate(moment, late), jump };
  }

  private rate(moment: Moment, late: number): number {
    this.faster = late > (this.faster ? kInTime : kLate) && moment.ahead > moment.holdBack * kSpareHoldBacks;
    if (!this.faster) return 1;
    const steps = Math.max(1, Math.round((late * kRatePerSecond) / kRateStep));
    return Math.min(kMaxRate, 1 + steps * kRateStep);
  }

  private shallJump(moment: Moment, late: number): boolean {
    if (late < kFarJump) this.farSince = null;
    else this.farSince ??= moment.nowMs;
    const buffered = late > kJump && moment.ahead > late;
    const far = this.farSince !== null && moment.nowMs - this.farSince >= kFarMs;
    if ((!buffered && !far) || moment.nowMs - this.lastJump < kJumpPauseMs) return false;
    this.lastJump = moment.nowMs;
    this.farSince = null;
    return true;
  }
}
