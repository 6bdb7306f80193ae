"""The sample day: believable synthetic events of any size, the same for the same seed.

residents(seed, count, year)            who lives here: register, accounts, agents, mailboxes
sample_day(seed, documents, day)        what the EHR systems send that day, and what people read
sample(seed, documents, day)            both, in the order to publish them
write_json_lines, publish               where it goes
"""

from collections.abc import Iterator
from datetime import date

from hub.sample.day import residents_for, sample_day
from hub.sample.event import Event
from hub.sample.output import publish, write_json_lines
from hub.sample.people import residents
from schemas.policy import Policy

__all__ = ["Event", "publish", "residents", "residents_for", "sample", "sample_day", "write_json_lines"]


def sample(seed: int, documents: int, day: date, policy: Policy | None = None) -> Iterator[Event]:
    """The residents, the day, the receipts: three phases, each for when the one before has been taken in."""
    yield from residents(seed, residents_for(documents), day.year)
    yield from sample_day(seed, documents, day, policy)
