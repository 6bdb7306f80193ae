"""Stand-ins for outside systems, so that the hub can be tried without any of them (CONTRACTS.md section 4).

    world, learning   what the stand-ins know: learned from the topics, from their beginning, held in memory
    register, spar    the population register, `/spar`: SPAR's person search in SOAP
    mm                Mina meddelanden: who has a mailbox, and mailbox operators, `/mm`; `signers` makes the keys of its letters
    secured           TLS with client certificates, one port for each outside system
    oidc              the token issuer, `/oidc`
    inbox             what really arrived in app and mailboxes
    kivra, sms        a mailbox operator, `/kivra`, and an SMS provider, `/sms`
    people            `POST /people`: a test person known everywhere at once
    faults, clock     what an operator may break or move
    pages             one page for operators, a plain citizen app

They behave as their originals do towards the hub: through topics and HTTP, never through the ledger. The sandbox refuses
to start where the settings name a real peer.
"""
