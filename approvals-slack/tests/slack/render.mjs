// Draws cards as a third party draws Slack's blocks, in a real browser, and looks at what a person would see.
// On standard input: {"cards": [{"blocks": [...], "shot": "file or nothing"}]}
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium } from 'playwright-core';
import React from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { Message } from 'slack-blocks-to-jsx';

const { cards } = JSON.parse(readFileSync(0, 'utf8'));
const require = createRequire(path.join(process.env.NODE_PATH, '_.js'));
const style = readFileSync(path.join(path.dirname(require.resolve('slack-blocks-to-jsx')), 'style.css'), 'utf8');
// Slack keeps the lines of plain text, and its monospace is one.
const ours = `body { margin: 0; padding: 14px 18px; width: 620px; background: white; font-family: Lato, 'DejaVu Sans', sans-serif }
  .slack_blocks_to_jsx__rich_text p { white-space: pre-wrap; overflow-wrap: anywhere }
  pre { font-family: 'DejaVu Sans Mono', monospace; tab-size: 4 }
  section > div:first-child { display: none }`;

// It reads markup and emoji in plain text, where Slack reads none: that is drawn as the text it is.
function literally(block) {
  if (block.type !== 'section' || block.text?.type !== 'plain_text') return block;
  const elements = [{ type: 'rich_text_section', elements: [{ type: 'text', text: block.text.text }] }];
  return { type: 'rich_text', block_id: block.block_id, elements };
}

const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: quiet });
try {
  const page = await browser.newPage({ viewport: { width: 676, height: 600 }, deviceScaleFactor: 1 });
  await page.route('**/*', (route) => route.abort());
  for (const { blocks, shot } of cards) {
    const message = React.createElement(Message, { logo: 'data:,', name: 'approvals', time: new Date(0), blocks: blocks.map(literally) });
    const html = renderToStaticMarkup(message);
    await page.setContent(`<!doctype html><meta charset="utf-8"><style>${style}${ours}</style>${html}`);
    const seen = await page.evaluate(() => ({
      links: [...document.querySelectorAll('a')].map((a) => a.href),
      mentions: document.querySelectorAll('[class*=mention], [class*=user], [class*=channel]').length,
      frames: document.querySelectorAll('iframe, script, object, form').length,
      boxes: [...document.querySelectorAll('pre')].map((pre) => ({
        text: pre.textContent,
        shown: pre.innerText,
        inside: [...pre.querySelectorAll('*')].map((part) => part.tagName),
        cut: pre.scrollWidth > pre.clientWidth + 1 || pre.scrollHeight > pre.clientHeight + 1,
        outside: pre.getBoundingClientRect().right > document.documentElement.clientWidth,
      })),
    }));
    // Our one link is a button's; text makes none.
    assert.deepEqual(seen.links, []);
    assert.equal(seen.mentions + seen.frames, 0);
    const literal = blocks.flatMap((block) => block.elements ?? [])
      .filter((element) => element.type === 'rich_text_preformatted')
      .map((element) => element.elements.map((part) => part.text).join(''));
    assert.deepEqual(seen.boxes.map((box) => box.text), literal);
    for (const box of seen.boxes) {
      assert.equal(box.shown, box.text, 'a person sees another text than the one we sent');
      assert.deepEqual(new Set(box.inside), new Set(['SPAN']), 'text became something else');
      assert.ok(!box.cut && !box.outside, `something is cut off: ${box.text.slice(0, 80)}`);
    }
    if (shot) await page.locator('body').screenshot({ path: shot });
  }
  console.log(cards.length);
} catch (error) {
  console.error(String(error));
  process.exitCode = 1;
} finally {
  await browser.close();
}
