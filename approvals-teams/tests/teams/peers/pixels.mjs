// Every card as Chromium draws it: no link and no picture, each text as it is, nothing clipped, and
// a button to approve with only where all of it is shown.
import assert from 'node:assert'
import fs from 'node:fs'
import path from 'node:path'
import { chromium } from 'playwright-core'

const cards = JSON.parse(fs.readFileSync(process.argv[2]))
const library = fs.readFileSync(path.join(process.env.NODE_PATH, 'adaptivecards/dist/adaptivecards.js'), 'utf8')
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
})
const page = await browser.newPage({ viewport: { width: 620, height: 900 } })
await page.route('**/*', route => route.abort())
await page.setContent('<body style="width: 560px; font-family: sans-serif"></body>')
await page.addScriptTag({ content: library })
// Teams reads Markdown; so does the renderer of this test, and then it must not matter.
await page.evaluate(() => {
  AdaptiveCards.AdaptiveCard.onProcessMarkdown = (text, result) => {
    result.outputHtml = text.replace(/\[(.*?)\]\((.*?)\)/g, '<a href="$2">$1</a>').replace(/\*\*(.*?)\*\*/g, '<b>$1</b>')
    result.didProcess = true
  }
})
for (const width of [560, 300]) for (const { name, card, texts, pending, cut } of cards) {
  await page.setViewportSize({ width: width + 60, height: 900 })
  const seen = await page.evaluate(([json, width]) => {
    document.body.style.width = `${width}px`
    const card = new AdaptiveCards.AdaptiveCard()
    card.parse(json)
    document.body.replaceChildren(card.render())
    const all = [...document.querySelectorAll('.ac-richTextBlock, .ac-textBlock')]
    const clipped = all.filter(box => box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight)
    return {
      links: document.body.querySelectorAll('a[href], img, script').length,
      text: document.body.innerText.replaceAll('\u00a0', ' ').replace(/↩\s+/g, ''),
      clipped: clipped.map(box => `${box.scrollWidth}>${box.clientWidth} ${box.innerText.slice(0, 40)}`),
      wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
      boxes: all.length,
      buttons: [...document.querySelectorAll('button')].map(button => button.innerText)
    }
  }, [card, width])
  assert.equal(seen.links, 0, name)
  assert.ok(seen.boxes > 5, name)
  for (const text of texts) assert.ok(seen.text.includes(text), `${name}: \`${text}\` is not in\n${seen.text}`)
  assert.deepEqual(seen.clipped, [], name)
  assert.equal(seen.wide, false, `${name}: wider than the page`)
  const wanted = pending ? (cut ? ['Deny'] : ['Approve', 'Deny']) : []
  assert.deepEqual(seen.buttons.filter(text => text !== ''), wanted, name)
}
// The checks themselves notice what they are for.
const bad = await page.evaluate(() => {
  const card = new AdaptiveCards.AdaptiveCard()
  card.parse({ type: 'AdaptiveCard', version: '1.5', body: [{ type: 'TextBlock', text: '[x](https://evil.example) {{DATE(2026-01-01T00:00:00Z)}}' }] })
  document.body.replaceChildren(card.render())
  return { links: document.querySelectorAll('a[href]').length, text: document.body.innerText }
})
assert.equal(bad.links, 1)
assert.ok(!bad.text.includes('{{DATE'))
await browser.close()
