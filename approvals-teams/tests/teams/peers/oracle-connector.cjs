// What botframework-connector says to each token.
const fs = require('node:fs')
const path = require('node:path')
const connector = require(path.join(process.env.NODE_PATH, 'botframework-connector'))

console.error = () => {}
const { app, service, base, tokens } = JSON.parse(fs.readFileSync(process.argv[2]))
const auth = connector.BotFrameworkAuthenticationFactory.create(
  '', true, 'https://login.microsoftonline.com/x', 'https://api.botframework.com', 'https://api.botframework.com', '',
  `${base}/openid`, `${base}/openid`, '', new connector.PasswordServiceClientCredentialFactory(app, 'unused'), { requiredEndorsements: [] })
;(async () => {
  const verdicts = {}
  for (const [name, token] of Object.entries(tokens)) {
    const activity = { channelId: 'msteams', serviceUrl: service, type: 'invoke' }
    verdicts[name] = await auth.authenticateRequest(activity, `Bearer ${token}`).then(() => true, () => false)
  }
  console.log(JSON.stringify(verdicts))
  process.exit(0)
})()
