// A real identity provider on this machine: accounts sign in with a password alone or with a second factor.
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const { ISSUER, REDIRECT, SECRET } = process.env;
const jwk = (kind, options, more) => ({ ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), ...more });
const provider = new Provider(ISSUER, {
  clients: [{
    client_id: 'approvals', client_secret: SECRET, redirect_uris: [REDIRECT],
    grant_types: ['authorization_code'], response_types: ['code'], id_token_signed_response_alg: process.env.ALG ?? 'RS256',
  }],
  jwks: { keys: [jwk('rsa', { modulusLength: 2048 }, { kid: 'r', use: 'sig', alg: 'RS256' }), jwk('ec', { namedCurve: 'P-256' }, { kid: 'e', use: 'sig', alg: 'ES256' })] },
  claims: { openid: ['sub', 'amr', 'auth_time'] },
  cookies: { keys: ['a test'] },
  features: { devInteractions: { enabled: false } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  ttl: { Session: 3600, Grant: 3600, Interaction: 600, AccessToken: 60, IdToken: 60, AuthorizationCode: 30 },
});

const read = async (request) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  return new URLSearchParams(body);
};
const callback = provider.callback();
const server = (await import('node:http')).createServer(async (request, response) => {
  if (!request.url.startsWith('/interaction/')) return callback(request, response);
  try {
    const { prompt, params, session } = await provider.interactionDetails(request, response);
    if (prompt.name === 'consent') {
      const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
      grant.addOIDCScope('openid');
      const consent = { grantId: await grant.save() };
      return await provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
    }
    if (request.method === 'POST') {
      const said = await read(request);
      const amr = said.get('code') ? ['pwd', 'otp', 'mfa'] : ['pwd'];
      const login = { accountId: said.get('account'), amr };
      return await provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
    }
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><html lang="en"><title>Identity provider</title><h1>Who are you?</h1><form method="post">
      <label>Account <input name="account" autocomplete="off"></label> <label>Code <input name="code" autocomplete="off"></label> <button>Sign in</button></form>`);
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error));
  }
});
server.listen(new URL(ISSUER).port, '127.0.0.1', () => console.log('ready'));
