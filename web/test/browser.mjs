// Debian's Chromium, headless, with a profile of its own and nothing phoned home.
import { chromium } from 'playwright-core';

export function launch(options = {}) {
  return chromium.launch({
    executablePath: process.env.RUNNEL_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--autoplay-policy=no-user-gesture-required',
    ],
    ...options,
  });
}
