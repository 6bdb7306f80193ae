"""Asks the mailbox operators who can be reached (R9), and publishes what they answer.

`asking` decides what to ask and when; the channels, the ledger and Kafka are handed in by a `__main__`.
"""
