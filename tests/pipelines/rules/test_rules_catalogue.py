"""Every rule decides in one place, and says so in two languages."""

import re
from pathlib import Path

from pipelines.rules import catalogue
from pipelines.rules.catalogue import RULES, SENTENCES, explain, said

FOLDER = Path(catalogue.__file__).parent
SOURCES = {path.stem: path.read_text() for path in FOLDER.glob("*.py") if path.stem not in ("catalogue", "__init__")}
SAYS = re.compile(r"""["']([BCNPRV]\d{1,2})\.[a-z0-9_{]""")
NAMES = re.compile(r'''(?<!")"([BCNPRV]\d{1,2})"''')


def test_a_rule_speaks_in_the_one_module_that_the_catalogue_names() -> None:
    spoken = {(rule, module) for module, text in SOURCES.items() for rule in SAYS.findall(text) + NAMES.findall(text)}
    assert spoken <= {(rule, row.module) for rule, row in RULES.items()}
    assert spoken


def test_every_rule_is_cited_in_the_module_that_the_catalogue_names() -> None:
    assert [rule for rule, row in RULES.items() if not re.search(rf"\b{rule}\b", SOURCES[row.module])] == []


def test_every_sentence_is_said_by_a_rule_and_every_rule_that_speaks_has_a_row() -> None:
    text = "\n".join(SOURCES.values())
    assert {key.partition(".")[0] for key in SENTENCES} <= set(RULES)
    composed = re.compile(r"^(R5|R6)\.|\.settled$")
    assert [key for key in SENTENCES if f'"{key}"' not in text and not composed.search(key)] == []


def test_no_two_sentences_of_one_language_are_alike() -> None:
    assert len({english for english, _ in SENTENCES.values()}) == len(SENTENCES)
    assert all(english != swedish and english.endswith(".") and swedish.endswith(".") for english, swedish in SENTENCES.values())


def test_a_step_is_explained_in_english_and_in_swedish() -> None:
    step = said("R9.open", True, age=45, mailbox="kivra")
    assert explain(step) == "R9  DECIDED     An adult gets it in the channels that are open. (age=45, mailbox=kivra)"
    assert explain(step, "sv").startswith("R9  AVGJORDE    En vuxen får det i de kanaler som är öppna. (")
