"""Mina meddelanden (DIGG): which mailbox takes mail from us, and deliveries to it, signed by the sender and sealed by us.

`recipients` means Recipient v3 `isReachable`, `wire` Service v3 `deliverSecure`, `faults` what either answers when it
does not; `delivery` is a letter's structure, `signing` its XML signatures (the one door for signxml), `rebuild` what a
receiver must do before checking them; `client` moves bytes, `channel` is the port to the process that delivers, with
its `options`. Nobody protected is ever asked about (P1): that is the caller's to keep, who knows the person.
"""
