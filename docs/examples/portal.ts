// Bookings for a portal as they now stand. node portal.ts 127.0.0.1:19094 var/secrets/kafka-portal
import { readFileSync } from "node:fs";
import { Kafka, logLevel } from "kafkajs";

const [broker, passwordFile] = process.argv.slice(2);
const sasl = { mechanism: "scram-sha-512" as const, username: "portal", password: readFileSync(passwordFile, "utf8").trim() };
const consumer = new Kafka({ brokers: [broker], sasl, ssl: false, logLevel: logLevel.ERROR }).consumer({ groupId: "portal.example-ts" });
const newest = new Map<string, number>(); // of each booking; keep it with your bookings
await consumer.connect();
await consumer.subscribe({ topic: "portal.bookings.v1", fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const [type, booking, sequence] = ["ce_type", "ce_subject", "ce_sequence"].map((name) => String(message.headers?.[name]));
    if (message.value === null || Number(sequence) <= (newest.get(booking) ?? 0)) return; // a tombstone, or it came before
    newest.set(booking, Number(sequence));
    const data = JSON.parse(message.value.toString());
    console.log(type, booking, data.status ?? "-", data.start ?? "-");
  },
});
