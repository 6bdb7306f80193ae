"""Settings and telemetry: what an operator may change and what an operator sees."""
