"""The client of the population register (P8): asks about people the ledger wants to know, and publishes the answers.

`wire` means bytes, `client` moves them, `looking_up` decides what to ask and when; the ledger and Kafka are handed in by
`__main__`. The register spoken to is the sandbox's stand-in; another protocol is another `wire` behind the same port.
"""
