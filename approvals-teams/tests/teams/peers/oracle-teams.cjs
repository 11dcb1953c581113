// What the Teams SDK says to each token.
const fs = require('node:fs')
const path = require('node:path')

const { app, tenant, service, base, tokens } = JSON.parse(fs.readFileSync(process.argv[2]))
const file = '@microsoft/teams.apps/dist/middleware/auth/inbound-activity-token-validator.js'
const { InboundActivityTokenValidator } = require(path.join(process.env.NODE_PATH, file))
const quiet = { child: () => quiet, debug () {}, error () {}, info () {}, warn () {}, log () {} }
const cloud = { loginEndpoint: 'https://login.microsoftonline.com', tokenIssuer: 'https://api.botframework.com', openIdMetadataUrl: `${base}/openidconfiguration` }
const validator = new InboundActivityTokenValidator(app, tenant, undefined, quiet, cloud)
;(async () => {
  const verdicts = {}
  for (const [name, token] of Object.entries(tokens)) {
    verdicts[name] = await validator.check(`Bearer ${token}`, { serviceUrl: service }).then(() => true, () => false)
  }
  console.log(JSON.stringify(verdicts))
  process.exit(0)
})()
