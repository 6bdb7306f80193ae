"""The stand-in token issuer: OpenID Connect Core 1.0 and OAuth 2.0 (RFC 6749, 7636), as far as the hub uses them."""
