"""The sandbox's pages: rendered here, on the server; a small ES module keeps them current without flicker."""
