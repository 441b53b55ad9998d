"""OpenID Connect: whose access token is this, said by the provider that issued it."""
