"""SPAR person search 2021.1: what a post means, what is no answer, and how it is asked over mutual TLS."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.peer import Answer, Call
from connectors.spar.client import SparClient
from connectors.spar.dates import first_day
from connectors.spar.names import HOPS_MAX, SOAP
from connectors.spar.wire import Customer, Found, NotFound, decode, encode
from schemas import persons, xml
from schemas.errors import Rejected, Unavailable
from tests.connectors.contract.case import GOLDEN
from tests.connectors.contract.originals import original
from tests.connectors.contract.spar_case import AT, CUSTOMER, golden

ADULT, NEW, COORDINATION, DEAD, ABROAD, PROTECTED = (
    "198005179802", "198005179810", "199007619803", "193102039801", "197508099806", "198811309809",
)  # fmt: skip
HOME = {"care_of": None, "lines": ("Provgatan 7",), "postal_code": "12345", "city": "TESTSTAD", "country": None}
NAME = "Alva Maria Almdal Testsson"
ABROAD_HOME = {"care_of": None, "postal_code": ""}
BORN = date(1980, 5, 17)


def read(name: str, asked: str, at: datetime = AT) -> dict[str, Any]:
    answer = golden(name)
    if name == "new-number":
        echo = f"<person:IdNummer>{NEW}</person:IdNummer></sok:"
        answer = Answer(200, answer.body.decode().replace(echo, echo.replace(NEW, asked)).encode(), answer.headers)
    found = decode(asked, answer, at)
    assert isinstance(found, Found) and found.reference
    assert found.person.patient == asked and found.person.as_of == at
    return found.person.model_dump(exclude={"patient", "as_of"})


def news(**changed: Any) -> dict[str, Any]:
    plain = {
        "name": NAME, "born": None, "protection": "none", "deceased": None, "emigrated": False,
        "replaced_by": None, "linked": (), "address": None,
    }  # fmt: skip
    return plain | changed


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [
        ("ordinary", ADULT, news(born=BORN, address=HOME | {"lines": ("Provgatan 7 LGH 1102",), "care_of": "Bo Testsson"})),
        ("special-address", ADULT, news(born=BORN, address=HOME | {"lines": ("BOX 42",), "postal_code": "98765", "city": "PROVBY"})),
        ("protected", PROTECTED, news(name="", born=date(1988, 11, 30), protection="sekretessmarkering")),
        (
            "protected-registration", PROTECTED,
            news(
                name="", born=date(1988, 11, 30), protection="skyddad_folkbokforing",
                address=HOME | {"lines": ("BOX 2820",), "postal_code": "40320", "city": "GÖTEBORG"},
            ),
        ),
        ("deceased", DEAD, news(born=date(1931, 2, 3), deceased=date(2024, 3, 1), address=HOME | {"lines": ("Provgatan 9",)})),
        ("found-dead", DEAD, news(born=date(1931, 2, 3), deceased=date(2026, 3, 2))),
        (
            "emigrated", ABROAD,
            news(
                born=date(1975, 8, 9), emigrated=True,
                address=ABROAD_HOME | {"lines": ("Teststrasse 3", "10999 Berlin"), "city": "", "country": "TYSKLAND"},
            ),
        ),
        (
            "coordination", COORDINATION,
            news(
                born=date(1990, 7, 1),
                address=ABROAD_HOME | {"lines": ("Provplads 4", "2. tv"), "city": "1620 København V", "country": "DANMARK"},
            ),
        ),
        ("old-number", ADULT, news(born=BORN, replaced_by=NEW)),
        ("new-number", NEW, news(born=BORN, linked=(ADULT, COORDINATION), address=HOME)),
        ("new-number", ADULT, news(replaced_by=NEW)),
    ],
)  # fmt: skip
def test_a_post_means_what_stands_beside_it(name: str, asked: str, expected: dict[str, Any]) -> None:
    """The last row: asked by the old number, the register may answer with the post of the new one, which refers back."""
    assert read(name, asked) == expected


def test_the_three_nos_are_three_things() -> None:
    """Only the empty answer says that there is nobody; the others say that nothing was learnt."""
    assert isinstance(decode(ADULT, golden("not-found"), AT), NotFound)
    for name, code in (("exception", "undantag"), ("fault", "fault_client"), ("too-many", "too_many_answers")):
        with pytest.raises(Rejected, match=code):
            decode(ADULT, golden(name), AT)
    with pytest.raises(Unavailable, match="fault_server"):
        decode(ADULT, golden("fault-server"), AT)


@pytest.mark.parametrize("name", ["ordinary", "protected", "not-found", "old-number"])
def test_an_answer_about_somebody_else_is_no_answer(name: str) -> None:
    with pytest.raises(Rejected, match="another_"):
        decode(DEAD, golden(name), AT)
    without_echo = edited(name, lambda text: text[: text.index("  <sok:Pers")] + text[text.index("</sok:PersonsokningFraga>") + 25 :])
    if name != "not-found":
        with pytest.raises(Rejected, match="another_person"):
            decode(DEAD, without_echo, AT)


def edited(name: str, change: Callable[[str], str]) -> Answer:
    answer = golden(name)
    changed = change(answer.body.decode())
    assert changed != answer.body.decode(), "the edit found its place"
    return Answer(answer.status, changed.encode(), answer.headers)


@pytest.mark.parametrize(
    ("old", "new", "protection"),
    [
        (">NEJ</skydd:Sekr", ">JA</skydd:Sekr", "sekretessmarkering"),
        (">NEJ</skydd:Skyd", ">JA</skydd:Skyd", "skyddad_folkbokforing"),
        ("<pdt:Fodelse", "<skydd:Sekretessmarkering>JA</skydd:Sekretessmarkering><pdt:Fodelse", "sekretessmarkering"),
        (">NEJ</skydd:Sekr", ">ja</skydd:Sekr", None),
        (">NEJ</skydd:Skyd", "></skydd:Skyd", None),
        ("<skydd:SkyddadFolkbokforing>NEJ</skydd:SkyddadFolkbokforing>", "", None),
        ("<skydd:Sekretessmarkering>NEJ</skydd:Sekretessmarkering>", "", None),
    ],
)
def test_a_protection_is_told_or_the_post_is_no_news(old: str, new: str, protection: str | None) -> None:
    answer = edited("ordinary", lambda text: text.replace(old, new, 1))
    if protection is None:
        with pytest.raises(Rejected, match="unclear_protection"):
            decode(ADULT, answer, AT)
    else:
        found = decode(ADULT, answer, AT)
        assert isinstance(found, Found) and found.person.protection == protection


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<pdt:Kon>KVINNA</pdt:Kon>", "<pdt:NyttBegrepp>1</pdt:NyttBegrepp>"),
        ("<person:SenasteAndringSPAR>2026-02-11</person:SenasteAndringSPAR>", "<person:Ny/>"),
        ("9999-12-31", "2021-01-01"),
        ("<pdt:Kon>KVINNA</pdt:Kon>", "<hanv:Hanvisning xmlns:hanv='{ns}'><person:IdNummer>1</person:IdNummer></hanv:Hanvisning>"),
        (
            "<pdt:Kon>KVINNA</pdt:Kon>",
            "<hanv:Hanvisning xmlns:hanv='{ns}'><person:IdNummer>198005179810</person:IdNummer><hanv:Typ>Mot</hanv:Typ></hanv:Hanvisning>",
        ),
    ],
)
def test_what_is_unclear_is_no_news_unless_it_is_about_somebody_protected(old: str, new: str) -> None:
    """P8: fail closed. The known facts stay; but a protection that can be seen is told whatever else cannot."""
    spoilt = new.replace("{ns}", "http://statenspersonadressregister.se/schema/komponent/person/hanvisning-1.0")
    with pytest.raises(Rejected, match="unclear_"):
        decode(ADULT, edited("ordinary", lambda text: text.replace(old, spoilt)), AT)
    found = decode(PROTECTED, edited("protected", lambda text: text.replace(old, spoilt)), AT)
    assert isinstance(found, Found) and found.person.protection == "sekretessmarkering"


def test_an_unclear_flag_beside_a_yes_counts_as_the_stronger_yes() -> None:
    for new in ("?", ""):
        answer = edited("protected", lambda text, new=new: text.replace(">NEJ</skydd:Skyd", f">{new}</skydd:Skyd"))  # type: ignore[misc]
        found = decode(PROTECTED, answer, AT)
        assert isinstance(found, Found) and found.person.protection == "skyddad_folkbokforing"


def test_two_posts_for_one_number_are_no_answer() -> None:
    start, end = "  <svar:PersonsokningSvarspost>", "</svar:PersonsokningSvarspost>"

    def doubled(text: str) -> str:
        post = text[text.index(start) : text.index(end) + len(end)]
        return text.replace(post, post + post)

    with pytest.raises(Rejected, match="several_posts"):
        decode(ADULT, edited("ordinary", doubled), AT)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2019-01-01", date(2019, 1, 1)), ("2019-04-00", date(2019, 4, 1)), ("2019-00-00", date(2019, 1, 1)),
        ("0000-00-00", date(2026, 3, 2)), ("200104", date(2001, 4, 1)), ("2001", date(2001, 1, 1)), ("0", date(2026, 3, 2)),
        ("", date(2026, 3, 2)), ("2019-02-31", date(2019, 1, 1)), ("2031-01-01", date(2026, 3, 2)), ("i mars", date(2026, 3, 2)),
    ],
)  # fmt: skip
def test_an_incomplete_day_is_the_first_it_may_mean(text: str, day: date) -> None:
    assert first_day(text, date(2026, 3, 2)) == day


@given(st.text(max_size=12))
def test_no_text_in_a_date_hides_a_death(text: str) -> None:
    assert first_day(text, date(2026, 3, 2)) <= date(2026, 3, 2)


def test_an_address_that_has_ended_is_not_used_and_one_to_come_is_not_used_yet() -> None:
    def moved(text: str) -> str:
        start = text.index("<fba:")
        return text[:start] + text[start:].replace("<d:DatumFrom>2020-05-01", "<d:DatumFrom>2026-05-01")

    later = edited("ordinary", moved)
    found = decode(ADULT, later, AT)
    assert isinstance(found, Found) and found.person.address is None


def test_a_reserve_number_is_never_told_to_spar() -> None:
    with pytest.raises(Rejected, match="reserve_number"):
        encode(persons.reserve_number(1998, 12), CUSTOMER)


@pytest.mark.parametrize(
    "wrong", [(500_000, 500_243, 1, "x"), (500_243, 600_000, 1, "x"), (500_243, 500_243, 0, "x"), (500_243, 500_243, 1, "")]
)
def test_a_customer_is_checked_when_it_is_made(wrong: tuple[int, int, int, str]) -> None:
    with pytest.raises(ValueError, match="SPAR"):
        Customer(*wrong)


GRANSSNITT = "spar/**/granssnitt/personsok/2021.1/"


def body_of(data: bytes) -> xml.Element:
    body = xml.parse(data).find(f"{SOAP}Body")
    assert body is not None
    return xml.parse(xml.serialise(body[0]))


def test_our_question_follows_the_published_schema() -> None:
    xml.Schema(original(GRANSSNITT + "PersonsokningFraga.xsd")).check(body_of(encode(ADULT, CUSTOMER).body))


@pytest.mark.parametrize("path", sorted((GOLDEN / "spar").glob("*.answer.http")), ids=lambda path: path.name)
def test_our_golden_answers_follow_the_published_schema(path: Any) -> None:
    schema = original(GRANSSNITT + "PersonsokningSvar.xsd")
    if path.name.startswith("fault"):
        return
    xml.Schema(schema).check(body_of(golden(path.name.removesuffix(".answer.http")).body))


# --- client ---------------------------------------------------------------------------------------------------------------


class Register:
    """Answers by number; an entry that is a failure is raised. Counts what it was asked."""

    def __init__(self, replaced: dict[str, str | None]) -> None:
        self.replaced = replaced
        self.asked: list[str] = []

    async def exchange(self, call: Call, decode: Callable[[Answer], Any]) -> Any:
        number = call.body.decode().rpartition("IdNummer xmlns")[2].partition(">")[2][:12]
        self.asked.append(number)
        if number not in self.replaced:
            return decode(edited("not-found", lambda text: text.replace(ADULT, number) + "\n"))
        new = self.replaced[number]
        post = golden("old-number" if new else "ordinary").body.decode().replace(ADULT, "{old}").replace(NEW, "{new}")
        return decode(Answer(200, post.replace("{old}", number).replace("{new}", new or "").encode(), {}))


def followed(replaced: dict[str, str | None], patient: str = ADULT) -> list[tuple[str, str | None]]:
    async def follow() -> list[tuple[str, str | None]]:
        client = SparClient("https://spar.invalid", CUSTOMER, lambda: AT)
        client.peer = Register(replaced)  # type: ignore[assignment]
        return [(person.patient, person.replaced_by) for person in await client.follow(patient)]

    return asyncio.run(follow())


def test_an_old_number_is_followed_to_the_one_the_person_has_now() -> None:
    assert followed({ADULT: NEW, NEW: DEAD, DEAD: None}) == [(ADULT, NEW), (NEW, DEAD), (DEAD, None)]
    assert followed({}) == []


def test_what_an_old_number_says_is_told_also_where_the_new_one_has_no_answer() -> None:
    """It may be protected (P8); the new number stays somebody whom no register has confirmed."""
    assert followed({ADULT: NEW}) == [(ADULT, NEW)]
    assert followed({ADULT: "991234567897"}) == [(ADULT, "991234567897")]


def test_numbers_in_a_circle_or_without_end_are_refused() -> None:
    with pytest.raises(Rejected, match="reference_loop"):
        followed({ADULT: NEW, NEW: ADULT})
    chain = [persons.fictitious(date(1980, 1, day)) for day in range(1, HOPS_MAX + 4)]
    with pytest.raises(Rejected, match="reference_chain"):
        followed(dict(zip(chain, [*chain[1:], None], strict=True)), chain[0])


def test_the_news_is_as_of_the_question() -> None:
    """The register's date of change has a day's precision; two changes on one day must not look like one."""
    late = datetime(2026, 3, 2, 22, 59, 59, tzinfo=UTC)
    assert read("ordinary", ADULT, late)["protection"] == "none"
