"""A worker for the transport's fault tests: copies each record to an output topic, saying where it came from. Faults by argument.

`python transport_process.py '{"bootstrap": …}'`; prints `ready` once records can flow.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from pipelines.lanes import Lanes
from pipelines.transport.access import KafkaAccess
from pipelines.transport.batches import RecordBatch
from pipelines.transport.outputs import Output
from pipelines.transport.worker import WorkerSettings, make_app, serve


async def main(arguments: dict[str, Any]) -> None:
    access = KafkaAccess(arguments["bootstrap"], arguments.get("user"), arguments.get("password"))
    app = make_app(
        WorkerSettings(
            access,
            arguments["group"],
            arguments.get("slot", 0),
            Path(arguments["datadir"]),
            records_max=arguments.get("records_max", 500),
            stall_s=arguments.get("stall_s", 60.0),
            session_s=arguments.get("session_s", 10.0),
            topic_records_max=arguments.get("topic_records_max", 4_000),
        )
    )
    run = str(arguments.get("run", 1)).encode()
    handled = 0

    async def handle(batches: list[RecordBatch]) -> Any:
        nonlocal handled
        outputs = []
        for batch in batches:
            for record in batch.records:
                handled += 1
                if handled == arguments.get("raise_at"):
                    raise RuntimeError("a fault on purpose")
                if handled == arguments.get("hang_at"):
                    await asyncio.Event().wait()
                source = f"{batch.topic}/{batch.partition}/{record.offset}".encode()
                outputs.append(Output(arguments["output"], record.key, record.value, [("source", source), ("run", run)]))
        await asyncio.sleep(arguments.get("slow_s", 0))
        return app.outputs.send_many(outputs)

    lanes = Lanes([handle] * arguments.get("lanes", 2), on_failure=app.fail)

    @app.agent(app.batches(*arguments["inputs"]))
    async def intake(stream: Any) -> None:
        async for batch in stream:
            if arguments.get("agent_raises"):
                raise RuntimeError("a fault on purpose")
            await lanes.put(batch)

    async with lanes:
        await serve(app, ready=lambda: print("ready", flush=True))


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(main(json.loads(sys.argv[1])))
