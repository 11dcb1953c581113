// What the scripts share: a browser, people, and assertions that say what is wrong.
import { chromium } from 'playwright-core';
import assert from 'node:assert/strict';

export const base = process.env.BASE;
export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

export const complaints = [];
export const person = async (browser, link, options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on('pageerror', (error) => complaints.push(`script: ${error.message}`));
  page.on('console', (line) => { if (line.type() === 'error') complaints.push(`console: ${line.text()}`); });
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
