"""The batch transport: how Kafka's records reach an agent, and how what it made leaves again, with nothing lost.

Theory of operation
===================

Stock Faust makes an event, four tasks and a decoded value of every record (150 µs), acknowledges in a `finally` (so
also what failed), commits over gaps, and only logs an output that Kafka refused. Here a subclass of its aiokafka
driver, found by its scheme `hub://` through the entry-point group `faust.transports`, replaces that path and leaves
the rest (app, agents, group membership, rebalancing) as it is.

    broker ─► consumer thread: fetch ─► Progress.opened ─► one event ─► agent ─► lane ─► handle: one ledger transaction
                  ▲                          │ (oldest first)                               │ returns the delivery
                  │                          ▼                                              ▼
              commit ◄──── longest acknowledged prefix ◄──── acknowledge ◄──── all outputs acknowledged by the broker

The rules that make it safe, each with one place in the code:

1. *A position that advanced is a chunk that is open.* The thread registers what it fetched before anything else can
   run, and gives back what it may not hand out (`consumer.ConsumerThread.fetch`). A chunk that gets lost on its way
   is never acknowledged, so the prefix stops before it; the watchdog sees that.
2. *Only the prefix is committed.* Chunks of a partition stand in a queue, are acknowledged in any order, and leave it
   from the front only (`progress.Progress`). Offsets that compaction or markers skipped need no thought: only ends
   are counted.
3. *A revoked chunk is stale.* Its acknowledgement does nothing; whoever has the partition now reads from the commit.
4. *An acknowledgement follows the delivery.* `OutputProducer.send_many` is done when the broker has every record
   (idempotent, acks=all), or raises; lanes acknowledge after it (`pipelines/lanes.py`).
5. *A failure of ours is the end of the process.* Whatever raises in an agent, a lane, a delivery or a service of
   Faust's ends in `worker.HubApp.fail`: one log line and exit status 70, at once. No orderly shutdown follows a
   fault, for that would commit, wait and perhaps hang; the supervisor starts the worker again and Kafka replays.
6. *One bound.* A topic's records that are fetched and not acknowledged are limited in number and bytes; a topic at
   its limit is not fetched, and an acknowledgement wakes the fetch at once (Faust slept a second).

SIGTERM is no fault: fetching stops, what agents and lanes hold is finished and committed, then the worker goes
without leaving the group. It is a static member (one id a slot): within the session timeout the next process of the
slot gets the same partitions back without a rebalance. Two living processes must never share a slot: the broker
fences the older, which then fences the newer.

Partitions are assigned by range, so that equal partition numbers of all topics meet in one worker, and in one lane of
it.

Modules: `batches` (what an agent gets), `progress` (pure), `stalls` (pure), `outputs` (the producer, without Faust),
`access` (where the broker is), `consumer`, `driver` and `worker` (the only ones that import faust). Faust is pinned:
`tests/pipelines/test_transport_contract.py` names every private attribute that is used here.
"""
