"""Every bound of the forwarding plane, by name. Nothing that the network can make grow grows past these."""

from typing import Final

DATAGRAM_BYTES_MAX: Final = 1_500
PAYLOAD_BYTES_MAX: Final = 1_300  # pylibsrtp's buffer holds 1500 with its trailer of 144; our header takes 28
SDP_BYTES_MAX: Final = 64 * 1024
SDP_LINES_MAX: Final = 3_000
MEDIA_LINES_MAX: Final = 64

PEERS_MAX: Final = 400  # in one process: about 65 visits of two and five rooms of twenty is what a core carries
ROOM_PEERS_MAX: Final = 25  # rooms say 20 (V8); here it only bounds work
VIDEO_SLOTS_MAX: Final = 25
AUDIO_SLOTS_MAX: Final = 8
STREAMS_MAX: Final = 24  # incoming SSRCs of one connection: four sources, three layers, their repairs, and room for restarts
WANTS_MAX: Final = 64

STUN_BYTES_MAX: Final = 548  # no binding request of a browser comes near
SOURCES_MAX: Final = 4_096  # addresses that are watched before they have proved anything
STRANGER_RATE: Final = 500.0  # requests a second from one address, over paths that have not authenticated ...
STRANGER_BURST: Final = 1_000.0  # ... many people of one hospital come back at once
STRANGERS_RATE: Final = 2_000.0  # ... and from all of them
STRANGERS_BURST: Final = 4_000.0
PATHS_MAX: Final = 8  # authenticated addresses of one connection

DTLS_QUEUE_MAX: Final = 32
DTLS_TIMEOUT_S: Final = 30.0

TCP_CONNECTIONS_MAX: Final = 1_000
TCP_FIRST_FRAME_S: Final = 5.0
TCP_WRITE_BYTES_MAX: Final = 256 * 1024

RING_PACKETS: Final = 512
"""Sent video kept for retransmission, for each incoming stream; a power of two."""
GAP_MAX: Final = 128  # more missing in a row is no loss but a pause: a key frame is asked for instead
NACKS_AT_ONCE_MAX: Final = 64
NACK_TRIES_MAX: Final = 5
REPAIR_BYTES_MAX: Final = 12_000  # retransmissions to one subscriber in each REPAIR_WINDOW_S (notes: without it audio drowns)
REPAIR_WINDOW_S: Final = 0.5
REPAIR_QUEUE_S_MAX: Final = 0.15  # no retransmission while the queue on the way is longer than this
HISTORY: Final = 2_048
"""Numbers of transport-wide feedback remembered; a power of two."""
FEEDBACK_PACKETS_MAX: Final = 1_024
PLI_EVERY_S: Final = 0.3

CHECK_LOST_S: Final = 10.0  # no authenticated packet for so long: lost
OVER_S: Final = 60.0  # lost for so long: over
PLI_AGAIN_S: Final = 1.0  # while a viewer still waits
