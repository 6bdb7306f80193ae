"""SMS of fixed words without care data (N2), by 46elks or LINK Mobility behind one port.

`parts` counts what a text costs, `elks` and `linkmobility` are the bytes of the two providers, `reports` reads 46elks'
delivery reports, `wire` is what both ask of a text, `client` moves bytes and holds the two channels.
"""
