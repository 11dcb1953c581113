// The clouds as Microsoft's own libraries know them, under our names: login, scope, issuer, OpenID
// document, and where their Teams is.
const path = require('node:path')

const find = file => require(path.join(process.env.NODE_PATH, '@microsoft', file))
const { CHINA, PUBLIC, US_GOV, US_GOV_DOD } = find('teams.api/dist/auth/cloud-environment.js')
const { TeamsServiceEndpoints: at } = find('agents-hosting/dist/src/app/proactive/conversationReferenceBuilder.js')
const told = (cloud, ...services) => [cloud.loginEndpoint, cloud.botScope, cloud.tokenIssuer, cloud.openIdMetadataUrl, services.join(' ')]
console.log(JSON.stringify({
  public: told(PUBLIC, at.publicGlobal, at.gcc),
  us_government: told(US_GOV, at.gccHigh),
  us_defense: told(US_GOV_DOD, at.dod),
  // Neither says where Teams is in China.
  china: told(CHINA)
}))
