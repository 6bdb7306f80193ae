"""HL7 v2 over MLLP into the hub: SIU (bookings) and MDM T02 (documents as PDF), acknowledged only when Kafka has them.

`framing` cuts the stream, `message` reads a frame, `siu` and `mdm` mean it, `acknowledgement` answers; all of these are pure. `server`
moves bytes. Who may send what, and the way to Kafka, are the gateway's, as for every door.
"""
