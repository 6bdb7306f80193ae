"""What all parts of the hub agree on: events, topics, persons, errors and the one door for XML.

Imports nothing else of ours, reads no environment, opens no connection.
"""
