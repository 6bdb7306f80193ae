"""TakeCare's events as XML, after a contract of our own (`schemas/contracts/takecare-events.wsdl`).

No push interface of TakeCare is public; this one is grounded on the public Booking contract's field names and
time forms, and stands behind the same events as every other source, so that it can be changed alone.
"""
