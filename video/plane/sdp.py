"""SDP (RFC 8866, RFC 8829) as far as browsers speak it to the bridge: their offers and answers read, ours written. Pure.

Two forms only. *Publish*: the browser offers; we answer with what a forwarding unit needs and a general library would leave out
(rid and simulcast, RFC 8853; transport-wide numbers; audio levels). *Subscribe*: we offer fixed slots; the browser answers.
All media lines share one transport (BUNDLE, RFC 9143) with rtcp-mux; candidates of the browser are not read (`stun`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from schemas.errors import Malformed, TooLarge
from video.plane.limits import MEDIA_LINES_MAX, SDP_BYTES_MAX, SDP_LINES_MAX
from video.plane.port import Source

Kind = Literal["audio", "video"]
Codec = Literal["opus", "vp8", "h264"]

MID: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID: Final = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID: Final = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
LEVEL: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
SEND_TIME: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_WIDE: Final = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
TAKEN: Final[Mapping[Kind, tuple[str, ...]]] = {
    "audio": (MID, LEVEL, SEND_TIME, TRANSPORT_WIDE),
    "video": (MID, RID, REPAIRED_RID, SEND_TIME, TRANSPORT_WIDE),
}
"""Not the video's orientation: without it a phone turns the picture itself."""

OUR_LEVEL_ID: Final = 1
OUR_TRANSPORT_WIDE_ID: Final = 5
OUR_PT: Final[Mapping[Codec, int]] = {"opus": 111, "vp8": 96, "h264": 102}
OUR_REPAIR_PT: Final[Mapping[Codec, int]] = {"vp8": 97, "h264": 103}
CODECS: Final[Mapping[Codec, str]] = {"opus": "opus/48000/2", "vp8": "VP8/90000", "h264": "H264/90000"}
CLOCK: Final[Mapping[Kind, int]] = {"audio": 48_000, "video": 90_000}
OPUS: Final = "minptime=10;usedtx=1;useinbandfec=1"  # silence costs next to nothing, and a lost packet is heard from the next
H264: Final = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
SOURCES: Final[Mapping[Kind, tuple[Source, ...]]] = {"audio": ("audio", "screen_audio"), "video": ("camera", "screen")}
"""What the first and the second media line of a kind is, in the order of the browser's offer."""

_MEDIA: Final = re.compile(r"(audio|video|application) (\d{1,5}) ([A-Z/]{1,32}) ([\w -]{1,400})", re.ASCII)
_TOKEN: Final = re.compile(r"[\w.+~!*-]{1,64}", re.ASCII)
_ICE: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")
_FINGERPRINT: Final = re.compile(r"(sha-(?:256|384|512)) ([0-9A-F]{2}(?::[0-9A-F]{2}){31,63})", re.IGNORECASE)
_EXTENSION: Final = re.compile(r"(\d{1,3})(?:/\w{8})? (\S{1,200})(?: .*)?", re.ASCII)
_MAP: Final = re.compile(r"(\d{1,3}) ([\w.-]{1,32}/\d{1,6}(?:/\d)?)", re.ASCII)
_PARAMETERS: Final = re.compile(r"(\d{1,3}) (\S.{0,400})", re.ASCII)
_SSRC: Final = re.compile(r"(\d{1,10}) .{0,300}", re.ASCII)
_GROUP: Final = re.compile(r"FID (\d{1,10}) (\d{1,10})", re.ASCII)


@dataclass(slots=True)
class Media:
    """One media line of a browser."""

    kind: str
    mid: str = ""
    port: int = 9
    direction: str = "sendrecv"
    formats: tuple[int, ...] = ()
    codecs: dict[int, str] = field(default_factory=dict)
    parameters: dict[int, str] = field(default_factory=dict)
    extensions: dict[str, int] = field(default_factory=dict)
    rids: tuple[str, ...] = ()
    """Of `a=simulcast:send`, lowest first."""
    ssrcs: tuple[int, ...] = ()
    repairs: dict[int, int] = field(default_factory=dict)
    """Repair SSRC to the one it repairs."""

    def pt(self, codec: Codec) -> int | None:
        """The payload type of a codec that we forward, with the packetization that we can read."""
        for number in self.formats:
            if self.codecs.get(number, "").lower() != CODECS[codec].lower():
                continue
            given = self.parameters.get(number, "").lower().replace(" ", "").split(";")
            level = next((text for text in given if text.startswith("profile-level-id=")), "")
            if codec != "h264" or ("packetization-mode=1" in given and level.startswith("profile-level-id=42e0")):
                return number
        return None

    def repair_pt(self, pt: int) -> int | None:
        """The retransmission payload type (RFC 4588) of another."""
        for number in self.formats:
            if self.codecs.get(number, "").lower() == "rtx/90000" and self.parameters.get(number, "").replace(" ", "") == f"apt={pt}":
                return number
        return None


@dataclass(frozen=True, slots=True)
class Remote:
    """A browser's description."""

    ufrag: str
    password: str
    fingerprints: tuple[tuple[str, str], ...]
    setup: str
    media: tuple[Media, ...]


@dataclass(frozen=True, slots=True)
class Local:
    """What our descriptions say of the transport."""

    ufrag: str
    password: str
    fingerprint: str
    candidates: tuple[str, ...]
    session: int
    version: int = 1


@dataclass(frozen=True, slots=True)
class Published:
    """A media line that we take."""

    mid: str
    kind: Kind
    source: Source
    codec: Codec
    pt: int
    repair_pt: int | None
    extensions: Mapping[str, int]
    rids: tuple[str, ...]
    ssrcs: tuple[int, ...]
    repairs: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Offered:
    """A slot of our offer."""

    mid: str
    kind: Kind
    ssrc: int
    repair_ssrc: int


def read(text: str) -> Remote:
    """A browser's offer or answer. Raises `Malformed`, and `TooLarge` beyond the limits; neither quotes the text."""
    if len(text) > SDP_BYTES_MAX or text.count("\n") > SDP_LINES_MAX:
        raise TooLarge([("/sdp", "is longer than a browser's")])
    ice: dict[str, str] = {}
    fingerprints: list[tuple[str, str]] = []
    media: list[Media] = []
    bundled: list[str] | None = None
    for line in text.splitlines():
        if line.startswith("m="):
            media.append(_media_line(line[2:]))
            if len(media) > MEDIA_LINES_MAX:
                raise TooLarge([("/sdp", "has too many media lines")])
            continue
        if not line.startswith("a="):
            continue
        name, _, value = line[2:].partition(":")
        if name in ("ice-ufrag", "ice-pwd", "setup"):
            if name != "setup" and not _ICE.fullmatch(value):
                raise _wrong("has no right " + name)
            ice.setdefault(name, value)  # one transport: the first media line's counts (RFC 9143 section 7.3.3)
        elif name == "fingerprint":
            if (found := _FINGERPRINT.fullmatch(value)) and (entry := (found[1].lower(), found[2].upper())) not in fingerprints:
                fingerprints.append(entry)
        elif name == "group" and not media and value.startswith("BUNDLE"):
            bundled = value.split()[1:]
        elif media:
            _attribute(media[-1], name, value)
    used = [each for each in media if each.port]
    if bundled is None or not media or any(each.mid not in bundled for each in used):
        raise _wrong("does not bundle its media on one transport")
    if len({each.mid for each in media}) != len(media) or not all(each.mid for each in media):
        raise _wrong("has media lines without a mid of their own")
    if not {"ice-ufrag", "ice-pwd", "setup"} <= ice.keys():
        raise _wrong("has no ICE credentials or no DTLS role")
    if not 1 <= len(fingerprints) <= 4:
        raise _wrong("has no certificate fingerprint that is taken")
    return Remote(ice["ice-ufrag"], ice["ice-pwd"], tuple(fingerprints), ice["setup"], tuple(media))


def _wrong(reason: str) -> Malformed:
    return Malformed([("/sdp", reason)])


def _media_line(value: str) -> Media:
    found = _MEDIA.fullmatch(value.strip())
    if found is None:
        raise _wrong("has a media line that is not understood")
    formats = () if found[1] == "application" else tuple(int(each) for each in found[4].split() if each.isdigit() and int(each) < 128)
    return Media(found[1], port=int(found[2]), formats=formats)


def _attribute(media: Media, name: str, value: str) -> None:
    if name == "mid":
        if not _TOKEN.fullmatch(value):
            raise _wrong("has a mid that is no token")
        media.mid = value
    elif name in ("sendrecv", "sendonly", "recvonly", "inactive"):
        media.direction = name
    elif name == "bundle-only":  # a port of 0 is then no refusal (RFC 9143 section 6): Firefox writes all but the first line so
        media.port = media.port or 9
    elif name == "rtpmap" and (found := _MAP.fullmatch(value)):
        media.codecs[int(found[1])] = found[2]
    elif name == "fmtp" and (found := _PARAMETERS.fullmatch(value)):
        media.parameters[int(found[1])] = found[2]
    elif name == "extmap" and (found := _EXTENSION.fullmatch(value)):
        if 1 <= int(found[1]) <= 255 and int(found[1]) != 15:
            media.extensions.setdefault(found[2], int(found[1]))
    elif name == "simulcast":
        words = value.split()
        if "send" in words[:-1:2]:
            alternatives = words[words.index("send") + 1].replace("~", "").split(";")
            media.rids = tuple(each for each in alternatives if _TOKEN.fullmatch(each))[:3]
    elif name == "ssrc" and (found := _SSRC.fullmatch(value)):
        if int(found[1]) not in media.ssrcs and len(media.ssrcs) < 8:
            media.ssrcs += (int(found[1]),)
    elif name == "ssrc-group" and (found := _GROUP.fullmatch(value)) and len(media.repairs) < 8:
        media.repairs[int(found[2])] = int(found[1])


def published(offer: Remote) -> tuple[Published | None, ...]:
    """What we take of each media line: two of sound and two of picture, in a codec that we forward."""
    counts: dict[str, int] = {"audio": 0, "video": 0}
    lines: list[Published | None] = []
    for media in offer.media:
        lines.append(None)
        if media.kind not in counts or not media.port or media.direction not in ("sendrecv", "sendonly"):
            continue
        kind: Kind = "audio" if media.kind == "audio" else "video"
        number = counts[kind]
        choices: tuple[Codec, ...] = ("opus",) if kind == "audio" else ("vp8", "h264")
        codec = next((each for each in choices if media.pt(each) is not None), None)
        if codec is None or number >= len(SOURCES[kind]):
            continue
        counts[kind] += 1
        pt = media.pt(codec)
        assert pt is not None
        repair = media.repair_pt(pt) if kind == "video" else None
        taken = {uri: media.extensions[uri] for uri in TAKEN[kind] if uri in media.extensions}
        rids = media.rids if kind == "video" and RID in taken and MID in taken else ()
        ssrcs = tuple(each for each in media.ssrcs if each not in media.repairs)
        lines[-1] = Published(media.mid, kind, SOURCES[kind][number], codec, pt, repair, taken, rids, ssrcs, dict(media.repairs))
    return tuple(lines)


def answer(offer: Remote, taken: Sequence[Published | None], local: Local) -> str:
    """Our answer to a publish offer: receive only, DTLS server (so that GCM is chosen), ICE lite."""
    bundle = [each.mid for each in taken if each is not None]
    lines = _session(local, bundle)
    for media, line in zip(offer.media, taken, strict=True):
        if line is None:
            protocol = "UDP/DTLS/SCTP" if media.kind == "application" else "UDP/TLS/RTP/SAVPF"
            formats = "webrtc-datachannel" if media.kind == "application" else str(next(iter(media.formats), 0))
            lines += [f"m={media.kind} 0 {protocol} {formats}", "c=IN IP4 0.0.0.0", f"a=mid:{media.mid}", "a=inactive"]
            continue
        formats = f"{line.pt}" if line.repair_pt is None else f"{line.pt} {line.repair_pt}"
        lines += [f"m={line.kind} 9 UDP/TLS/RTP/SAVPF {formats}", *_transport(local, "passive"), f"a=mid:{line.mid}", "a=recvonly"]
        lines += [f"a=extmap:{number} {uri}" for uri, number in line.extensions.items()]
        lines += _codec(line.codec, line.pt, line.repair_pt)
        if line.rids:
            lines += [f"a=rid:{rid} recv" for rid in line.rids] + [f"a=simulcast:recv {';'.join(line.rids)}"]
    return "\r\n".join(lines) + "\r\n"


def offer(slots: Sequence[Offered], local: Local) -> str:
    """Our subscribe offer: fixed slots, send only; the browser is DTLS client."""
    lines = _session(local, [slot.mid for slot in slots])
    for slot in slots:
        codecs: tuple[Codec, ...] = ("opus",) if slot.kind == "audio" else ("vp8", "h264")
        formats = [str(pt) for codec in codecs for pt in (OUR_PT[codec], OUR_REPAIR_PT.get(codec)) if pt is not None]
        lines += [f"m={slot.kind} 9 UDP/TLS/RTP/SAVPF {' '.join(formats)}", *_transport(local, "actpass"), f"a=mid:{slot.mid}"]
        lines += ["a=sendonly", f"a=msid:slot-{slot.mid} track-{slot.mid}", f"a=extmap:{OUR_TRANSPORT_WIDE_ID} {TRANSPORT_WIDE}"]
        if slot.kind == "audio":
            lines.append(f"a=extmap:{OUR_LEVEL_ID} {LEVEL}")
        for codec in codecs:
            lines += _codec(codec, OUR_PT[codec], OUR_REPAIR_PT.get(codec))
        if slot.kind == "video":
            lines.append(f"a=ssrc-group:FID {slot.ssrc} {slot.repair_ssrc}")
            lines.append(f"a=ssrc:{slot.ssrc} cname:bridge")
            lines.append(f"a=ssrc:{slot.repair_ssrc} cname:bridge")
        else:
            lines.append(f"a=ssrc:{slot.ssrc} cname:bridge")
    return "\r\n".join(lines) + "\r\n"


def accepted(answer: Remote, slots: Sequence[Offered]) -> dict[str, dict[Codec, tuple[int, int | None]]]:
    """By mid: the payload types (and of their repairs) of each codec that the browser takes. Raises `Malformed`."""
    if [each.mid for each in answer.media] != [slot.mid for slot in slots]:
        raise _wrong("does not answer the media lines of the offer")
    if answer.setup != "active":
        raise _wrong("does not take the role of DTLS client")
    found: dict[str, dict[Codec, tuple[int, int | None]]] = {}
    for media, slot in zip(answer.media, slots, strict=True):
        found[slot.mid] = {}
        if not media.port or media.direction not in ("recvonly", "sendrecv"):
            continue
        choices: tuple[Codec, ...] = ("opus",) if slot.kind == "audio" else ("vp8", "h264")
        for codec in choices:
            if (pt := media.pt(codec)) is not None:
                found[slot.mid][codec] = (pt, media.repair_pt(pt))
    return found


def _session(local: Local, bundle: Sequence[str]) -> list[str]:
    return [
        "v=0", f"o=- {local.session} {local.version} IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {' '.join(bundle)}",
        "a=ice-lite", "a=msid-semantic: WMS *",
    ]  # fmt: skip


def _transport(local: Local, setup: str) -> list[str]:
    return [
        "c=IN IP4 0.0.0.0", "a=rtcp-mux", "a=rtcp-rsize", f"a=ice-ufrag:{local.ufrag}", f"a=ice-pwd:{local.password}",
        *(f"a=candidate:{each}" for each in local.candidates), "a=end-of-candidates", f"a=fingerprint:sha-256 {local.fingerprint}",
        f"a=setup:{setup}",
    ]  # fmt: skip


def _codec(codec: Codec, pt: int, repair_pt: int | None) -> list[str]:
    lines = [f"a=rtpmap:{pt} {CODECS[codec]}", f"a=rtcp-fb:{pt} transport-cc"]
    if codec == "opus":
        return [*lines, f"a=fmtp:{pt} {OPUS}"]
    lines += [f"a=rtcp-fb:{pt} {each}" for each in ("ccm fir", "nack", "nack pli")]
    if codec == "h264":
        lines.append(f"a=fmtp:{pt} {H264}")
    if repair_pt is not None:
        lines += [f"a=rtpmap:{repair_pt} rtx/90000", f"a=fmtp:{repair_pt} apt={pt}"]
    return lines


def candidates(ip: str, port: int, *, udp: bool, tcp: bool) -> tuple[str, ...]:
    """Ours: UDP before passive TCP (RFC 6544), both on one port number."""
    found = []
    if udp:
        found.append(f"1 1 udp 2130706431 {ip} {port} typ host")
    if tcp:
        found.append(f"2 1 tcp 1671430143 {ip} {port} typ host tcptype passive")
    return tuple(found)
