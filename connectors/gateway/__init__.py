"""The way in: HTTP, SOAP and RIV-TA to checked events, to Kafka, and only then an answer.

One line with no way back: admit (who, how much) → read → decode → check → allow → publish → answer.
`decoding`, `rights`, `records` and `soap` are pure; `intake` joins them; `web`, `producer` and `tokens` do I/O.
A sender is answered 202 only after Kafka has all of its events with acks=all (house rule 7).
"""
