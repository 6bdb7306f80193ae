"""The client of the population register (P8): asks about people the ledger wants to know, and publishes the answers.

`looking_up` decides what to ask and when, `records` says what an answer becomes, `breaker` when not to ask at all; the register
itself (`connectors.spar`: SPAR, or the sandbox's stand-in for it), the ledger and Kafka are handed in by `__main__`.
"""
