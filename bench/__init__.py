"""Benchmarks: the hub beside a bare loop and beside Kafka Streams, on one machine in one run, told as ratios (docs/bench.md)."""
