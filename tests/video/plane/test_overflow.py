"""A port that is read too slowly loses datagrams in the kernel, and `/metrics` says how many."""

import socket

from video.plane import overflow
from video.plane.plane import ForwardingPlane
from video.plane.shell import bound

TABLE = """   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
11907: 0100007F:4A4C 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4891977 2 00000000e12bc435 41
11908: 0100007F:4A4D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41 2 00000000e12bc436 7
half a line
"""


def test_the_count_is_the_sockets_own() -> None:
    assert (overflow.of_inode(TABLE, 4891977), overflow.of_inode(TABLE, 41), overflow.of_inode(TABLE, 5)) == (41, 7, None)


async def test_what_a_full_queue_drops_is_a_figure_of_the_plane() -> None:
    def narrow(host: str, port: int) -> socket.socket:
        made = bound(host, port)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        return made

    plane = ForwardingPlane(lambda told: None, bind=narrow)
    await plane.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        assert plane.figures()["overflowed"] == 0
        for _ in range(200):  # nobody reads meanwhile: all of this is one turn of the loop
            sender.sendto(bytes(1_000), ("127.0.0.1", plane.port))
        figures = plane.figures()
    assert 100 < figures["overflowed"] < 200
    assert figures["unsent"] == 0
    await plane.close()
    assert plane.figures()["overflowed"] == 0, "a port that is closed has none"


def test_a_socket_that_is_none_has_lost_nothing() -> None:
    assert overflow.of_socket(-1) == 0
