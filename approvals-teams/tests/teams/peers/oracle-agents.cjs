// What agents-hosting says to each token; it asks for keys at fixed addresses, so that these lead here.
const fs = require('node:fs')
const http = require('node:http')
const https = require('node:https')
const path = require('node:path')

const { app, tenant, base, tokens } = JSON.parse(fs.readFileSync(process.argv[2]))
const keys = new URL(`${base}/keys`)
https.request = (options, done) => http.request({ host: keys.hostname, port: keys.port, path: keys.pathname, method: 'GET' }, done)
const { authorizeJWT } = require(path.join(process.env.NODE_PATH, '@microsoft/agents-hosting'))
const own = { tenantId: tenant, clientId: app, clientSecret: 'unused', validateIssuer: true }
const check = authorizeJWT({ ...own, issuers: ['https://api.botframework.com'], connections: new Map([['own', own]]) })

const taken = token => new Promise(resolve => {
  const response = { status: () => response, send: () => resolve(false), json: () => resolve(false), set: () => response, setHeader () {}, headersSent: false }
  const request = { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: {} }
  Promise.resolve(check(request, response, error => resolve(!error))).catch(() => resolve(false))
})
;(async () => {
  const verdicts = {}
  for (const [name, token] of Object.entries(tokens)) verdicts[name] = await taken(token)
  console.log(JSON.stringify(verdicts))
  process.exit(0)
})()
