"""Writes the published contracts from the models: `python -m schemas.generate [--check] [--publish]`.

`--check` changes nothing and tells what is not current or not compatible (exit 1). `--publish` also keeps a
numbered copy of every schema that changed, which all later ones are held against.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from schemas import asyncapi, openapi
from schemas.cloudevents import structured
from schemas.compatibility import breaks
from schemas.events import EVENTS, OUTBOUND, dump
from schemas.jsonschema import schema_of
from schemas.samples import SAMPLES, envelope_of

CONTRACTS: Final = Path(__file__).parent / "contracts"


def documents() -> dict[str, bytes]:
    """Every generated file: path under `contracts/` and bytes."""
    files = {"asyncapi.json": _pretty(asyncapi.document()), "openapi.json": _pretty(openapi.document())}
    files |= {f"schemas/{ce_type}.json": _pretty(schema_of(ce_type)) for ce_type in EVENTS}
    files |= {f"samples/{name}.json": structured(envelope_of(name), dump(SAMPLES[name])) + b"\n" for name in SAMPLES}
    return files


def stale(folder: Path = CONTRACTS) -> list[str]:
    """What is written differs from what the models say: one line a file."""
    wanted = documents()
    found = {str(path.relative_to(folder)): path.read_bytes() for part in ("schemas", "samples") for path in (folder / part).glob("*.json")}
    found |= {name: (folder / name).read_bytes() for name in ("asyncapi.json", "openapi.json") if (folder / name).exists()}
    changed = [f"{name} is not current" for name, content in wanted.items() if found.get(name) != content]
    return changed + [f"{name} belongs to no event type" for name in found if name not in wanted]


def published(folder: Path = CONTRACTS) -> dict[str, list[dict[str, Any]]]:
    """Every published version of every type's schema, the oldest first."""
    versions: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((folder / "published").glob("*/*.json"), key=lambda path: int(path.stem)):
        versions.setdefault(path.parent.name, []).append(json.loads(path.read_bytes()))
    return versions


def incompatible(folder: Path = CONTRACTS) -> list[str]:
    """Why today's schemas may not follow the published ones, each held against *all* of its predecessors."""
    faults: list[str] = []
    for ce_type, versions in published(folder).items():
        if ce_type not in EVENTS:
            faults.append(f"{ce_type}: the event type was removed")
            continue
        new = schema_of(ce_type)
        for number, old in enumerate(versions, 1):
            found = breaks(old, new, written_by_hub=ce_type in OUTBOUND)
            faults += [f"{ce_type} against published version {number}: {fault}" for fault in found]
    return faults


def write(folder: Path = CONTRACTS) -> None:
    """Writes every generated file, and removes those of types that are gone."""
    wanted = documents()
    for name, content in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for part in ("schemas", "samples"):
        for path in (folder / part).glob("*.json"):
            if str(path.relative_to(folder)) not in wanted:
                path.unlink()


def publish(folder: Path = CONTRACTS) -> list[str]:
    """Keeps a numbered copy of every schema that differs from its last published one; their names."""
    versions = published(folder)
    kept: list[str] = []
    for ce_type in EVENTS:
        schema, before = schema_of(ce_type), versions.get(ce_type, [])
        if before and before[-1] == schema:
            continue
        path = folder / "published" / ce_type / f"{len(before) + 1}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_pretty(schema))
        kept.append(f"{ce_type}/{path.name}")
    return kept


def main(arguments: list[str]) -> int:
    """Exit code 0: done, or all current and compatible. 1: the check failed. 2: wrong use."""
    if set(arguments) - {"--check", "--publish"}:
        sys.stderr.write("usage: python -m schemas.generate [--check] [--publish]\n")
        return 2
    faults = incompatible()
    if "--check" in arguments:
        faults = stale() + faults
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    if faults:
        return 1
    if "--check" not in arguments:
        write()
        if "--publish" in arguments:
            sys.stdout.writelines(f"published {name}\n" for name in publish())
    return 0


def _pretty(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
