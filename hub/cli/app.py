"""The commands and their options, and nothing else: what a command does is imported when it is called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.screen import Screen


@dataclass(frozen=True, slots=True)
class Common:
    """What every command takes."""

    screen: Screen
    dir: Path


EVERY = "Every command also takes --json (the answer as JSON) and --dir D (where the hub runs; default: var)."

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, epilog=EVERY,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
dead_letters = typer.Typer(no_args_is_help=True, rich_markup_mode=None, epilog=EVERY)
app.add_typer(dead_letters, name="dead-letters", help="What could not be understood or was not allowed.")

unknown = typer.Typer(no_args_is_help=True, rich_markup_mode=None, epilog=EVERY)
app.add_typer(unknown, name="unknown", help="Deliveries that may have been made: nobody knows.")


@app.callback()
def _root(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as JSON on standard output.")] = False,
    directory: Annotated[Path, typer.Option("--dir", metavar="D", help="Where the hub keeps its data.")] = Path("var"),
) -> None:
    """The integration hub: start it, feed it, ask it. Exit codes: 0 done, 1 a check failed, 2 wrong use, 3 not reachable."""
    context.obj = Common(Screen(as_json=as_json), directory.absolute())


def _end(code: int) -> None:
    raise typer.Exit(code)


def _of(context: typer.Context) -> Common:
    found = context.obj
    assert isinstance(found, Common)
    return found


@app.command(epilog=EVERY)
def up(
    context: typer.Context,
    no_sample: Annotated[bool, typer.Option("--no-sample", help="Do not publish the sample day.")] = False,
    no_sandbox: Annotated[bool, typer.Option("--no-sandbox", help="Real peers from the settings; no stand-ins.")] = False,
    port_base: Annotated[int | None, typer.Option(metavar="N", help="The first port; the others follow from it.")] = None,
) -> None:
    """Start the whole hub; Ctrl-C stops it."""
    from hub.cli import up as command

    common = _of(context)
    _end(command.run(common.screen, common.dir, sample=not no_sample, sandbox=not no_sandbox, port_base=port_base))


@app.command(epilog=EVERY)
def publish(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="JSON lines or TakeCare XML; - is standard input.")],
) -> None:
    """Publish events from files, checked first."""
    from hub.cli import publish as command

    common = _of(context)
    _end(command.run(common.screen, common.dir, files))


@app.command(epilog=EVERY)
def trace(
    context: typer.Context,
    subject_id: Annotated[str, typer.Argument(metavar="DOCUMENT_ID", help="The id of a document, a booking or a room.")],
    lang: Annotated[str, typer.Option(help="en or sv.")] = "en",
) -> None:
    """The decision trace and the journey of one document, in words."""
    from hub.cli import trace as command

    common = _of(context)
    _end(command.run(common.screen, common.dir, subject_id, lang))


@app.command(epilog=EVERY)
def deadlines(
    context: typer.Context,
    unit: Annotated[str | None, typer.Option(metavar="U", help="Of this unit alone (HSA-id).")] = None,
    within: Annotated[str, typer.Option(metavar="SPAN", help="How far to look ahead.")] = "24h",
) -> None:
    """What falls due."""
    from hub.cli import deadlines as command

    common = _of(context)
    _end(command.run(common.screen, common.dir, unit, within))


@app.command(epilog=EVERY)
def lag(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also the partitions that are up to date.")] = False,
) -> None:
    """Lag of the hub's consumer groups, by partition: records, age of the oldest, verdict."""
    from hub.cli import lag as command

    common = _of(context)
    _end(command.run(common.screen, common.dir, everything=everything))


@app.command(epilog=EVERY)
def status(context: typer.Context) -> None:
    """One screen: parts up, lag, what is due, dead letters. Exit 1 if anything is not ready."""
    from hub.cli import status as command

    common = _of(context)
    _end(command.run(common.screen, common.dir))


@app.command(epilog=EVERY)
def clock(
    context: typer.Context,
    action: Annotated[str, typer.Argument(metavar="[show|advance|speed]")] = "show",
    value: Annotated[str | None, typer.Argument(metavar="[48h|N]")] = None,
) -> None:
    """Sandbox only: show the hub's clock, move it ahead, or make it run faster, for every part at once."""
    from hub.cli import clock as command

    common = _of(context)
    _end(command.run(common.screen, common.dir, action, value))


@app.command(epilog=EVERY)
def whatif(
    context: typer.Context,
    config: Annotated[Path, typer.Option(metavar="FILE", help="Another hub.toml or units.toml, or a directory with both.")],
    begin: Annotated[str, typer.Option("--from", metavar="T", help="A day or a time.")],
    end: Annotated[str, typer.Option("--to", metavar="T", help="A day or a time, not included.")],
) -> None:
    """Decisions of a past period under other settings, as a diff."""
    from hub.cli import whatif as command

    common = _of(context)
    _end(command.run(common.screen, common.dir, config, begin, end))


@app.command(epilog=EVERY)
def verify(context: typer.Context) -> None:
    """Rebuild from the ledger what the topics should hold, and say what differs. Exit 1 if anything does."""
    from hub.cli import verify as command

    common = _of(context)
    _end(command.run(common.screen, common.dir))


@app.command(epilog=EVERY)
def reconcile(
    context: typer.Context,
    begin: Annotated[str, typer.Option("--from", metavar="T", help="A day or a time.")],
    end: Annotated[str, typer.Option("--to", metavar="T", help="A day or a time, not included.")],
) -> None:
    """Count what came in, was decided, delivered and printed, by hour and channel, and name what does not add up. Exit 1 if anything."""
    from hub.cli import reconcile as command

    common = _of(context)
    _end(command.run(common.screen, common.dir, begin, end))


# --- dead letters -----------------------------------------------------------------------------------------------------------

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID…]", help="Which ones; the first characters of an id are enough.")]
OfTopic = Annotated[str | None, typer.Option("--topic", help="Those of this topic.")]
OfClass = Annotated[str | None, typer.Option("--class", help="Those of this class.")]
Everything = Annotated[bool, typer.Option("--all", help="All that are open.")]


@dead_letters.command("list", epilog=EVERY)
def _list(
    context: typer.Context,
    topic: OfTopic = None,
    of_class: OfClass = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those replayed or discarded.")] = False,
) -> None:
    """The dead letters with class and cause, without their content."""
    from hub.cli import deadletters as command

    common = _of(context)
    _end(command.show_list(common.screen, common.dir, topic, of_class, everything=everything))


@dead_letters.command("show", epilog=EVERY)
def _show(
    context: typer.Context,
    letter: Annotated[str, typer.Argument(metavar="ID")],
    user: Annotated[str | None, typer.Option("--by", metavar="WHO", help="Who looks, for the access log.")] = None,
) -> None:
    """The content of one dead letter. It may be about a patient: the access is logged first."""
    from hub.cli import deadletters as command

    common = _of(context)
    _end(command.show(common.screen, common.dir, letter, user))


@dead_letters.command("replay", epilog=EVERY)
def _replay(
    context: typer.Context,
    letters: Ids = None,
    topic: OfTopic = None,
    of_class: OfClass = None,
    everything: Everything = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
) -> None:
    """Publish the original records again, unchanged, to where they came from."""
    from hub.cli import deadletters as command

    common = _of(context)
    chosen = command.Choice(tuple(letters or ()), topic, of_class, everything)
    _end(command.replay(common.screen, common.dir, chosen, dry_run=dry_run))


@dead_letters.command("discard", epilog=EVERY)
def _discard(
    context: typer.Context, letters: Ids = None, topic: OfTopic = None, of_class: OfClass = None, everything: Everything = False
) -> None:
    """Mark dead letters as settled without replaying them; they are kept until their retention ends."""
    from hub.cli import deadletters as command

    common = _of(context)
    _end(command.discard(common.screen, common.dir, command.Choice(tuple(letters or ()), topic, of_class, everything)))


# --- unknown outcomes -------------------------------------------------------------------------------------------------------

OfUnknown = Annotated[str, typer.Argument(metavar="ID", help="Which one; the first characters of an id are enough.")]


@unknown.command("list", epilog=EVERY)
def _unknown_list(context: typer.Context) -> None:
    """What a person has to find out, the oldest first, with the time at which the document goes to print."""
    from hub.cli import unknown as command

    common = _of(context)
    _end(command.show_list(common.screen, common.dir))


@unknown.command("show", epilog=EVERY)
def _unknown_show(context: typer.Context, ident: OfUnknown) -> None:
    """What is known of one: every try, whether the request was written, what a repeat would risk."""
    from hub.cli import unknown as command

    common = _of(context)
    _end(command.show(common.screen, common.dir, ident))


@unknown.command("resolve", epilog=EVERY)
def _unknown_resolve(
    context: typer.Context,
    ident: OfUnknown,
    outcome: Annotated[str, typer.Option(metavar="accepted|refused|resend", help="resend: the identical bytes once more.")],
    user: Annotated[str | None, typer.Option("--by", metavar="WHO", help="Who rules, for the access log.")] = None,
) -> None:
    """Rule on one. It counts like the peer's own answer."""
    from hub.cli import unknown as command

    common = _of(context)
    _end(command.resolve(common.screen, common.dir, ident, outcome, user))
