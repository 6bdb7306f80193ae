"""Signalling: tokens, typed messages over one WebSocket a person, and the desk where rooms, lines and the forwarding plane meet."""
