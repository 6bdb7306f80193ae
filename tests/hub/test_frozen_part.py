"""A part that the machine has stopped, or that hangs, is ended and started again: nobody else may have its slot while it lives."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from config.settings import Settings, load
from hub import supervisor as supervisors
from hub.embedded.leases import free_block, free_ports
from hub.parts import Part, answers_ready, table
from tests.hub.test_supervisor import part, supervised, until


def watched(name: str, port: int) -> Part:
    return replace(part(name, port), alive=answers_ready(port, "/healthz"))


@pytest.mark.timeout(60)
async def test_a_frozen_part_is_started_again(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisors, "FROZEN_PROBES", 1)
    a, b = free_ports(2)
    settings = load({}, HUB_DIR=f"{tmp_path}/hub", HUB_PORT_BASE=str(free_block()))
    async with supervised(settings, watched("a", a), watched("b", b)) as (made, said):
        await made.wait_ready()
        before = {row["name"]: row["pid"] for row in made.rows()}
        os.kill(before["a"], signal.SIGSTOP)
        await until(lambda: made.children["a"].restarts == 1 and made.ready, 30)
        after = {row["name"]: row["pid"] for row in made.rows()}
        assert after["a"] != before["a"]
        assert after["b"] == before["b"]
        assert any(line.startswith("a has not answered") for line in said)


def test_every_part_of_ours_is_watched_and_no_server(tmp_path: object) -> None:
    settings: Settings = load({}, HUB_DIR=f"{tmp_path}/hub")
    assert {row.name for row in table(settings) if row.alive is None and not row.runs_once} == {"kafka", "postgres"}
