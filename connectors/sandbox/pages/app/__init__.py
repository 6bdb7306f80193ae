"""The citizen app of a test resident, in Swedish: a page is made on the server, and works without scripts."""
