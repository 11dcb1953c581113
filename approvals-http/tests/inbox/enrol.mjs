// Makes a passkey as a person does, and prints the entry that the page shows.
import assert from 'node:assert/strict';
import { authenticator, base, complaints, launch, person } from './browser.mjs';

const browser = await launch();
const page = await person(browser, process.env.LINK);
const { cdp, authenticatorId } = await authenticator(page);
await page.goto(`${base}/inbox/passkey`);
await page.getByRole('button', { name: 'Make a passkey' }).click();
await page.waitForSelector('#entry:not([hidden])');
const entry = await page.textContent('#entry');
assert(entry.includes('provider = "passkey"') && entry.includes('tenant = "localhost"'), entry);
const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId });
assert.equal(credentials.length, 1);
assert.deepEqual(complaints, []);
await browser.close();
console.log(JSON.stringify({ entry, credential: credentials[0] }));
