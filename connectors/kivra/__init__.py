"""Kivra's sender API: a letter into a digital mailbox, straight to its operator (R9; beside Mina meddelanden, never both).

`errors` is the table of what its codes mean, `wire` the JSON bytes, `limiter` its limit per recipient, `client` holds the
token and moves bytes, `channel` is the port that the delivering process knows.
"""
