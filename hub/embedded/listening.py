"""Which ports are taken, told before anything starts: the port, whose it would be, and the setting that moves it."""

from __future__ import annotations

import socket
from collections.abc import Mapping


class PortTaken(Exception):
    """One or more ports are in use by other programs."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether we could listen there. A port in TIME_WAIT counts as free, as servers reuse it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def answers(port: int, host: str = "127.0.0.1", timeout_s: float = 0.5) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except OSError:
        return False
    return True


def check_free(wanted: Mapping[str, int], cures: Mapping[str, str] | None = None) -> None:
    """Raise `PortTaken` with one line for each port of `wanted` (name -> port) that somebody else has."""
    taken = [(name, port) for name, port in wanted.items() if not is_free(port)]
    if taken:
        cures = cures or {}
        lines = [
            f"port {port}, wanted for {name}, is taken by another program" + (f"; {cures[name]}" if name in cures else "")
            for name, port in taken
        ]
        lines.append("`hub up --port-base N` (or HUB_PORT_BASE=N) moves all ports of the hub to N and above")
        raise PortTaken("\n".join(lines))
