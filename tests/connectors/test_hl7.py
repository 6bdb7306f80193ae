"""HL7 v2 over MLLP: cuts do not matter, garbage is AE or AR, and AA means that Kafka has it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.gateway.assembly import Assembled, assemble_all
from connectors.gateway.hl7 import Hl7Door
from connectors.gateway.options import Limits
from connectors.hl7 import events
from connectors.hl7.acknowledgement import encode
from connectors.hl7.framing import END, START, Broken, Frames, wrap
from connectors.hl7.message import Unsupported, header_of
from connectors.hl7.server import Limits as MllpLimits
from connectors.hl7.server import MllpServer
from schemas.cloudevents import decode_record
from schemas.errors import Malformed
from schemas.events import decode as decode_event
from schemas.telemetry import NullMeter
from tests.connectors.contract.certificates import certificates
from tests.connectors.gateway_support import NOW, Log, ports_with, until
from tests.connectors.hl7_support import GOLDEN, PDF, UNIT, fields, mdm, siu
from tests.connectors.sandbox_support import ADULT

# --- framing --------------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=40).filter(lambda b: END not in b and START not in b), max_size=5), st.data())
def test_cuts_in_the_stream_do_not_matter(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(wrap(message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    frames, found = Frames(), []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += frames.feed(stream[begin:end])
    assert found == messages
    assert frames.waiting == 0


@given(st.binary(max_size=200))
def test_noise_is_passed_over_or_the_stream_is_broken(noise: bytes) -> None:
    frames = Frames(frame_bytes_max=100)
    try:
        frames.feed(noise)
    except Broken:
        return
    assert frames.waiting <= 102


def test_a_frame_has_a_limit_also_while_it_grows() -> None:
    frames = Frames(frame_bytes_max=10)
    with pytest.raises(Broken):
        frames.feed(START + b"x" * 13)
    with pytest.raises(Broken):
        Frames().feed(b"GET / HTTP/1.1\r\n" * 10_000)
    with pytest.raises(Broken):
        Frames().feed(START + b"MSH" + wrap(b"MSH"))


# --- meaning --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.hl7")), ids=lambda path: path.stem)
def test_a_golden_message_means_its_golden_event(path: Path) -> None:
    told = events.decode(path.read_bytes())
    assert {"type": told.ce_type, "data": told.data} == orjson.loads(path.with_suffix(".json").read_bytes())
    decode_event(told.ce_type, orjson.dumps(told.data))


@pytest.mark.parametrize(
    ("trigger", "status"),
    [("S12", "booked"), ("S13", "rebooked"), ("S14", "booked"), ("S15", "cancelled"), ("S17", "cancelled"), ("S26", "cancelled")],
)
def test_each_trigger_is_a_status(trigger: str, status: str) -> None:
    assert events.decode(siu(trigger).encode()).data["status"] == status


@pytest.mark.parametrize(("text", "status"), [("Arrived", "arrived"), ("Cancelled", "cancelled"), ("Booked", "booked"), ("", "booked")])
def test_a_modified_booking_says_its_status_itself(text: str, status: str) -> None:
    schedule = siu().split("\r")[1].replace("Booked", text)
    assert events.decode(siu("S14", SCH=schedule).encode()).data["status"] == status


def test_text_is_read_by_the_character_set_that_is_named_or_seen() -> None:
    for charset, codec in (("8859/1", "iso8859-1"), ("UNICODE UTF-8", "utf-8"), ("", "utf-8"), ("", "iso8859-1")):
        told = events.decode(siu(charset=charset).encode(codec))
        assert told.data["description"] == "Kontroll av knä & höft"
    with pytest.raises(Malformed, match="MSH-18"):
        events.decode(siu(charset="UNICODE UTF-8").encode("iso8859-1"))
    with pytest.raises(Unsupported, match="MSH-18"):
        events.decode(siu(charset="ISO IR87").encode())


def test_a_length_may_stand_in_the_duration_or_the_service() -> None:
    schedule = siu().split("\r")[1].replace("^^^202603091015^202603091045", "")
    assert events.decode(siu(SCH=schedule).encode()).data["minutes"] == 30
    bare = schedule.replace("|30|MIN|", "|||")
    told = events.decode(siu(SCH=bare, AIS="AIS|1||99^Annat|202603091015|||45|MIN").encode())
    assert (told.data["start"], told.data["minutes"]) == ("2026-03-09T10:15:00", 45)


@pytest.mark.parametrize(
    ("message", "place"),
    [
        (siu(PID="PID|1||123^^^LOK^PI"), "PID-3"),
        (siu(PV1="", MSH=siu().split("\r")[0].replace(f"|{UNIT}|", "|X|")), "PV1-3"),
        (siu(SCH="SCH|||||||||30|MIN|^^^202603091015"), "SCH-2"),
        (siu(SCH="SCH|p1|f1||||||||| ^^^2026"), "SCH-11"),
        (siu(SCH="SCH|p1|f1|||||||2|H|^^^202603091015"), "SCH-9"),
        (siu(SCH="SCH|p1|f1|||||||||^^^202603290230^202603290330"), "SCH-11"),
        (siu(control=""), "MSH-10"),
        (mdm(TXA="TXA|1|JOURNAL|AP||||||||||doc-77"), "TXA-2"),
        (mdm(TXA="TXA|1|BREV"), "TXA-12"),
        (mdm(OBX=""), "OBX-5"),
        (mdm(OBX="OBX|1|ED|PDF||^application^pdf^Base64^%%%"), "OBX[1]-5.5"),
        (mdm(OBX=f"OBX|1|ED|PDF||^application^pdf^Hex^{PDF}"), "OBX[1]-5.4"),
        (mdm(OBX="OBX|1|RP|PDF||x"), "OBX[1]-2"),
    ],
)
def test_a_fault_names_its_place_and_no_content(message: str, place: str) -> None:
    with pytest.raises(Malformed) as caught:
        events.decode(message.encode())
    assert any(error.pointer.startswith(place) for error in caught.value.errors)
    assert ADULT not in str(caught.value) and "Testsson" not in str(caught.value)


@pytest.mark.parametrize(
    "message", [siu("S16"), siu().replace("|2.5|", "|1.0|"), mdm().replace("T02", "T11"), siu().replace("SIU^S12", "ADT^A01")]
)
def test_what_this_door_does_not_take_is_no_fault_of_the_content(message: str) -> None:
    with pytest.raises(Unsupported):
        events.decode(message.encode())


def test_what_is_no_pdf_is_told_as_that_so_that_the_rules_print_it() -> None:
    """R6 (C5)."""
    (file,) = events.decode(mdm(OBX="OBX|1|ED|PDF||^application^pdf^Base64^PGh0bWw+").encode()).data["attachments"]
    assert file["content_type"] == "application/octet-stream"


def test_a_repeated_message_is_the_same_event_and_another_senders_is_not() -> None:
    one, again = events.decode(siu().encode()), events.decode(siu().encode())
    other = events.decode(siu().replace("|TC|", "|OTHER|", 1).encode())
    assert one.ce_id == again.ce_id != other.ce_id
    assert ADULT not in repr(one)


@settings(max_examples=150)
@given(st.data())
def test_a_spoilt_message_is_refused_or_keeps_the_contract(data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from([siu().encode(), mdm().encode(), siu("S13", charset="8859/1").encode("iso8859-1")]))
    start = data.draw(st.integers(0, len(raw) - 1))
    noise = data.draw(st.binary(max_size=8) | st.text(alphabet="|^~\\&\r\n\x1c0MSHPID", max_size=8).map(str.encode))
    spoilt = raw[:start] + noise + raw[start + data.draw(st.integers(0, 12)) :]
    try:
        told = events.decode(spoilt)
    except Malformed:
        pass
    else:
        orjson.dumps(told.data)
    answer = encode(header_of(spoilt), "AE", NOW)
    assert answer.startswith(b"MSH|^~\\&|") and fields(answer, "MSA")[1] == "AE"


def test_a_header_without_its_encoding_characters_is_malformed() -> None:
    with pytest.raises(Malformed):
        events.decode(siu().replace("MSH|^~", "MSH|", 1).encode())


@given(st.binary(max_size=300))
def test_garbage_is_malformed_and_still_has_an_answer(garbage: bytes) -> None:
    with pytest.raises(Malformed):
        events.decode(garbage)
    assert fields(encode(header_of(garbage), "AR", NOW), "MSA")[1] == "AR"


# --- through the door -----------------------------------------------------------------------------------------------------


@dataclass
class Line:
    """A connection to a listening hub."""

    log: Log
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    made: Assembled

    async def send(self, message: str | bytes, cuts: int = 1) -> list[str]:
        """MSA of the answer."""
        data = wrap(message if isinstance(message, bytes) else message.encode())
        for begin in range(0, len(data), max(1, len(data) // cuts)):
            self.writer.write(data[begin : begin + max(1, len(data) // cuts)])
            await self.writer.drain()
            await asyncio.sleep(0)
        return await self.answer()

    async def answer(self) -> list[str]:
        async with asyncio.timeout(20):
            answer = await self.reader.readuntil(END)
        return fields(answer[1:-2], "MSA")


@asynccontextmanager
async def listening(
    *, bounds: MllpLimits | None = None, tls: Any = None, client_tls: Any = None, certificates: dict[str, str] | None = None, **more: Any
) -> AsyncIterator[tuple[Line, Callable[[], Any]]]:
    log, limits = Log(), Limits(publish_timeout_s=0.5)
    made = assemble_all(ports_with(log, limits, **more))
    door = Hl7Door(made.intake, made.admission, limits, NullMeter(), lambda: NOW, certificates or {}, needs_certificate=tls is not None)
    server = MllpServer(door.handle, made.admission, bounds or MllpLimits())
    made.publisher.start()
    await server.start("127.0.0.1", 0, tls)
    await until(lambda: made.publisher.ready)

    lines: list[Line] = []

    async def connect() -> Line:
        name = "localhost" if client_tls is not None else None
        lines.append(Line(log, *await asyncio.open_connection("127.0.0.1", server.port, ssl=client_tls, server_hostname=name), made))
        return lines[-1]

    line = await connect()
    try:
        yield line, connect
    finally:
        for each in lines:
            each.writer.close()
        await server.stop(1)
        log.wake()
        await made.publisher.stop()


async def test_a_booking_in_pieces_is_in_the_log_when_aa_comes() -> None:
    async with listening() as (line, _):
        assert await line.send(siu(), cuts=40) == ["MSA", "AA", "c1"]
        (record,) = line.log.records
    envelope, data = decode_record(record.headers, record.value)
    assert (record.topic, envelope.source, envelope.type) == ("ehr.bookings.v1", "/ehr/hl7", "booking.changed.v1")
    assert orjson.loads(data)["patient"] == ADULT
    assert envelope.time == datetime(2026, 3, 2, 9, 15, 0, 500000, UTC)


async def test_a_document_goes_to_its_topic_and_two_frames_at_once_get_two_answers_in_order() -> None:
    async with listening() as (line, _):
        line.writer.write(wrap(mdm().encode()) + wrap(siu(control="c2").encode()))
        assert [(await line.answer())[1:], (await line.answer())[1:]] == [["AA", "m1"], ["AA", "c2"]]
        assert [record.topic for record in line.log.records] == ["ehr.letters.v1", "ehr.bookings.v1"]


async def test_a_wrong_message_is_ae_an_unknown_one_ar_and_the_connection_goes_on() -> None:
    async with listening() as (line, _):
        assert (await line.send(siu(PID="PID|1")))[1] == "AE"
        assert (await line.send("hello"))[1] == "AE"
        assert (await line.send(siu("S16")))[1] == "AR"
        assert (await line.send(siu().replace(UNIT, "SE5560000000-Z9")))[1] == "AR"  # rights: no unit of this source's
        assert line.log.records == []
        assert (await line.send(siu()))[1] == "AA"


async def test_while_kafka_is_silent_there_is_no_aa() -> None:
    async with listening() as (line, _):
        line.log.silent = True
        assert (await line.send(siu()))[1] == "AR"
        line.log.wake()
        await until(lambda: line.made.publisher.ready)
        assert (await line.send(siu()))[1] == "AA"
        ids = [decode_record(record.headers, record.value)[0].id for record in line.log.records]
        assert len(ids) == 2 and len(set(ids)) == 1  # the hub knows the repeat


async def test_connections_and_frames_have_their_limits() -> None:
    async with listening(bounds=MllpLimits(frame_bytes_max=2_000, connections_max=1)) as (line, connect):
        assert (await line.send(siu()))[1] == "AA"
        second = await connect()
        assert await asyncio.wait_for(second.reader.read(), 20) == b""
        line.writer.write(START + b"x" * 5_000)
        assert await asyncio.wait_for(line.reader.read(), 20) == b""
        await until(lambda: line.made.admission.bytes == 0)


async def test_a_frame_that_never_ends_is_not_waited_for() -> None:
    async with listening(bounds=MllpLimits(frame_s=0.1)) as (line, _):
        line.writer.write(START + b"MSH|")
        assert await asyncio.wait_for(line.reader.read(), 20) == b""
        await until(lambda: line.made.admission.bytes == 0)


async def test_beyond_loopback_the_senders_certificate_says_who_it_is(tmp_path: Path) -> None:
    tls = certificates(tmp_path)
    async with listening(tls=tls.server, client_tls=tls.client, certificates={"Region": "ehr-takecare"}) as (line, _):
        assert (await line.send(siu()))[1] == "AA"
    async with listening(tls=tls.server, client_tls=tls.client, certificates={"Another": "ehr-takecare"}) as (line, _):
        assert (await line.send(siu()))[1] == "AR"
        assert line.log.records == []


@settings(max_examples=25)
@given(garbage=st.lists(st.binary(max_size=60), min_size=1, max_size=4), pieces=st.integers(1, 5))
def test_garbage_in_frames_is_answered_ae_or_ar_and_never_by_silence(garbage: list[bytes], pieces: int) -> None:
    async def talk() -> None:
        async with listening() as (line, _):
            for each in garbage:
                if START not in each and END not in each + b"\x1c":
                    assert (await line.send(each, pieces))[1] in ("AE", "AR")
            assert (await line.send(siu()))[1] == "AA"

    asyncio.run(talk())
