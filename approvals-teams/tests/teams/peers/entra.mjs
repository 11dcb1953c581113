// oauth2-mock-server as Entra: tokens for the app's secret at the tenant's address, and their keys.
import { OAuth2Server } from 'oauth2-mock-server'

const { TENANT, SECRET, PORT } = process.env
const server = new OAuth2Server(undefined, undefined, {
  endpoints: {
    token: `/${TENANT}/oauth2/v2.0/token`,
    jwks: '/discovery/v2.0/keys',
    wellKnownDocument: `/${TENANT}/v2.0/.well-known/openid-configuration`
  }
})
await server.issuer.keys.generate('RS256')
server.service.on('beforeTokenSigning', (token, request) => {
  const asked = request.body || {}
  Object.assign(token.payload, {
    iss: `https://sts.windows.net/${TENANT}/`,
    aud: (asked.scope || '').replace(/\/\.default$/, ''),
    appid: asked.client_id,
    tid: TENANT,
    ver: '1.0'
  })
})
server.service.on('beforeResponse', (response, request) => {
  if ((request.body || {}).client_secret === SECRET) return
  response.statusCode = 401
  response.body = { error: 'invalid_client', error_codes: [7000215] }
})
await server.start(Number(PORT), '127.0.0.1')
console.log('entra is up')
