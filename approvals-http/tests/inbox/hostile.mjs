// Whatever an agent writes is drawn literally: in the document, and pixel by pixel as if a careful person had written
// it out by hand. The hand is `hostile.json`, which knows nothing of how pages are made.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { base, complaints, launch, person, text } from './browser.mjs';

const corpus = JSON.parse(readFileSync(new URL('./hostile.json', import.meta.url), 'utf8'));
const requests = JSON.parse(process.env.REQUESTS);
const browser = await launch();
const bob = await person(browser, process.env.BOB);
const value = bob.locator('.value').first();
const pixels = () => value.screenshot({ animations: 'disabled', caret: 'hide' });
// Draws these parts where the value was, and says how that looks.
const redrawn = async (parts) => {
  await value.evaluate((element, parts) => {
    const bdi = document.createElement('bdi');
    let plain = '';
    for (const part of parts) {
      if (part.unseen) {
        const mark = document.createElement('b');
        mark.className = 'unseen';
        mark.textContent = part.unseen;
        bdi.append(plain, mark);
        plain = '';
      } else {
        plain += part;
      }
    }
    bdi.append(plain);
    element.replaceChildren(bdi);
  }, parts);
  return pixels();
};

for (const { threat, name, parts: written, raw, warns, hides, unlike, whole } of corpus) {
  const what = `threat ${threat}, ${name}`;
  const parts = written.map((part) => part.times ? part.repeat.repeat(part.times) : part);
  const literal = parts.map((part) => part.unseen ?? part).join('');
  await bob.goto(`${base}/inbox/r/${requests[name]}`);
  const found = await bob.evaluate(() => {
    const element = document.querySelector('.value');
    return {
      text: element.textContent,
      marks: [...element.querySelectorAll('.unseen')].map((mark) => mark.textContent),
      others: [...element.querySelectorAll(':not(.unseen)')].map((other) => other.localName),
      hidden: /[\u0000-\u0008\u000b-\u001f\u007f-\u00a0\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\u{e0000}-\u{e007f}]/u.test(document.body.textContent),
      pwned: window.pwned ?? null,
      scripts: [...document.scripts].map((script) => script.getAttribute('src')),
      drawn: document.images.length + document.querySelectorAll('svg, iframe, object, embed').length,
      outward: [...document.querySelectorAll('a[href]')].filter((link) => link.origin !== location.origin).length,
      handlers: [...document.querySelectorAll('*')].filter((any) => any.getAttributeNames().some((name) => name.startsWith('on'))).length,
      title: document.querySelector('h1').textContent.trim(),
      cut: element.scrollWidth - element.clientWidth,
      more: element.scrollHeight > element.clientHeight * 4,
    };
  });
  const { text: shown, marks, more, ...rest } = found;
  assert.equal(shown, literal, what);
  assert.deepEqual(marks, parts.filter((part) => part.unseen).map((part) => part.unseen), what);
  assert.deepEqual(rest, {
    others: ['bdi'], hidden: false, pwned: null, scripts: ['/inbox/assets/inbox.js'], drawn: 0, outward: 0, handlers: 0, title: 'shell.run pending', cut: 0,
  }, what);
  if (whole) assert(more, `${what}: it does not scroll`);
  if (warns) assert((await text(bob)).includes(warns), `${what}: nothing warns of it`);
  // The end of a long value is there when one scrolls to it.
  if (whole) await value.evaluate((element) => { element.scrollTop = element.scrollHeight; });
  const drawn = await pixels();
  let literally = await redrawn(parts);
  if (whole) {
    await value.evaluate((element) => { element.scrollTop = element.scrollHeight; });
    literally = await pixels();
  }
  assert(drawn.equals(literally), `${what} is not drawn literally`);
  // The comparison sees what it must see: drawn as it came, or as what it imitates, it looks otherwise.
  if (hides) assert(!drawn.equals(await redrawn([`"${raw}"`])), `${what}: pixels do not tell`);
  if (unlike) assert(!drawn.equals(await redrawn([unlike])), `${what}: pixels do not tell`);
}
assert.deepEqual(complaints, []);
await browser.close();
