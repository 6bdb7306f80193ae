"""Start a part's module early: import it, wait for the supervisor's word, run it.

    python -m hub.launch MODULE [ARGUMENT …]

Importing costs most of a part's start. Done while Kafka and PostgreSQL start, it costs nobody any time. The word is one
byte on standard input; the input's end without it means that the supervisor is gone.
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

GO: Final = b"g"


def main(words: list[str]) -> None:
    module = words[0]
    spec = find_spec(module)
    if spec is None:
        raise SystemExit(f"hub: there is no part {module}")
    full = f"{module}.__main__" if spec.submodule_search_locations else module
    importlib.import_module(full)
    sys.modules.pop(full)  # run_module runs it anew, as __main__; what it imported stays
    gc.freeze()  # the imported code is never garbage: the collector need not look at it again
    if os.read(0, 1) != GO:
        raise SystemExit(0)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    sys.argv = [module, *words[1:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
