// provider.mjs CONFIG (JSON: port, kid): oidc-provider on the loopback, with people who log in by any password.
// It prints its issuer as one line and runs until its input ends. Clients called after a person get tokens for that
// person by client_credentials; "thunderbird" gets them by the authorization code flow. Which resource a token is for
// says whether it is a JWT or opaque.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const { port, kid } = JSON.parse(process.argv[2]);
const AUDIENCE = 'https://mail.orchard.test';
const RESOURCES = { [`${AUDIENCE}/jwt`]: 'jwt', [`${AUDIENCE}/opaque`]: 'opaque' };
const person = (name) => ({
  client_id: name, client_secret: `secret of ${name}`, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
});
const address = (name) => `${name}@orchard.test`;

const server = createServer();
await new Promise((ready) => { server.listen(port, '127.0.0.1', ready); });
const issuer = `http://127.0.0.1:${server.address().port}`;
const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const provider = new Provider(issuer, {
  jwks: { keys: [{ ...key, kid, alg: 'RS256', use: 'sig' }] },
  cookies: { keys: ['a', 'b'] },
  clients: [
    person('alice'), person('bob'), person('nobody'),
    { client_id: 'post office', client_secret: 's:ecret/%', grant_types: [], redirect_uris: [], response_types: [] },
    {
      client_id: 'thunderbird', token_endpoint_auth_method: 'none', application_type: 'native',
      redirect_uris: ['http://127.0.0.1/back'], grant_types: ['authorization_code'], response_types: ['code'],
    },
  ],
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, email: address(id), email_verified: true }) }),
  extraTokenClaims: (ctx, token) => ({ email: address(token.accountId ?? token.clientId), email_verified: true }),
  scopes: ['openid', 'mail', 'calendar'],
  ttl: { AccessToken: 600, ClientCredentials: 600, Grant: 600, Interaction: 600, Session: 600 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (ctx, client) => client.clientId === 'post office' },
    revocation: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => ({
        scope: 'mail calendar',
        audience: resource in RESOURCES ? AUDIENCE : resource,
        accessTokenFormat: RESOURCES[resource] ?? 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});
server.on('request', provider.callback());
console.log(issuer);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
