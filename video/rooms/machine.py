"""The one door to a meeting: `apply(meeting, command, now)` gives the next meeting and what is to be done, or raises `Refused`."""

from datetime import datetime

from video.rooms import deeds, moves
from video.rooms.deeds import Done
from video.rooms.model import Command, Meeting, Refused, RoomCame, Tick


def apply(meeting: Meeting, command: Command, now: datetime) -> Done:
    """Judge a command by the table and do it. Raises `Refused` with a reason of `moves.REASONS`; then nothing has changed."""
    if isinstance(command, RoomCame):
        if command.room.sequence < meeting.room.sequence:
            return Done(meeting)  # an older record of the topic, read again
        return deeds.room_came(meeting, command.room, now)
    if isinstance(command, Tick):
        return deeds.ticks(meeting, now)
    row = moves.row_of(command, meeting.people.get(command.pid))
    if isinstance(row, str):
        raise Refused(row)
    for condition in row.conditions:
        reason = condition(meeting, command, now)
        if reason is not None:
            raise Refused(reason)
    return row.does(meeting, command, now)
