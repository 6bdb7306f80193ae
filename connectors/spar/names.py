"""The namespaces and limits of SPAR person search 2021.1. A later version (2023.1) is another such file."""

from typing import Final

_ROOT: Final = "http://statenspersonadressregister.se/schema/"
ANSWER: Final = f"{{{_ROOT}personsok/2021.1/personsokningsvar}}"
EXCEPTION: Final = f"{{{_ROOT}komponent/sok/undantag-1.0}}"
SEARCH: Final = f"{{{_ROOT}komponent/sok/personsokningsokparametrar-1.1}}"
PERSON: Final = f"{{{_ROOT}komponent/person/person-1.2}}"
PROTECTED: Final = f"{{{_ROOT}komponent/person/skyddadepersonuppgifter-1.1}}"
DETAILS: Final = f"{{{_ROOT}komponent/person/persondetaljer-1.2}}"
DEREGISTERED: Final = f"{{{_ROOT}komponent/person/avregistrering-1.0}}"
REFERENCE: Final = f"{{{_ROOT}komponent/person/hanvisning-1.0}}"
COORDINATION: Final = f"{{{_ROOT}komponent/person/samordningsnummer-1.0}}"
NAME: Final = f"{{{_ROOT}komponent/person/namn/namn-1.0}}"
NAME_PART: Final = f"{{{_ROOT}komponent/person/namn/deladenamnelement-1.0}}"
DATE: Final = f"{{{_ROOT}komponent/generellt/datumtid-1.1}}"
ADDRESS: Final = f"{{{_ROOT}komponent/person/adress/deladeadresselement-1.1}}"
ADDRESS_ROOT: Final = f"{_ROOT}komponent/person/adress/"

SOAP: Final = "{http://schemas.xmlsoap.org/soap/envelope/}"
ACTION: Final = '"http://skatteverket.se/spar/personsok/2021.1/PersonsokService/Personsok"'
ANSWER_BYTES_MAX: Final = 512 * 1024
POSTS_MAX: Final = 100
"""What SPAR gives at most; it tells when there were more."""
HOPS_MAX: Final = 5
"""Numbers a person may have had after the one asked about, before something is wrong."""

_BEARING: Final = (
    f"{PERSON}PersonId", f"{PERSON}SenasteAndringSPAR", f"{PROTECTED}Sekretessmarkering", f"{PROTECTED}SekretessDatum",
    f"{PROTECTED}SkyddadFolkbokforing", f"{PROTECTED}SkyddadFolkbokforingDatum", f"{NAME}Namn", f"{DETAILS}Persondetaljer",
)  # fmt: skip
_ADDRESSES: Final = ("folkbokforingsadress-1.1", "sarskildpostadress-1.1", "utlandsadress-1.1", "kontaktadress-1.0")
_UNUSED: Final = ("folkbokforing-1.0", "relation-1.2", "fastighetstaxering-1.2", "inkomsttaxering-1.2")
POST_NAMESPACES: Final = frozenset(f"{{{ADDRESS_ROOT}{name}}}" for name in _ADDRESSES) | frozenset(
    f"{{{_ROOT}komponent/person/{name}}}" for name in _UNUSED
)
POST_TAGS: Final = frozenset(_BEARING)
"""What may stand in a post: these, and whatever is of `POST_NAMESPACES`. Anything else is not this contract, and might be a death."""
DETAILS_TAGS: Final = frozenset(
    [f"{DATE}DatumFrom", f"{DATE}DatumTill", f"{PROTECTED}Sekretessmarkering", f"{PROTECTED}SkyddadFolkbokforing", f"{REFERENCE}Hanvisning"]
    + [f"{DEREGISTERED}{name}" for name in ("AvregistreringsorsakKod", "Avregistreringsdatum", "Avlidendatum", "AntraffadDodDatum")]
    + [f"{DETAILS}{name}" for name in ("Fodelsedatum", "FodelselanKod", "Fodelseforsamling", "Kon", "SvenskMedborgare")]
    + [
        f"{COORDINATION}{name}"
        for name in (
            "SnStatus", "SnTilldelningsdatum", "SnPreliminartVilandeforklaringsdatum", "SnFornyelsedatum", "SnVilandeorsak",
            "SnVilandeforklaringsdatum", "SnAvlidendatum",
        )
    ]
)  # fmt: skip
