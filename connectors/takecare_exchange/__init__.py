"""TakeCare eXchange Booking: asks the EHR for a patient's bookings (B5), where something is missing or nothing is pushed.

`wire` means bytes, `client` moves them, `changes` tells what is news (the interface has no versions), `refresh` publishes it.
"""
