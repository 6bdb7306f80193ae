"""Bookings for a portal as they now stand. python portal.py 127.0.0.1:19094 var/secrets/kafka-portal"""
import asyncio, json, sys  # noqa: E401
from pathlib import Path
from aiokafka import AIOKafkaConsumer

async def main(broker: str, password_file: str) -> None:
    newest: dict[str, int] = {}  # of each booking; keep it with your bookings
    async with AIOKafkaConsumer("portal.bookings.v1", bootstrap_servers=broker, group_id="portal.example", auto_offset_reset="earliest",
            security_protocol="SASL_PLAINTEXT", sasl_mechanism="SCRAM-SHA-512", sasl_plain_username="portal",
            sasl_plain_password=Path(password_file).read_text().strip()) as consumer:
        async for record in consumer:
            headers = {name: value.decode() for name, value in record.headers}
            booking = headers["ce_subject"]
            if record.value is not None and int(headers["ce_sequence"]) > newest.get(booking, 0):  # else it came before
                newest[booking] = int(headers["ce_sequence"])
                data = json.loads(record.value)
                print(headers["ce_type"], booking, data.get("status", "-"), data.get("start", "-"), flush=True)

asyncio.run(main(*sys.argv[1:]))
