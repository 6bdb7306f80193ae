"""The servers that `make run` brings along: a real Apache Kafka and a real PostgreSQL (ARCHITECTURE.md, decision 9)."""
