"""Everything that parses bytes from the network: captures of a real browser, malformed twins, and garbage."""

from pathlib import Path
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import Malformed, TooLarge
from video.plane import payload, rtcp, rtp, sdp, stun, twcc

GOLDEN = Path(__file__).parents[2] / "golden" / "video"
RTP = [bytes.fromhex(line) for line in (GOLDEN / "chromium-rtp.txt").read_text().split()]
RTCP = [bytes.fromhex(line) for line in (GOLDEN / "chromium-rtcp.txt").read_text().split()]
_password, _request = (GOLDEN / "chromium-binding-request.txt").read_text().splitlines()
PASSWORD, REQUEST = _password.removeprefix("password "), bytes.fromhex(_request)
USER = REQUEST[24 : 24 + REQUEST[23]].decode().partition(":")[0]
IDS = {"level": 1, "send_time": 2, "number": 3, "mid": 4, "rid": 10, "repaired": 11}
KEY = PASSWORD.encode()


# RTP


def test_a_browsers_packets_are_read() -> None:
    headers = [rtp.read(packet) for packet in RTP]
    assert all(header is not None for header in headers)
    found = [(h.pt, rtp.text(p, h, IDS["mid"]), rtp.text(p, h, IDS["rid"])) for h, p in zip(headers, RTP, strict=True) if h is not None]
    assert (96, "1", "q") in found and (96, "1", "h") in found and (111, "0", None) in found
    numbers = [rtp.extension(p, h, IDS["number"]) for h, p in zip(headers, RTP, strict=True) if h is not None]
    assert all(each is not None and each[1] == 2 for each in numbers)


def test_a_probe_is_a_repair_without_payload() -> None:
    probe = next(packet for packet in RTP if packet[0] & 0x20)
    header = rtp.read(probe)
    assert header is not None and header.start == header.end


@pytest.mark.parametrize(
    ("packet", "wrong"),
    [
        (b"", "empty"),
        (RTP[0][:11], "cut in the fixed header"),
        (b"\x50" + RTP[0][1:], "another version"),
        (RTP[0][:14], "cut in the extension's head"),
        (RTP[0][:20], "cut in the extensions"),
        (b"\xa0" + RTP[0][1:12] + b"\x00", "padding of nothing"),
        (b"\xa0" + RTP[0][1:12] + b"\x09", "padding longer than the packet"),
        (b"\x8f" + RTP[0][1:12], "contributors that are not there"),
    ],
)
def test_a_malformed_packet_is_nothing(packet: bytes, wrong: str) -> None:
    assert rtp.read(packet) is None, wrong


def test_extensions_in_two_byte_form_and_with_padding_between_are_found() -> None:
    block = bytes([0, 4, 1]) + b"7" + bytes([10, 0]) + bytes([3, 2]) + b"\x01\x02"
    block += bytes(-len(block) % 4)
    packet = b"\x90" + RTP[0][1:12] + pack("!HH", 0x1001, len(block) // 4) + block + b"body"
    header = rtp.read(packet)
    assert header is not None and rtp.text(packet, header, 4) == "7"
    found = rtp.extension(packet, header, 3)
    assert found is not None and packet[found[0] : found[0] + found[1]] == b"\x01\x02"
    assert rtp.extension(packet, header, 9) is None


@pytest.mark.parametrize(
    ("value", "near", "whole"),
    [(5, 3, 5), (2, 65_534, 65_538), (65_534, 65_538, 65_534), (65_535, 0, -1), (0, 131_071, 131_072), (40_000, 65_536, 40_000)],
)
def test_numbers_are_unwrapped_to_the_nearest(value: int, near: int, whole: int) -> None:
    assert rtp.unwrap(value, near) == whole


@given(st.integers(-200_000, 200_000), st.integers(-30_000, 30_000))
def test_unwrapping_is_right_within_half_a_turn(near: int, step: int) -> None:
    assert rtp.unwrap((near + step) & 0xFFFF, near) == near + step


@given(st.binary(max_size=80))
def test_no_bytes_upset_the_reader_of_rtp(data: bytes) -> None:
    for packet in (data, b"\x90" + data, b"\xb1" + data):
        header = rtp.read(packet)
        if header is not None:
            assert 0 <= header.start <= header.end <= len(packet)
            for number in (1, 3, 14):
                found = rtp.extension(packet, header, number)
                assert found is None or found[0] + found[1] <= len(packet)
            rtp.text(packet, header, 4)
            payload.vp8(packet, header.start, header.end)
            payload.h264_begins_key(packet, header.start, header.end)


# Payloads


def test_a_browsers_first_picture_is_a_key_frame_and_the_next_is_not() -> None:
    headers = [(rtp.read(packet), packet) for packet in RTP]
    pictures = [payload.vp8(p, h.start, h.end) for h, p in headers if h is not None and h.pt == 96]
    assert [each.begins_key for each in pictures if each is not None] == [True, False, False, True]
    assert all(each is not None and each.wide and each.picture >= 0 for each in pictures)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("1000", payload.Vp8(True, -1, -1, False, -1, -1)),
        ("1001", payload.Vp8(False, -1, -1, False, -1, -1)),
        ("0000", payload.Vp8(False, -1, -1, False, -1, -1)),
        ("1100", payload.Vp8(False, -1, -1, False, -1, -1)),
        ("90802a00", payload.Vp8(True, 42, 2, False, -1, -1)),
        ("9080812a00", payload.Vp8(True, 298, 2, True, -1, -1)),
        ("90e0812a072000", payload.Vp8(True, 298, 2, True, 7, 4)),
        ("90400700", payload.Vp8(True, -1, -1, False, 7, 2)),
        ("", None), ("90", None), ("9080", None), ("908081", None), ("90e0812a", None), ("90e0812a07", None), ("10", None),
    ],
)  # fmt: skip
def test_the_vp8_descriptor_is_read_as_the_table_says(data: str, expected: payload.Vp8 | None) -> None:
    found = bytes.fromhex(data)
    assert payload.vp8(found, 0, len(found)) == expected


def test_counters_of_pictures_move_on_within_their_width() -> None:
    wide = bytes.fromhex("90e0fffeff2000")
    found = payload.vp8(wide, 0, len(wide))
    assert found is not None
    assert payload.renumbered(wide, found, 3, 2).hex() == "90e08001012000"
    narrow = bytes.fromhex("90807e00")
    found = payload.vp8(narrow, 0, len(narrow))
    assert found is not None
    assert payload.renumbered(narrow, found, 3, 2).hex() == "90800100"


@pytest.mark.parametrize(
    ("data", "begins"),
    [("6742", True), ("65aa", True), ("41aa", False), ("68aa", False), ("7c85", True), ("7c05", False), ("7c81", False),
     ("7800106742", True), ("78001041aa", False), ("", False), ("7c", False), ("7800", False)],
)  # fmt: skip
def test_where_an_h264_key_frame_begins(data: str, begins: bool) -> None:
    found = bytes.fromhex(data)
    assert payload.h264_begins_key(found, 0, len(found)) is begins


# RTCP


def test_a_browsers_reports_are_read() -> None:
    kinds = [type(message) for data in RTCP for message in rtcp.read(data)]
    assert {rtcp.SenderReport, rtcp.ReceiverReport, rtcp.KeyFrame, rtcp.Feedback} == set(kinds)
    for data in RTCP:
        for message in rtcp.read(data):
            if isinstance(message, rtcp.Feedback):
                assert twcc.read(message.body)


def test_what_is_written_is_read_back() -> None:
    block = rtcp.Block(7, 25, -3, 70_000, 5, 0x12345678, 9)
    compound = (
        rtcp.receiver_report(1, [block])
        + rtcp.sender_report(9, 1_700_000_000.5, 3, 4, 5)
        + rtcp.description(9, "bridge")
        + rtcp.nack(1, 7, [65_535, 0, 1, 16, 40])
        + rtcp.pli(1, 7)
        + rtcp.bye([9])
    )
    found = list(rtcp.read(compound))
    assert found == [
        rtcp.ReceiverReport(1, (block,)), rtcp.SenderReport(9, rtcp.ntp_middle(1_700_000_000.5), 3, ()),
        rtcp.Nack(7, (65_535, 0, 1, 16, 40)), rtcp.KeyFrame(7), rtcp.Bye((9,)),
    ]  # fmt: skip


def test_full_intra_requests_are_requests_for_a_key_frame_and_remb_is_passed_over() -> None:
    fir = pack("!BBHIIIBBH", 0x84, 206, 4, 1, 0, 77, 3, 0, 0)
    remb = pack("!BBHII4sI", 0x8F, 206, 4, 1, 0, b"REMB", 0x01020304)
    assert list(rtcp.read(remb + fir)) == [rtcp.KeyFrame(77)]


@pytest.mark.parametrize(
    "data",
    [b"", b"\x81", b"\x81\xc9\x00\xff" + bytes(8), b"\x41\xc9\x00\x01" + bytes(4), b"\xa1\xc9\x00\x00", b"\xa1\xce\x00\x02" + b"\xff" * 8],
)
def test_a_malformed_report_says_nothing(data: bytes) -> None:
    assert list(rtcp.read(data)) == []


def test_the_round_trip_is_what_the_standard_computes() -> None:
    sent = 1_700_000_000.0
    block = rtcp.Block(1, 0, 0, 0, 0, rtcp.ntp_middle(sent), round(0.25 * 65_536))
    assert rtcp.round_trip_s(block, sent + 0.30) == pytest.approx(0.05, abs=0.001)
    assert rtcp.round_trip_s(block._replace(last_sr=0), sent) is None
    assert rtcp.round_trip_s(block, sent) is None, "an answer before its question"


@given(st.binary(max_size=120), st.integers(192, 223), st.integers(0, 31))
def test_no_bytes_upset_the_reader_of_rtcp(data: bytes, kind: int, count: int) -> None:
    body = data + bytes(-len(data) % 4)
    list(rtcp.read(data))
    for message in rtcp.read(pack("!BBH", 0x80 | count, kind, len(body) // 4) + body):
        if isinstance(message, rtcp.Feedback):
            twcc.read(message.body)


# Transport-wide feedback


def test_a_report_says_what_came_and_when() -> None:
    arrivals = twcc.Arrivals()
    times = {65_530: 10.0, 65_531: 10.001, 65_533: 10.3, 65_535: 10.299, 0: 10.31, 2: 10.311}
    for number, at in times.items():
        arrivals.came(number, at)
    body = arrivals.write()
    assert body is not None and arrivals.write() is None and len(body) % 4 == 0
    seen = twcc.read(body)
    assert seen is not None
    assert [number for number, at_s in seen if at_s is None] == [65_532, 65_534, 1]
    assert {number: at_s for number, at_s in seen if at_s is not None} == pytest.approx(times, abs=0.0003)
    assert (arrivals.lost, arrivals.total) == (3, 9)


def test_what_comes_after_its_report_is_reported_again() -> None:
    arrivals = twcc.Arrivals()
    arrivals.came(1, 1.0)
    arrivals.came(3, 1.0)
    arrivals.write()
    arrivals.came(2, 1.1)
    body = arrivals.write()
    assert body is not None
    seen = twcc.read(body)
    assert seen is not None and seen[0] == (2, pytest.approx(1.1, abs=0.0003))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0.0, 12.0)), min_size=1, max_size=60))
def test_any_arrivals_are_told_whole(steps: list[tuple[int, float]]) -> None:
    arrivals, number, now = twcc.Arrivals(), 65_000, 5.0
    expected = {}
    for step, wait in steps:
        number, now = number + step, now + wait
        arrivals.came(number & 0xFFFF, now)
        expected[number & 0xFFFF] = now
    told: dict[int, float] = {}
    while (body := arrivals.write()) is not None:
        seen = twcc.read(body)
        assert seen is not None
        told |= {number: at_s for number, at_s in seen if at_s is not None}
    assert told == pytest.approx(expected, abs=0.0003)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (bytes(7), "cut"),
        (pack("!HHI", 1, 0, 0), "of nothing"),
        (pack("!HHI", 1, 5, 0), "no chunk"),
        (pack("!HHIH", 1, 60_000, 0, 0x3FFF), "of more than anybody sends"),
        (pack("!HHIH", 1, 5, 0, 0x2005) + b"\x01", "deltas that are not there"),
        (pack("!HHIH", 1, 5, 0, 0), "a run of none"),
    ],
)
def test_a_malformed_transport_report_is_nothing(body: bytes, wrong: str) -> None:
    assert twcc.read(body) is None, wrong


@given(st.binary(max_size=60))
def test_no_bytes_upset_the_reader_of_feedback(data: bytes) -> None:
    found = twcc.read(data)
    assert found is None or len(found) <= 1_024


# STUN


def passwords(user: str) -> str | None:
    return PASSWORD if user == USER else None


def test_a_browsers_check_is_authentic() -> None:
    check = stun.judge(REQUEST, passwords)
    assert isinstance(check, stun.Check)
    assert (check.local, check.nominated, check.controlled) == (USER, False, False), "Chromium nominates only after a first answer"


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


FORGED = stun.request(bytes(12), f"{USER}:x", "another password altogether")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (REQUEST[:19], "malformed"),
        (REQUEST[:-1], "malformed"),
        (REQUEST + bytes(4), "malformed"),
        (changed(REQUEST, 4), "malformed"),
        (changed(REQUEST, 30), "malformed"),
        (b"\x01\x01" + REQUEST[2:], "not_a_request"),
        (bytes(549), "oversized"),
        (stun.request(bytes(12), "nobody:x", PASSWORD), "unknown_user"),
        (stun.request(bytes(12), USER, PASSWORD), "unknown_user"),
        (FORGED, "forged"),
        (pack("!HHI12s", 1, 0, stun.COOKIE, bytes(12)), "no_fingerprint"),
    ],
)
def test_what_is_no_authentic_check_is_refused_by_name(data: bytes, fault: str) -> None:
    assert stun.judge(data, passwords) == fault


def test_a_check_without_integrity_is_refused() -> None:
    body = pack("!HH", stun.USERNAME, 12) + USER.encode() + b":abc"
    whole = pack("!HHI12s", 1, len(body) + 8, stun.COOKIE, bytes(12)) + body
    assert stun.judge(whole + pack("!HH", stun.FINGERPRINT, 4) + stun._crc(whole).to_bytes(4), passwords) == "no_integrity"


def test_what_follows_the_integrity_is_not_believed() -> None:
    """An attacker who repeats a check cannot add USE-CANDIDATE to it (RFC 8489 section 14.5)."""
    plain = stun.request(bytes(12), f"{USER}:x", PASSWORD, nominate=False)[:-8]
    body = plain[20:] + pack("!HH", stun.USE_CANDIDATE, 0)
    whole = pack("!HHI12s", 1, len(body) + 8, stun.COOKIE, bytes(12)) + body
    check = stun.judge(whole + pack("!HH", stun.FINGERPRINT, 4) + stun._crc(whole).to_bytes(4), passwords)
    assert isinstance(check, stun.Check) and not check.nominated


@pytest.mark.parametrize("address", [("192.0.2.7", 54_321), ("2001:db8::7", 9)])
def test_an_answer_is_what_another_implementation_reads(address: tuple[str, int]) -> None:
    from aioice.stun import Class, parse_message

    check = stun.judge(REQUEST, passwords)
    assert isinstance(check, stun.Check)
    message = parse_message(stun.success(check, address, PASSWORD))
    assert message.message_class == Class.RESPONSE and message.check_message_integrity(KEY)
    assert message.attributes["XOR-MAPPED-ADDRESS"] == address
    conflict = parse_message(stun.role_conflict(check, PASSWORD))
    assert conflict.error_code == 487 and conflict.check_message_integrity(KEY)


@given(st.binary(max_size=120))
def test_no_bytes_upset_the_judge_of_checks(data: bytes) -> None:
    assert isinstance(stun.judge(data, passwords), str)
    assert isinstance(stun.judge(pack("!HHI", 1, len(data) - 12 & 0xFFFF, stun.COOKIE) + data, passwords), str)


@given(st.integers(0, len(REQUEST) - 1), st.integers(1, 255))
def test_no_change_of_one_byte_goes_unnoticed(at: int, by: int) -> None:
    data = REQUEST[:at] + bytes([REQUEST[at] ^ by]) + REQUEST[at + 1 :]
    assert isinstance(stun.judge(data, passwords), str)


# SDP

SIMULCAST = (GOLDEN / "chromium-publish-simulcast.sdp").read_bytes().decode()
PLAIN = (GOLDEN / "chromium-publish-plain.sdp").read_bytes().decode()
ANSWER = (GOLDEN / "chromium-subscribe-answer.sdp").read_bytes().decode()
FIREFOX_SIMULCAST = (GOLDEN / "firefox-publish-simulcast.sdp").read_bytes().decode()
FIREFOX_PLAIN = (GOLDEN / "firefox-publish-plain.sdp").read_bytes().decode()
FIREFOX_ANSWER = (GOLDEN / "firefox-subscribe-answer.sdp").read_bytes().decode()
LOCAL = sdp.Local("user", "passwordOfOurs24Characters", ":".join(["AB"] * 32), sdp.candidates("192.0.2.1", 7_300, udp=True, tcp=True), 1)
SLOTS = tuple(
    sdp.Offered(mid, "audio" if mid[0] == "a" else "video", 2 + 4 * n, 3 + 4 * n) for n, mid in enumerate(("a0", "a1", "a2", "v0", "v1"))
)


@pytest.mark.parametrize("offer", [SIMULCAST, FIREFOX_SIMULCAST], ids=["chromium", "firefox"])
def test_a_browsers_offer_gives_four_sources(offer: str) -> None:
    taken = [line for line in sdp.published(sdp.read(offer)) if line is not None]
    assert [(line.source, line.codec, line.rids) for line in taken] == [
        ("audio", "opus", ()), ("camera", "vp8", ("q", "h", "f")), ("screen", "vp8", ()), ("screen_audio", "opus", ()),
    ]  # fmt: skip
    screen = taken[2]
    assert len(screen.ssrcs) == 1 and screen.repairs == dict.fromkeys(screen.repairs, screen.ssrcs[0])


def test_the_answer_asks_for_layers_numbers_levels_and_sound_that_bears_loss() -> None:
    offer = sdp.read(SIMULCAST)
    text = sdp.answer(offer, sdp.published(offer), LOCAL)
    for line in ("a=ice-lite", "a=rid:q recv", "a=simulcast:recv q;h;f", "a=setup:passive", "a=rtcp-fb:96 transport-cc", "a=rtcp-mux"):
        assert line in text.split("\r\n")
    assert f"a=fmtp:111 {sdp.OPUS}" in text and "usedtx=1" in text and "useinbandfec=1" in text
    for uri in (sdp.MID, sdp.RID, sdp.REPAIRED_RID, sdp.LEVEL, sdp.TRANSPORT_WIDE, sdp.SEND_TIME):
        assert uri in text
    assert "tcptype passive" in text and "typ host" in text
    read = sdp.read(text)
    assert [media.mid for media in read.media] == [media.mid for media in offer.media]


def test_firefox_refuses_no_line_with_the_port_of_nothing_that_it_writes_for_bundled_ones() -> None:
    """All its lines but the first have port 0 and `bundle-only` (RFC 9143 section 6)."""
    assert FIREFOX_PLAIN.count("m=video 0 ") == 2 and FIREFOX_PLAIN.count("a=bundle-only") == 3
    offer = sdp.read(FIREFOX_PLAIN)
    taken = sdp.published(offer)
    assert [None if line is None else (line.mid, line.source, line.pt, line.repair_pt, line.rids) for line in taken] == [
        ("0", "audio", 109, None, ()), ("1", "camera", 120, 124, ()), ("2", "screen", 120, 124, ()), ("3", "screen_audio", 109, None, ()),
    ]  # fmt: skip
    text = sdp.answer(offer, taken, LOCAL)
    assert "a=group:BUNDLE 0 1 2 3\r\n" in text and " 0 UDP/TLS" not in text
    refused = sdp.read(FIREFOX_PLAIN.replace("a=bundle-only\r\n", ""))
    assert [line is None for line in sdp.published(refused)] == [False, True, True, True], "without the word a port of 0 is a refusal"


def test_firefox_names_its_layers_and_answers_every_slot() -> None:
    text = sdp.answer(offer := sdp.read(FIREFOX_SIMULCAST), sdp.published(offer), LOCAL)
    assert "a=simulcast:recv q;h;f" in text.split("\r\n")
    taken = sdp.accepted(sdp.read(FIREFOX_ANSWER), SLOTS)
    assert all(taken[slot.mid] for slot in SLOTS) and taken["a0"] == {"opus": (111, None)} and taken["v1"]["vp8"] == (96, 97)


def test_lines_that_are_not_forwarded_are_refused_in_their_place() -> None:
    data = PLAIN + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:9\r\na=sctp-port:5000\r\n"
    data = data.replace("a=group:BUNDLE 0 1 2 3", "a=group:BUNDLE 0 1 2 3 9")
    offer = sdp.read(data)
    text = sdp.answer(offer, sdp.published(offer), LOCAL)
    assert "m=application 0 UDP/DTLS/SCTP webrtc-datachannel" in text
    assert "a=group:BUNDLE 0 1 2 3\r\n" in text


def test_h264_is_taken_where_a_browser_has_nothing_better() -> None:
    without = PLAIN.replace("VP8/90000", "XX8/90000")
    taken = sdp.published(sdp.read(without))
    assert taken[1] is not None and taken[1].codec == "h264"
    assert sdp.read(without).media[1].parameters[taken[1].pt].endswith("profile-level-id=42e01f")


def test_a_browsers_answer_says_which_payload_types_it_takes() -> None:
    taken = sdp.accepted(sdp.read(ANSWER), SLOTS)
    assert taken["a0"] == {"opus": (111, None)}
    assert taken["v1"]["vp8"] == (96, 97)


def test_the_offer_of_slots_is_understood_by_its_own_reader() -> None:
    read = sdp.read(sdp.offer(SLOTS, LOCAL))
    assert [media.mid for media in read.media] == [slot.mid for slot in SLOTS]
    assert read.media[3].repairs == {SLOTS[3].repair_ssrc: SLOTS[3].ssrc}


def without(prefix: str) -> str:
    return "\r\n".join(line for line in PLAIN.split("\r\n") if not line.startswith(prefix))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "empty"),
        ("v=0\r\n", "no media"),
        (without("a=fingerprint"), "no fingerprint"),
        (without("a=ice-pwd"), "no password"),
        (without("a=setup"), "no DTLS role"),
        (without("a=group"), "no bundle"),
        (without("a=mid:1"), "a line without a mid"),
        (PLAIN.replace("a=mid:1", "a=mid:0"), "the same mid twice"),
        (PLAIN.replace("a=mid:1", "a=mid:a b"), "a mid that is no token"),
        (PLAIN.replace("m=video 9", "m=video nine", 1), "a port that is no number"),
        (PLAIN.replace("sha-256", "md5"), "a digest that proves nothing"),
        (PLAIN.replace("a=ice-ufrag:", "a=ice-ufrag: "), "a user with a space"),
    ],
)
def test_a_malformed_description_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(Malformed):
        sdp.read(text)
        pytest.fail(wrong)


@pytest.mark.parametrize("text", [PLAIN + "a=x\r\n" * 4_000, "a" * 70_000, PLAIN + "m=audio 0 X 0\r\na=mid:x\r\n" * 70])
def test_a_description_beyond_the_limits_is_too_large(text: str) -> None:
    with pytest.raises(TooLarge):
        sdp.read(text)


def test_an_answer_to_another_offer_is_refused() -> None:
    with pytest.raises(Malformed):
        sdp.accepted(sdp.read(ANSWER), SLOTS[:-1])
    with pytest.raises(Malformed):
        sdp.accepted(sdp.read(ANSWER.replace("a=setup:active", "a=setup:passive")), SLOTS)


@settings(max_examples=60)
@given(st.data())
def test_no_text_upsets_the_reader_of_descriptions(data: st.DataObject) -> None:
    lines = PLAIN.split("\r\n")
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at] = data.draw(
            st.sampled_from([lines[at][: len(lines[at]) // 2], lines[-1 - at], "a=" + data.draw(st.text(max_size=30)), ""])
        )
    try:
        read = sdp.read("\r\n".join(lines))
        sdp.answer(read, sdp.published(read), LOCAL)
    except Malformed:
        pass
