// People read, decide and verify, with and without scripts, by hand and by keyboard.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { accessible, authenticator, base, complaints, has, launch, person, picture } from './browser.mjs';

const requests = JSON.parse(process.env.REQUESTS);
const at = (name) => `${base}/inbox/r/${requests[name]}`;
// Every look of a page: desktop and phone, light and dark.
const looks = async (page, path, name) => {
  for (const [size, viewport] of [['desktop', { width: 1280, height: 900 }], ['phone', { width: 390, height: 844 }]]) {
    for (const colorScheme of ['light', 'dark']) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await page.goto(base + path);
      await accessible(page, `${name} ${size} ${colorScheme}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert(wide <= 0, `${name} is ${wide} px too wide on a ${size}`);
      await picture(page, `${name}-${size}-${colorScheme}`);
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: 'light' });
};

const browser = await launch();
const bob = await person(browser, process.env.BOB);
const dana = await person(browser, process.env.DANA);

// The list: what, by whom, until when, how many of whom.
await has(bob, 'db.export', 'db.drop', 'shell.run', '0 of 2 from oncall', 'runbook-bot', 'with their own key');
const first = await bob.textContent('time[data-until]');
await bob.waitForFunction((old) => document.querySelector('time[data-until]').textContent !== old, first);
await looks(bob, '/inbox', 'pending');

// One request, whole.
await bob.goto(at('export'));
await has(bob, 'What will run', '"invoices"', '[redacted]', 'NOT COVERED', 'pool', 'u_alice', 'prod', 'postgres/invoices');
await has(bob, 'changed', 'was 5000', 'same as last time', 'The agent says', 'unverified', 'already approved by the CISO');
assert(!(await bob.content()).includes('s3cr3t-canary'), 'a secret is on the page');
assert(!(await bob.textContent('section[aria-labelledby=facts]')).includes('CISO'), 'a claim stands among the facts');
await looks(bob, `/inbox/r/${requests.export}`, 'request');

// A second browser sees it at once, without losing what its person is typing.
await dana.goto(at('export'));
await dana.waitForSelector('html[data-live-now]');
await dana.fill('#reason', 'half a thought');
await bob.goto(at('export'));
await bob.getByRole('button', { name: 'Approve', exact: true }).click();
await has(bob, '1 of 2 from oncall: u_bob', 'u_bob approved');
await dana.waitForFunction(() => document.getElementById('quorum').textContent.includes('1 of 2'));
assert.equal(await dana.inputValue('#reason'), 'half a thought');
await dana.getByRole('button', { name: 'Approve', exact: true }).click();
await bob.waitForFunction(() => document.querySelector('#head .status').textContent === 'approved');

// A denial needs a reason, and shows it.
await bob.goto(at('restart'));
await bob.getByRole('button', { name: 'Deny', exact: true }).click();
await has(bob, 'a denial needs a reason');
complaints.length = 0;
await bob.goto(at('restart'));
await bob.fill('#reason', 'Not during the <b>freeze</b>.');
await bob.getByRole('button', { name: 'Deny', exact: true }).click();
await has(bob, 'Denied: Not during the <b>freeze</b>.', 'denied');

// A passkey, where one's own key is asked for.
const { cdp, authenticatorId } = await authenticator(bob);
await cdp.send('WebAuthn.addCredential', { authenticatorId, credential: JSON.parse(process.env.CREDENTIAL) });
await bob.goto(at('drop'));
assert.equal(await bob.getByRole('button', { name: 'Approve', exact: true }).count(), 0);
await looks(bob, `/inbox/r/${requests.drop}`, 'passkey');
await bob.getByRole('button', { name: 'Approve with passkey' }).click();
await bob.waitForFunction(() => document.querySelector('#head .status')?.textContent === 'approved');
// It denies, too, with a reason, and reviews what broke the glass.
const status = () => bob.textContent('#say');
await bob.goto(at('refuse'));
await bob.getByRole('button', { name: 'Deny with passkey' }).click();
await bob.waitForFunction(() => document.getElementById('say').textContent.includes('needs a reason'));
complaints.length = 0;
await bob.fill('#reason', 'Customers are not ours to drop.');
await bob.getByRole('button', { name: 'Deny with passkey' }).click();
await bob.waitForFunction(() => document.querySelector('#head .status')?.textContent === 'denied', undefined, { timeout: 15000 }).catch(async () => assert.fail(await status()));
await has(bob, 'Denied: Customers are not ours to drop.');
await bob.goto(at('glass'));
await has(bob, 'Breaks the glass', 'prod is down', 'its review is open', 'Review of the broken glass');
await looks(bob, `/inbox/r/${requests.glass}`, 'glass');
await bob.fill('#found', 'The cluster was down, and this brought it back.');
await bob.getByRole('button', { name: 'Review with passkey' }).click();
await bob.waitForFunction(() => !document.getElementById('review') && document.body.textContent.includes('reviewed by u_bob')).catch(async () => assert.fail(await status()));

// By keyboard alone: the list, the request, the decision.
await bob.goto(`${base}/inbox`);
const focused = () => bob.evaluate(() => document.activeElement?.cloneNode(false).outerHTML ?? '');
const tabTo = async (part) => {
  for (let presses = 0; presses < 60; presses += 1) {
    if ((await focused()).includes(part)) {
      const seen = await bob.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(seen, 'none', `the focus on ${part} is not seen`);
      return;
    }
    await bob.keyboard.press('Tab');
  }
  assert.fail(`the keyboard does not reach ${part}`);
};
await tabTo(requests.second);
await bob.keyboard.press('Enter');
await bob.waitForURL(at('second'));
await tabTo('id="reason"');
await bob.keyboard.type('looks right');
await tabTo('value="approve"');
await bob.keyboard.press('Enter');
await bob.waitForFunction(() => document.querySelector('#head .status')?.textContent === 'approved');

// Without scripts.
const plain = await person(browser, process.env.BOB_PLAIN, { javaScriptEnabled: false });
await plain.goto(at('third'));
await plain.getByRole('button', { name: 'Approve', exact: true }).click();
await has(plain, 'u_bob approved');
await plain.goto(`${base}/inbox/verify`);
await plain.getByRole('button', { name: 'Verify now' }).click();
await has(plain, 'Every check passed');

// What a hostile agent writes is drawn literally, and whole.
await bob.goto(at('hostile'));
await has(bob, '\\u{202e}', '\\u001b', '\\u{200b}', '\\u{e0041}', '<script>window.pwned=1</script>', '<https://evil.example|Approve here>', '[APPROVED](https://evil.example)', 'THE END', 'mixes alphabets', 'Look closely');
const found = await bob.evaluate(() => ({
  pwned: window.pwned ?? null,
  scripts: [...document.scripts].map((script) => script.getAttribute('src')),
  images: document.images.length,
  outward: [...document.links].filter((link) => link.origin !== location.origin).length,
  hidden: /[\u200b-\u200f\u202a-\u202e\u2066-\u2069\u001b]|\u{e0041}/u.test(document.body.textContent),
  marked: document.querySelectorAll('.unseen').length,
  tall: Math.max(...[...document.querySelectorAll('.value')].map((value) => value.clientHeight)),
  scrolls: [...document.querySelectorAll('.value')].some((value) => value.scrollHeight > value.clientHeight * 4),
}));
assert.deepEqual({ ...found, marked: found.marked > 2, tall: found.tall < 300 }, {
  pwned: null, scripts: ['/inbox/assets/inbox.js'], images: 0, outward: 0, hidden: false, marked: true, tall: true, scrolls: true,
});
// On the pixels, too: a right-to-left override would put the end of the text in front of its start.
const order = await bob.evaluate(() => {
  const walker = document.createTreeWalker(document.querySelector('.value'), NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  const places = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.length) continue;
    range.setStart(node, 0); range.setEnd(node, 1);
    const { left, top } = range.getBoundingClientRect();
    places.push([Math.round(top), Math.round(left)]);
  }
  return places;
});
for (let i = 1; i < order.length; i += 1) {
  const [before, after] = [order[i - 1], order[i]];
  assert(after[0] > before[0] + 4 || after[1] > before[1], `text is drawn out of order: ${JSON.stringify(order)}`);
}
// Pixel by pixel, it looks as if a careful person had written it out; drawn as it came, it would not.
const value = bob.locator('.value').first();
const drawn = await value.screenshot();
const redrawn = async (parts) => {
  await value.evaluate((element, parts) => {
    const bdi = document.createElement('bdi');
    for (const part of parts) {
      const mark = document.createElement('b');
      mark.className = 'unseen';
      mark.textContent = part.unseen ?? '';
      bdi.append(part.unseen ? mark : part);
    }
    element.replaceChildren(bdi);
  }, parts);
  return value.screenshot();
};
const rest = '<script>window.pwned=1</script><img src=x onerror=window.pwned=2> <https://evil.example|Approve here> [APPROVED](https://evil.example) p\u0430yments';
const unseen = (text) => ({ unseen: text });
const literal = ['"rm -rf /srv ', unseen('\\u{202e}'), 'gpj.\\u001b[2K\\r', unseen('\\u{200b}'), unseen('\\u{e0041}'), `${rest}"`];
assert(drawn.equals(await redrawn(literal)), `the hostile text is not drawn literally: ${await value.innerHTML()}`);
assert(!drawn.equals(await redrawn([`"rm -rf /srv \u202egpj.\u200b\u{e0041}${rest}"`])), 'the check of pixels sees nothing');
await looks(bob, `/inbox/r/${requests.hostile}`, 'hostile');

// History, search, receipts, and the log.
await bob.goto(`${base}/inbox/history?q=restart+denied`);
assert.equal(await bob.locator('tbody tr').count(), 1);
await looks(bob, '/inbox/history', 'history');
const download = bob.waitForEvent('download');
await bob.goto(`${base}/inbox/history`);
await bob.locator('tbody tr').first().getByRole('link', { name: /Receipt/ }).click();
const receipt = readFileSync(await (await download).path(), 'utf8');
assert(receipt.startsWith('c2sp.org/tlog-proof@v1'), receipt.slice(0, 80));
await bob.goto(`${base}/inbox/verify`);
await bob.getByRole('button', { name: 'Verify now' }).click();
await has(bob, 'Every check passed', 'Authority', 'votes signed with the person\'s own key');
await accessible(bob, 'verdicts');
await picture(bob, 'verify-desktop-light');
await bob.goto(`${base}/inbox/passkey`);
await accessible(bob, 'passkey');

assert.deepEqual(complaints, []);
await browser.close();
