"""The bridge's pages, in Swedish: made on the server, plain ES modules beside them, nothing of anybody else's."""
