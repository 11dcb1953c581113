// Every card goes through the official parser without a complaint, and what is wrong in one does not.
import assert from 'node:assert'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const require = createRequire(path.join(process.env.NODE_PATH, '_.js'))
const AC = require('adaptivecards/dist/adaptivecards.js')

function complaints (json) {
  const context = new AC.SerializationContext(AC.Versions.v1_5)
  const card = new AC.AdaptiveCard()
  card.parse(json, context)
  const events = Array.from({ length: context.eventCount }, (_, at) => context.getEventAt(at).message)
  return events.concat(card.validateProperties().validationEvents.map(event => event.message))
}

const cards = JSON.parse(fs.readFileSync(process.argv[2]))
for (const { name, card } of cards) assert.deepEqual(complaints(card), [], name)

const find = (node, type) => {
  if (node === null || typeof node !== 'object') return undefined
  if (node.type === type) return node
  for (const child of Object.values(node)) {
    const found = find(child, type)
    if (found) return found
  }
}
const mutations = {
  'an element that is none': card => { find(card, 'TextBlock').type = 'TextBlok' },
  'a style that is none': card => { find(card, 'Container').style = 'danger' },
  'an input without an id': card => { delete find(card, 'Input.Text').id }
}
const pending = cards.find(shown => shown.pending).card
for (const [name, mutate] of Object.entries(mutations)) {
  const card = structuredClone(pending)
  mutate(card)
  assert.notDeepEqual(complaints(card), [], `not noticed: ${name}`)
}
