"""RIV-TA: notices of the engagement index, referral confirmations, and the bookings that are pulled after a notice.

Our own subsets of the contracts stand in `schemas/contracts/riv/`. Meaning is in `notices`, `confirmations` and
`bookings` (pure); zeep reads and writes the contract (`connectors.soap`); `client` does the I/O.
"""
