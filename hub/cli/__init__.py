"""The command line `hub`: one module a command, imported when the command is called (`hub status` answers in a blink).

Standard output is data, text or `--json`; progress and notes go to standard error, progress only to a terminal. Exit codes: 0 done,
1 a check failed, 2 wrong use, 3 a part cannot be reached (CONTRACTS section 1).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from hub.cli.exits import CODE_UNREACHABLE, Stop, is_unreachable

INTERRUPTED = 130


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    try:
        given = hoisted(sys.argv[1:] if words is None else words)
        code = _short(given)
        if code is not None:
            return code
        from hub.cli.app import app

        app(given, prog_name="hub")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Stop as stop:
        sys.stderr.write(f"hub: {stop}\n")
        return stop.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as failure:
        if not is_unreachable(failure):
            raise
        sys.stderr.write(f"hub: a part went away: {type(failure).__name__}\n")
        return CODE_UNREACHABLE
    return 0


def hoisted(words: Sequence[str]) -> list[str]:
    """`--json` and `--dir D` may stand anywhere before `--`; they are put in front, where the parser takes them."""
    front: list[str] = []
    rest: list[str] = []
    left = iter(words)
    for word in left:
        if word == "--":
            rest += [word, *left]
        elif word == "--json" or word.startswith("--dir="):
            front.append(word)
        elif word == "--dir":
            front += [word, *(each for each in [next(left, None)] if each is not None)]
        else:
            rest.append(word)
    return front + rest


def _short(words: Sequence[str]) -> int | None:
    """`hub status` and `hub clock …` without the parser, whose import takes longer than they do; None for everything else."""
    left = list(words)
    as_json, directory = False, "var"
    while left and left[0].startswith("-"):
        word = left.pop(0)
        if word == "--json":
            as_json = True
        elif word == "--dir" and left:
            directory = left.pop(0)
        elif word.startswith("--dir="):
            directory = word.removeprefix("--dir=")
        else:
            return None
    if not left or left[0] not in ("status", "clock") or any(word.startswith("-") for word in left):
        return None
    from pathlib import Path

    from hub.cli.screen import Screen

    name, *rest = left
    screen, place = Screen(as_json=as_json), Path(directory).absolute()
    if name == "status" and not rest:
        from hub.cli import status

        return status.run(screen, place)
    if name == "clock" and len(rest) <= 2:
        from hub.cli import clock

        return clock.run(screen, place, rest[0] if rest else "show", rest[1] if len(rest) == 2 else None)
    return None
