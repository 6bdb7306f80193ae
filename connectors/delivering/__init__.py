"""The delivery part: carries requests of the hub out to mailboxes and phones, each once.

    requests   records of `mailbox.deliveries.v1` and `notifications.v1` to rows of the ledger
    ports      what a lane asks of the ledger, of a renderer and of a channel
    lane       one peer: takes what is due, makes it, sends it, writes down what came of it
    pace       how fast, how long to wait after a failure, what a failure means for the row
    words      the fixed words of texts (N2)
    telling    answers that the ledger has, to `receipts.v1`

States and their table stand in `pipelines/rules/sending.py`, the last look before sending in `pipelines/rules/clearance.py`.
"""
