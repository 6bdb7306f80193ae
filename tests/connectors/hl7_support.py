"""HL7 messages that are right, and what to change in them."""

from base64 import b64encode
from pathlib import Path

from tests.connectors.sandbox_support import ADULT

GOLDEN = Path(__file__).parents[1] / "golden" / "hl7"
UNIT = "SE2321000016-A1"
PDF = b64encode(b"%PDF-1.7\nprov").decode()


def siu(trigger: str = "S12", control: str = "c1", charset: str = "UNICODE UTF-8", **changed: str) -> str:
    """A booking of an adult; `changed` replaces whole segments by name."""
    segments = {
        "MSH": rf"MSH|^~\&|TC|{UNIT}|HUB|REGION|20260302101500.5+0100||SIU^{trigger}^SIU_{trigger}|{control}|P|2.5||||||{charset}",
        "SCH": "SCH|p1|f1|||||KNA^Kontroll av knä \\T\\ höft|17^Återbesök|30|MIN|^^^202603091015^202603091045||||||||||||||Booked",
        "NTE": "NTE|1||Kom fastande",
        "PID": f"PID|1||9^^^LOK^PI~{ADULT}^^^&1.2.752.129.2.1.3.1&ISO^PNR||Testsson^Alva",
        "PV1": f"PV1|1|O|X1^^^{UNIT}^^^^^Ortopedmottagningen",
        "RGS": "RGS|1",
        "AIS": "AIS|1||99^Annat|202603091015",
        "AIP": "AIP|1||7^Prov^Doktor",
    } | changed
    return "\r".join(text for text in segments.values() if text) + "\r"


def mdm(control: str = "m1", **changed: str) -> str:
    segments = {
        "MSH": rf"MSH|^~\&|TC|{UNIT}|HUB|REGION|20260302101500+0100||MDM^T02^MDM_T02|{control}|P|2.5||||||UNICODE UTF-8",
        "EVN": "EVN|T02|20260302101500",
        "PID": f"PID|1||{ADULT}^^^^PNR",
        "PV1": f"PV1|1|O|X1^^^{UNIT}^^^^^Ortopedmottagningen",
        "TXA": "TXA|1|BREV^Brev med provsvar|AP|20260302100000||20260302095500||||||doc-77||||Provsvar",
        "OBX": f"OBX|1|ED|PDF^Provsvar.pdf||^application^pdf^Base64^{PDF}",
    } | changed
    return "\r".join(text for text in segments.values() if text) + "\r"


def fields(answer: bytes, name: str) -> list[str]:
    """The fields of a segment of an acknowledgement."""
    lines = [line for line in answer.decode("iso8859-1").split("\r") if line.startswith(name)]
    return lines[0].split("|") if lines else []
