"""Rooms as a pure state machine: no socket, no clock, no name of a library. `now` comes in, what is to be done goes out."""
