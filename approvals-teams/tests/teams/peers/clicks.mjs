// A person in the Playground, in one browser that stays open, since its chats are empty in a new one.
// Over HTTP it is told what to do: `say`, `go`, `approve`, `deny`, `see`, `gone`, `literal`, each with words.
import assert from 'node:assert'
import http from 'node:http'
import { chromium } from 'playwright-core'

const base = process.argv[2]
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
})
const page = await browser.newPage({ viewport: { width: 1100, height: 900 } })
await page.route('**/*', route => ['localhost', '127.0.0.1'].includes(new URL(route.request().url()).hostname) ? route.continue() : route.abort())
await page.goto(base)
await page.getByRole('textbox').first().waitFor()
const text = words => page.getByText(words).last().waitFor({ timeout: 20_000 })

let place
const enter = () => page.getByText(place, { exact: true }).first().click()

// Opens the reason of a denial. A busy Playground sometimes leaves a chat, or draws it again under the click.
async function opened () {
  for (let tries = 3; ; tries--) {
    try {
      await text('Approval wanted')
      await page.getByRole('button', { name: 'Deny' }).last().click({ timeout: 10_000 })
      return await page.locator('textarea').last().waitFor({ timeout: 10_000 })
    } catch (error) {
      if (tries === 1) throw error
      if (place) await enter()
    }
  }
}

async function act (what, words) {
  switch (what) {
    case 'say':
      await page.getByRole('textbox').first().click()
      await page.keyboard.type(words)
      await page.keyboard.press('Enter')
      return await text(words)
    case 'approve':
      await text('Approval wanted')
      await picture('waiting')
      await page.getByRole('button', { name: 'Approve' }).last().click()
      return await text(words)
    case 'deny':
      await opened()
      // Without a reason nothing is sent.
      await page.getByRole('button', { name: 'Deny' }).last().click()
      await text('Say why, in a few words')
      await page.locator('textarea').last().fill(words)
      await picture('denying')
      await page.getByRole('button', { name: 'Deny' }).last().click()
      return await text('Denied: nothing ran')
    case 'go':
      // To another chat or channel, by its name in the list on the left, which lies over a narrow page.
      await page.setViewportSize({ width: 1600, height: 900 })
      place = words
      return await enter()
    case 'see':
      return await text(words)
    case 'gone':
      return await page.waitForFunction(words => !document.body.innerText.includes(words), words, { timeout: 20_000 })
    case 'literal': {
      const seen = (await page.locator('body').innerText()).replaceAll('\u00a0', ' ').replace(/↩\s+/g, '')
      assert.ok(seen.includes(words), seen)
      return assert.equal(await page.locator('a[href*="evil"]').count(), 0)
    }
    default:
      assert.fail(what)
  }
}

async function picture (name) {
  if (process.env.PICTURES && page.viewportSize().width === 1100) await page.screenshot({ path: `${process.env.PICTURES}/teams-${name}.png`, clip: { x: 0, y: 48, width: 600, height: 700 } })
}

const server = http.createServer((request, response) => {
  let body = ''
  request.on('data', data => { body += data })
  request.on('end', async () => {
    const [what, words] = JSON.parse(body)
    try {
      await act(what, words)
      await picture(what)
      response.end('done')
    } catch (error) {
      response.statusCode = 500
      response.end(`${error}\n${await page.locator('body').innerText()}`)
    }
  })
})
server.listen(0, '127.0.0.1', () => console.log(`person at http://127.0.0.1:${server.address().port}`))
