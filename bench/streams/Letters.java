import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.LocalDate;
import java.time.Period;
import java.time.ZoneId;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The bench's work as a Kafka Streams program would do it: at least once, two threads, state in RocksDB with changelogs.
 *
 * Dedupe by (ce_source, ce_id), conflict by document id and digest, the person's facts from a store, the rules of this mix,
 * the deadline kept as state, and the same records out as the hub's, in number and size. It keeps no bodies and writes no
 * ledger that can be asked.
 */
public final class Letters {
    static final ObjectMapper JSON = new ObjectMapper();
    static final ZoneId STOCKHOLM = ZoneId.of("Europe/Stockholm");
    static final String[] RULES = {"R1", "P8", "R2", "R3", "R4", "R5", "R6", "C10", "R7", "R8", "R9"};
    static final Map<String, String> TOPICS = Map.of(
        "document.delivered.v1", "app.documents.v1", "delivery.requested.v1", "mailbox.deliveries.v1",
        "notification.requested.v1", "notifications.v1", "decision.made.v1", "decisions.v1");

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0], directory = arguments[1], documents = arguments[2], facts = arguments[3];
        Topology topology = new Topology();
        topology.addSource("facts", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(), facts);
        topology.addSource("documents", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(), documents);
        topology.addProcessor("know", Know::new, "facts");
        topology.addProcessor("decide", Decide::new, "documents");
        for (String store : new String[] {"people", "events", "letters", "deadlines"}) {
            String[] users = store.equals("people") ? new String[] {"know", "decide"} : new String[] {"decide"};
            topology.addStateStore(
                Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(store), Serdes.String(), Serdes.ByteArray()), users);
        }
        TOPICS.forEach((type, topic) ->
            topology.addSink(type, topic, Serdes.String().serializer(), Serdes.ByteArray().serializer(), "decide"));
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "bench-streams");
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, directory);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        settings.put("consumer.auto.offset.reset", "earliest");
        settings.put("consumer.session.timeout.ms", "20000");
        settings.put("producer.acks", "all");
        settings.put("producer.linger.ms", "5");
        settings.put("producer.batch.size", "262144");
        KafkaStreams streams = new KafkaStreams(topology, settings);
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING) {
                System.out.println("ready");
                System.out.flush();
            }
        });
        streams.setUncaughtExceptionHandler(fault -> {
            fault.printStackTrace();
            Runtime.getRuntime().halt(70);
            return null;
        });
        streams.start();
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        Thread.currentThread().join();
    }

    /** Facts in: what the register, the app and the mailboxes say of a person. */
    static final class Know implements Processor<String, byte[], String, byte[]> {
        private KeyValueStore<String, byte[]> people;

        @Override public void init(ProcessorContext<String, byte[]> context) {
            people = context.getStateStore("people");
        }

        @Override public void process(Record<String, byte[]> record) {
            people.put(record.key(), record.value());
        }
    }

    static final class Decide implements Processor<String, byte[], String, byte[]> {
        private ProcessorContext<String, byte[]> context;
        private KeyValueStore<String, byte[]> people, events, letters, deadlines;
        private MessageDigest sha;

        @Override public void init(ProcessorContext<String, byte[]> given) {
            context = given;
            people = given.getStateStore("people");
            events = given.getStateStore("events");
            letters = given.getStateStore("letters");
            deadlines = given.getStateStore("deadlines");
            try {
                sha = MessageDigest.getInstance("SHA-256");
            } catch (Exception impossible) {
                throw new IllegalStateException(impossible);
            }
        }

        @Override public void process(Record<String, byte[]> record) {
            try {
                decide(record);
            } catch (java.io.IOException fault) {
                throw new IllegalStateException(fault);
            }
        }

        private void decide(Record<String, byte[]> record) throws java.io.IOException {
            String event = text(record.headers(), "ce_source") + "\0" + text(record.headers(), "ce_id");
            Instant now = Instant.now(), sent = Instant.ofEpochMilli(record.timestamp());
            if (events.putIfAbsent(event, now.toString().getBytes(StandardCharsets.UTF_8)) != null) {
                return;
            }
            JsonNode data = JSON.readTree(record.value());
            String id = data.path("document_id").asText(), kind = data.path("kind").asText();
            String patient = data.path("patient").asText(), unit = data.path("unit").asText();
            byte[] digest = sha.digest(record.value());
            byte[] known = letters.get(id);
            if (known != null) {
                if (!java.util.Arrays.equals(java.util.Arrays.copyOf(known, 32), digest)) {
                    throw new IllegalStateException("a conflict");
                }
                return;
            }
            byte[] found = people.get(record.key());
            if (found == null) {
                throw new IllegalStateException("nobody known");
            }
            JsonNode person = JSON.readTree(found);
            LocalDate born = LocalDate.of(
                Integer.parseInt(patient.substring(0, 4)), Integer.parseInt(patient.substring(4, 6)),
                Integer.parseInt(patient.substring(6, 8)));
            int age = Period.between(born, sent.atZone(STOCKHOLM).toLocalDate()).getYears();
            boolean right = kind.equals("kallelse") || data.path("footer").asText().contains("[4US:LPAT]");
            if (age < 18 || !right || data.path("attachments").size() > 0) {
                throw new IllegalStateException("not of this bench");
            }
            boolean app = person.path("account").asBoolean(), mailbox = person.path("mailbox").asBoolean();
            Instant deadline = sent.plusSeconds(48 * 3600);
            byte[] state = java.util.Arrays.copyOf(digest, 34);
            state[32] = (byte) (app ? 1 : 0);
            state[33] = (byte) (mailbox ? 1 : 0);
            letters.put(id, state);
            deadlines.put(deadline + "/" + id, record.key().getBytes(StandardCharsets.UTF_8));
            if (app) {
                ObjectNode out = JSON.createObjectNode();
                out.put("document_id", id).put("kind", kind).put("patient", patient).put("unit", unit);
                out.put("unit_name", data.path("unit_name").asText()).put("title", data.path("title").asText());
                out.put("body", data.path("body").asText()).put("body_format", data.path("body_format").asText());
                out.put("footer", data.path("footer").asText());
                out.putArray("links");
                out.putArray("attachments");
                out.put("sent", sent.toString());
                out.putArray("recipients").addObject().put("id", patient).put("role", "resident");
                say(record, "document.delivered.v1", id, now, out);
            }
            if (mailbox) {
                ObjectNode out = JSON.createObjectNode();
                out.put("delivery_id", name("delivery", id)).put("document_id", id).put("patient", patient);
                out.put("channel", "kivra").put("operator", "kivra").put("kind", kind);
                out.put("title", data.path("title").asText()).put("unit", unit).put("unit_name", data.path("unit_name").asText());
                say(record, "delivery.requested.v1", id, now, out);
            }
            if (app && person.path("phone").asBoolean()) {
                ObjectNode out = JSON.createObjectNode();
                out.put("notification_id", name("notification", id)).put("recipient", patient).put("channel", "sms");
                out.put("kind", "document").put("template", "document").put("about", id).put("not_after", deadline.toString());
                say(record, "notification.requested.v1", id, now, out);
            }
            ObjectNode out = JSON.createObjectNode();
            out.put("decision_id", name("decision", id)).put("subject", "document").put("subject_id", id).put("unit", unit);
            out.put("trigger", "arrival").put("rule", "R9");
            ArrayNode channels = out.putArray("channels");
            if (app) {
                channels.add("app");
            }
            if (mailbox) {
                channels.add("mailbox");
            }
            out.put("outcome", "deliver");
            ArrayNode trace = out.putArray("trace");
            for (String rule : RULES) {
                ObjectNode step = trace.addObject().put("rule", rule).put("applied", rule.equals("R9"));
                step.put("because", "This rule was asked and answered, in a sentence so long.");
                ObjectNode facts = step.putObject("facts");
                if (rule.equals("R9")) {
                    facts.put("age", age).put("account", app ? "active" : "none").put("mailbox", mailbox ? "kivra" : "none");
                } else {
                    facts.put("verdict", "right");
                }
            }
            out.put("config_version", "0123456789abcdef").put("kind", kind).put("deadline", deadline.toString());
            say(record, "decision.made.v1", id, now, out);
        }

        private void say(Record<String, byte[]> cause, String type, String subject, Instant now, ObjectNode data)
                throws java.io.IOException {
            Headers headers = new RecordHeaders();
            put(headers, "ce_id", name(type, subject));
            put(headers, "ce_time", now.toString());
            put(headers, "ce_specversion", "1.0");
            put(headers, "ce_type", type);
            put(headers, "ce_source", "urn:care-hub:pipelines");
            put(headers, "ce_dataschema", "urn:care-hub:schema:" + type);
            put(headers, "content-type", "application/json");
            put(headers, "ce_subject", subject);
            put(headers, "ce_sequence", "00000000000000000001");
            context.forward(new Record<>(cause.key(), JSON.writeValueAsBytes(data), cause.timestamp(), headers), type);
        }

        private static void put(Headers headers, String name, String value) {
            headers.add(name, value.getBytes(StandardCharsets.UTF_8));
        }

        private static String name(String kind, String id) {
            return UUID.nameUUIDFromBytes((kind + "\u001f" + id).getBytes(StandardCharsets.UTF_8)).toString();
        }

        private static String text(Headers headers, String name) {
            return new String(headers.lastHeader(name).value(), StandardCharsets.UTF_8);
        }
    }
}
