// The official library on what a receiver was sent. Arguments as for standard.py.
import { readFileSync } from 'node:fs'
import { Webhook } from 'standardwebhooks'

const [path, ...secrets] = process.argv.slice(2)
const wrong = secrets.pop()
const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean)
for (const line of lines) {
  const { headers, body } = JSON.parse(line)
  for (const secret of secrets) new Webhook(secret).verify(body, headers)
  for (const [secret, text] of [[wrong, body], [secrets[0], body + ' ']]) {
    let verified = true
    try { new Webhook(secret).verify(text, headers) } catch { verified = false }
    if (verified) throw new Error('what must not verify does')
  }
}
if (lines.length === 0) throw new Error('nothing was sent')
console.log(lines.length)
