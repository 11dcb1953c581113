// What the scripts share: a browser, people, and assertions that say what is wrong.
import { chromium } from 'playwright-core';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

export const base = process.env.BASE;
export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

export const complaints = [];
// A page whose every complaint is kept.
export const watched = async (context) => {
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on('pageerror', (error) => complaints.push(`script: ${error.message}`));
  page.on('console', (line) => { if (line.type() === 'error' && line.location().url.startsWith(base)) complaints.push(`console: ${line.text()}`); });
  return page;
};
export const person = async (browser, link, options = {}) => {
  const page = await watched(await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options }));
  await page.goto(base + link);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.waitForURL('**/inbox');
  return page;
};

export const authenticator = async (page) => {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  return { cdp, authenticatorId };
};

export const text = async (page) => (await page.textContent('main')).replace(/\s+/g, ' ');
export const has = async (page, ...parts) => {
  const all = await text(page);
  for (const part of parts) assert(all.includes(part), `${page.url()} lacks «${part}»: ${all.slice(0, 1500)}`);
};

const axe = readFileSync(createRequire(`${process.env.NODE_PATH}/_.js`).resolve('axe-core/axe.min.js'), 'utf8');

export const accessible = async (page, what) => {
  // Half way from light to dark a colour is neither.
  await page.evaluate(() => Promise.allSettled(
    document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished),
  ));
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Runtime.evaluate', { expression: axe });
  const { result, exceptionDetails } = await cdp.send('Runtime.evaluate', {
    expression: 'axe.run(document).then((r) => JSON.stringify(r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html + " " + n.failureSummary).join(" | ")}`)))',
    awaitPromise: true, returnByValue: true,
  });
  assert(!exceptionDetails, JSON.stringify(exceptionDetails));
  assert.deepEqual(JSON.parse(result.value), [], `axe-core on ${what}`);
};
// Those that docs/inbox.md shows.
const shown = ['login-desktop-light', 'openapi-desktop-light', 'pending-desktop-light', 'request-desktop-light', 'request-desktop-dark', 'request-phone-dark', 'hostile-desktop-light', 'verify-desktop-light'];
export const picture = async (page, name) => {
  if (process.env.IMAGES && shown.includes(name)) await page.screenshot({ path: `${process.env.IMAGES}/inbox-${name}.png` });
};
