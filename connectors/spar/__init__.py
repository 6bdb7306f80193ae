"""SPAR person search 2021.1 (Statens personadressregister): the owner of what is known about people (P1 to P4, P8).

`wire` means the SOAP bytes (the question through our own WSDL subset, the answer through the hardened XML door), `post`
reads one person's post, `dates` and `addresses` its two odd parts, `client` moves bytes: `ask(patient)` gives a
`PersonChanged`, or None where the register has no such person, and `follow` the news of newer numbers too (P4).
"""
