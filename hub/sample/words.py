"""Words of the sample day: names, streets and sentences that we made up, for people who do not exist.

The surnames are put together from nature words and checked by nobody against reality, and every person number is one
of Skatteverket's test numbers, so that no letter of a sample can ever be about somebody.
"""

from typing import Final

WOMEN: Final = (
    "Alva", "Astrid", "Birgitta", "Cecilia", "Ebba", "Elsa", "Farida", "Gunilla", "Hanna", "Ingrid", "Jasmin", "Karin",
    "Lovisa", "Maj-Britt", "Märta", "Nadja", "Olivia", "Rut", "Saga", "Siv", "Tuva", "Ulla", "Vera", "Ylva", "Åsa",
)  # fmt: skip
MEN: Final = (
    "Adam", "Arvid", "Bengt", "Bo", "Dawit", "Elias", "Folke", "Gösta", "Hampus", "Ivar", "Jonas", "Kjell", "Leo",
    "Malte", "Mohammed", "Nils", "Olof", "Per-Erik", "Rolf", "Sixten", "Sune", "Ture", "Viktor", "Åke", "Östen",
)  # fmt: skip
FIRST: Final = ("Alm", "Björk", "Dunder", "Ek", "Fjäll", "Glimmer", "Hassel", "Is", "Kvist", "Ljung", "Mossa", "Norr",
                "Ripa", "Sommar", "Gran", "Törn", "Ugle", "Vinter", "Ång", "Ödle")  # fmt: skip
SECOND: Final = ("backe", "dalsson", "fjärd", "gårde", "hamrin", "kulla", "lidman", "myr", "näs", "rike", "sjövall",
                 "tjärn", "udde", "vret", "åkerby")  # fmt: skip
STREETS: Final = ("Påhittsvägen", "Låtsasgatan", "Exempelstigen", "Provgränd", "Sagotorget", "Övningsbacken")
TOWNS: Final = (("11111", "Påhittsstad"), ("12345", "Exempelby"), ("19999", "Låtsasköping"), ("17770", "Provholmen"))
CARE_OF: Final = "c/o Skatteverket Förmedlingsuppdrag"

REASONS: Final = ("Återbesök", "Nybesök efter remiss", "Kontroll av medicin", "Provtagning före besök", "Uppföljning",
                  "Hälsosamtal", "Omläggning", "Samtal om fortsatt vård")  # fmt: skip
ROOMS: Final = ("Mottagning 1", "Mottagning 2", "Sjuksköterska 4", "Läkare 7", "Fysioterapeut 2", "Kurator 1")

LETTERS: Final = (
    ("Provsvar", "Dina prover ser bra ut. Du behöver inte göra något mer just nu."),
    ("Efter ditt besök", "Tack för ditt besök. Fortsätt med övningarna två gånger om dagen i fyra veckor."),
    ("Byte av läkemedel", "Apoteket kan lämna ut ett likvärdigt läkemedel. Ta det på samma sätt som förut."),
    ("Inför vaccination", "Nu är det dags för vaccination. Du kan komma utan bokad tid på vardagar mellan 8 och 11."),
    ("Väntetid", "Vi har ställt dig i kö. Väntetiden är just nu ungefär sex veckor."),
)
"""Title and main sentence of letters."""

SUMMONS: Final = (
    "Ta gärna med en aktuell lista över dina läkemedel.",
    "Kom fastande: ät och drick inget annat än vatten från midnatt.",
    "Kom tio minuter före besöket så att du hinner anmäla dig i receptionen.",
    "Ta med legitimation. Du får gärna ha en närstående med dig.",
)
"""Sentences of a kallelse, beside time and place."""

CONFIRMATION: Final = "Vi har tagit emot en remiss för dig. Du får en kallelse när vi har bedömt den."
CHANGE: Final = "Om du behöver ändra tiden, läs mer på https://www.example.org/avboka."
