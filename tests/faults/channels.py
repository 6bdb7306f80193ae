"""The channels under faults: a whole hub with its stand-ins; each peer fails in each way in turn while documents go out and parts die.

Then the faults end, the hub comes to rest, some is read, the desk sends one letter anew, and 48 hours pass. `tests.faults.delivered` makes
the account. Only the stand-ins are never killed: what arrived stands in their memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any, Final

import asyncpg

from config.secrets import password
from hub.embedded.leases import free_block
from pipelines.rules.sending import KEEPERS, State
from tests.e2e.hub import Hub
from tests.faults.account import Account
from tests.faults.cast import MEETS, SOURCE, Somebody, cast, event
from tests.faults.delivered import delivered
from tests.faults.stream import Published

SETTINGS: Final = {
    "HUB__SAMPLE__DOCUMENTS": "0",
    "HUB__KAFKA__DURABLE": "false",
    "HUB__DELIVERY__KIVRA__PAUSE_SECONDS_MIN": "1",
    "HUB__DELIVERY__KIVRA__PAUSE_SECONDS_MAX": "4",
    "HUB__DELIVERY__MINA_MEDDELANDEN__PAUSE_SECONDS_MIN": "1",
    "HUB__DELIVERY__MINA_MEDDELANDEN__PAUSE_SECONDS_MAX": "4",
    "HUB__DELIVERY__SMS__PAUSE_SECONDS_MIN": "1",
    "HUB__DELIVERY__SMS__PAUSE_SECONDS_MAX": "4",
    "HUB__DELIVERY__SMS__QUIET_FROM": "00:00",  # equal ends: no quiet hours, whatever the time of the day
    "HUB__DELIVERY__SMS__QUIET_UNTIL": "00:00",
}
MODES: Final = ("slow", "lose_answer", "refuse", "garbage", "down")
SYSTEMS: Final = ("spar", "mm", "kivra", "sms")
VICTIMS: Final = ("delivery", "worker-0", "timers", "delivery", "gateway", "worker-1")
STALE: Final = "25h"
"""Facts are older than 24 hours then, so the register is asked about everybody once more (P8)."""
LEASE: Final = "2m"
"""What a part that died was making is taken up again after a minute of the hub's clock (`pipelines.ledger.sends.RENDER_LEASE`)."""
ENOUGH: Final = 4
"""A fault that so many requests have met may end."""
PHASE_S: Final = (0.8, 6.0, 30.0)
"""It lasts the first at least; the second where it was met by fewer; the third where nobody has met it yet."""
STUCK_S: Final = 120.0
"""In which nothing became less: how long all of it takes is a matter of the machine."""
MOVING: Final = tuple(int(state) for state, keeper in KEEPERS.items() if keeper in ("timer", "owner"))


@dataclass
class Channels:
    """What happened, and what is left of it."""

    documents: int
    people: list[Somebody]
    of: dict[str, tuple[Somebody, str]] = field(default_factory=dict)
    """Document -> whose it is, and its kind."""
    read: set[str] = field(default_factory=set)
    resent: set[str] = field(default_factory=set)
    """Documents that an operator sent anew."""
    published: Published = field(default_factory=Published)
    met: Counter[str] = field(default_factory=Counter)
    """System and mode -> requests that met the fault."""
    killed: Counter[str] = field(default_factory=Counter)
    account: Account = field(default_factory=Account)
    rest_s: float = 0.0
    wall_s: float = 0.0

    def facts(self) -> dict[str, Any]:
        return {
            "documents": len(self.of),
            "people": len(self.people),
            "seconds": round(self.wall_s),
            "seconds_to_rest": round(self.rest_s, 1),
            "requests_that_met_a_fault": dict(sorted(self.met.items())),
            "killed": dict(sorted(self.killed.items())),
            "account": self.account.counts,
            "examples_of_what_is_broken": self.account.broken,
        }


@dataclass
class Outside:
    """What an outsider does to a hub and sees of it: its ports, its stand-ins, its ledger."""

    hub: Hub

    def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.hub.base + 10}{path}"
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def inbox(self, channel: str, pid: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sandbox("GET", f"/inbox/{channel}/{pid}")
        return found

    @property
    def dsn(self) -> str:
        return f"postgresql://hub:{password(self.hub.dir / 'secrets', 'postgres')}@127.0.0.1:{self.hub.base + 40}/hub"

    def ledger(self, statement: str, *given: Any) -> list[Any]:
        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.dsn)
            try:
                return list(await connection.fetch(statement, *given))
            finally:
                await connection.close()

        return asyncio.run(ask())

    def kill(self, part: str) -> bool:
        """SIGKILL to the pid that `hub status --json` names; whether there was one."""
        pid = next((row["pid"] for row in self.hub.status().get("parts", ()) if row["name"] == part), None)
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    def moving(self) -> int:
        """Sends that are neither final nor on the desk."""
        (row,) = self.ledger("SELECT count(*) AS moving FROM sends WHERE state = ANY($1::int[])", list(MOVING))
        return int(row["moving"])

    def rest(self) -> float:
        """Until the hub is idle and every send is final or on the desk; how long that took."""
        began = time.monotonic()
        least, since = sys.maxsize, began
        while not (self.hub.look().get("idle") and self.moving() == 0 and self.hub.look().get("idle")):
            if (left := self.moving()) < least:
                least, since = left, time.monotonic()
            assert time.monotonic() - since < STUCK_S, f"{least} sends do not come to an end: {self.hub.look()}"
            time.sleep(0.5)
        return time.monotonic() - began


def run(directory: Path, documents: int, seed: int = 1, say: Callable[[str], None] = print) -> Channels:
    """`directory` is for the hub and must be there."""
    began, rng = time.monotonic(), Random(f"channels {seed}")
    hub = Hub(directory / "var", free_block(), SETTINGS)
    outside = Outside(hub)
    made = Channels(documents, cast(max(88, documents // 6)))
    try:
        hub.start()
        _meet(outside, made.people)
        hub.run("clock", "advance", STALE)
        _faults(outside, made, rng, say)
        hub.run("clock", "advance", LEASE)
        made.rest_s = outside.rest()
        say(f"{time.monotonic() - began:6.1f} s  at rest again after {made.rest_s:.1f} s")
        _read_some(outside, made)
        _resend_one(outside, made)
        outside.rest()
        hub.run("clock", "advance", "48h")
        hub.run("clock", "advance", "1m")
        outside.rest()
        delivered(outside, made)
    finally:
        hub.stop()
    made.wall_s = time.monotonic() - began
    return made


def _meet(outside: Outside, people: Iterable[Somebody]) -> None:
    for somebody in people:
        for given in somebody.given():
            outside.sandbox("POST", "/people", given)
    outside.hub.wait(lambda: outside.hub.look().get("idle"), 120)


def _faults(outside: Outside, made: Channels, rng: Random, say: Callable[[str], None]) -> None:
    """Newcomers, whom the register has to be asked about, come while it fails; the others' documents meet all other faults."""
    turns = [(system, mode) for mode in MODES for system in SYSTEMS]
    turns *= max(1, round(made.documents / 1_500))
    chunk = -(-made.documents // len(turns))
    people, victims, numbers = made.people[:], cycle(VICTIMS), iter(range(made.documents))
    asking = sum(system == "spar" for system, _ in turns)
    new = len(people) // 2 // asking
    newcomers, known = people[: new * asking], people[new * asking :]
    for number, (system, mode) in enumerate(turns):
        group = [one for one in known if one.way in MEETS[system]]
        if system == "spar":
            group, newcomers = newcomers[:new], newcomers[new:]
        letters = list(_letters(made, [*group, *rng.sample(known, len(known))], chunk, numbers))
        outside.hub.wait(lambda: outside.hub.look().get("ready"), 90)
        outside.sandbox("POST", "/faults", {"system": system, "mode": mode, "for_requests": 1_000_000, "delay_seconds": 1.0})
        since = time.monotonic()
        victim = next(victims)
        half = len(letters) // 2
        _post(outside, made, letters[:half])
        _until_met(outside, system, since, enough=1)
        made.killed[victim] += outside.kill(victim)
        _post(outside, made, letters[half:])
        met = _until_met(outside, system, since, at_least_s=PHASE_S[0])
        outside.sandbox("DELETE", "/faults")
        made.met[f"{system} {mode}"] += met
        say(f"{number + 1:3d}/{len(turns)}  {system} {mode}: met by {met} requests; {victim} killed ({time.monotonic() - since:.1f} s)")


def _letters(made: Channels, people: list[Somebody], count: int, numbers: Iterator[int]) -> Iterator[dict[str, Any]]:
    for somebody, number in zip((people[i % len(people)] for i in range(count)), numbers, strict=False):
        ident, kind = f"channel-{number}", "kallelse" if number % 3 == 0 else "brev"
        made.of[ident] = (somebody, kind)
        yield somebody.letter(ident, kind)


def _until_met(outside: Outside, system: str, since: float, *, enough: int = ENOUGH, at_least_s: float = 0.0) -> int:
    """How many requests met the fault: until enough have, or there is no sense in waiting for more."""
    while True:
        left = next(row["requests_left"] for row in outside.sandbox("GET", "/faults")["faults"] if row["system"] == system)
        met, lasted = 1_000_000 - int(left), time.monotonic() - since
        if (met >= enough and lasted >= at_least_s) or lasted > PHASE_S[1 if met else 2]:
            return met
        time.sleep(0.1)


def _post(outside: Outside, made: Channels, events: list[dict[str, Any]], client: str = "ehr-takecare") -> None:
    """Until the gateway says that Kafka has them: the sender's promise."""
    if not events:
        return
    token, until = outside.hub.token(client), time.monotonic() + 120
    while (status := outside.hub.post(token, events)) != 202:
        assert status in (0, 500, 502, 503), status
        assert time.monotonic() < until, status
        time.sleep(0.2)
    for each in events:
        made.published.records += 1
        made.published.events.add((SOURCE, each["id"]))
        if each["type"] == "document.submitted.v1":
            made.published.documents.add(each["data"]["document_id"])


def _read_some(outside: Outside, made: Channels) -> None:
    """Every other document of those that an app has open is read."""
    now = outside.sandbox("GET", "/clock")["now"]
    open_ = sorted(row[0] for row in outside.ledger("SELECT document_id FROM documents WHERE app = 1 AND settled = 0"))
    receipts = []
    for document in open_[::2]:
        somebody, _ = made.of[document]
        data = {"document_id": document, "patient": somebody.pid, "read_by": somebody.guardian or somebody.pid, "read_at": now}
        receipts.append(event(f"read-{document}", "document.read.v1", data))
        made.read.add(document)
    for start in range(0, len(receipts), 500):
        _post(outside, made, receipts[start : start + 500], "app")


def _resend_one(outside: Outside, made: Channels) -> None:
    """An operator has asked the recipient, who has nothing: the identical bytes go once more."""
    items = json.loads(outside.hub.run("--json", "unknown", "list"))["items"]
    chosen = next((row for row in items if row["channel"] == "mina_meddelanden"), None)
    if chosen is not None:
        outside.hub.run("unknown", "resolve", chosen["id"], "--outcome", "resend", "--by", "SE2321000016-O1")
        made.resent.add(chosen["about"])


assert State.UNKNOWN not in MOVING
