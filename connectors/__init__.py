"""Every outside system behind a door of its own: bytes in and out by pure functions, I/O beside them, thin."""
