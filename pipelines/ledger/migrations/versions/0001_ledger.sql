-- The ledger's first shape. Why it is slim (uuid keys, deadlines as a column with a partial index, traces as bytes, bodies outside
-- the hot rows): notes in docs/spine.md, measured +55 % against wide tables. All times are the hub's clock, in UTC.
-- Every key that ends in a person is the HMAC of the person id (schemas.cloudevents.PersonKeys), never the number itself.

CREATE TABLE inbox (                       -- one event, however often it comes: blake2b-128 of (ce_source, ce_id)
    event       uuid PRIMARY KEY,
    at          timestamptz NOT NULL
);
CREATE INDEX inbox_at ON inbox USING brin (at);

-- People -------------------------------------------------------------------------------------------------------------------

CREATE TABLE persons (                     -- P1-P4, P8; a row without confirmed_at is somebody no register has confirmed
    person      uuid PRIMARY KEY,
    pid         text NOT NULL,
    name        text,
    born        date,
    protection  smallint NOT NULL DEFAULT 0,   -- as the register says of this number
    inherited   smallint NOT NULL DEFAULT 0,   -- the strongest protection of an old or linked number (P8)
    deceased    date,
    emigrated   boolean NOT NULL DEFAULT false,
    address     bytea,
    as_of       timestamptz,
    confirmed_at timestamptz,
    silent_at   timestamptz                    -- the register was asked and did not answer, since when
);

CREATE TABLE aliases (                     -- P2, P4: an old or linked number and the one it is handled as
    old         uuid PRIMARY KEY,
    current     uuid NOT NULL
);
CREATE INDEX aliases_current ON aliases (current);

CREATE TABLE accounts (                    -- P5, P6
    person      uuid PRIMARY KEY,
    state       smallint NOT NULL,
    phone       text,
    by_id       text,
    by_role     text,
    changed_at  timestamptz NOT NULL,
    as_of       timestamptz NOT NULL
);

CREATE TABLE agents (                      -- P7: who may act for the patient
    patient     uuid NOT NULL,
    agent       uuid NOT NULL,
    relation    smallint NOT NULL,
    state       smallint NOT NULL,
    until       date,
    as_of       timestamptz NOT NULL,
    PRIMARY KEY (patient, agent, relation)
);
CREATE INDEX agents_agent ON agents (agent);

CREATE TABLE mailboxes (                   -- R9: what an operator answers for one sender number
    person      uuid NOT NULL,
    sender      text NOT NULL,
    operator    smallint NOT NULL,
    accepts     boolean NOT NULL,
    as_of       timestamptz NOT NULL,
    PRIMARY KEY (person, sender, operator)
);

CREATE TABLE lookups (                     -- P8: register news that somebody waits for, with its retry as a row
    person      uuid PRIMARY KEY,
    pid         text NOT NULL,
    wanted_at   timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    attempts    integer NOT NULL DEFAULT 0,
    asked_at    timestamptz
);
CREATE INDEX lookups_due ON lookups (due_at);

-- Documents ----------------------------------------------------------------------------------------------------------------

CREATE TABLE contents (                    -- bodies and attachments, once by SHA-256 of what is stored
    sha         bytea PRIMARY KEY,
    data        bytea NOT NULL,
    at          timestamptz NOT NULL
);
ALTER TABLE contents ALTER COLUMN data SET STORAGE EXTENDED;

CREATE TABLE documents (
    doc         uuid PRIMARY KEY,          -- UUIDv5 of document_id
    document_id text NOT NULL,
    person      uuid NOT NULL,
    unit        text NOT NULL,
    digest      uuid NOT NULL,             -- of the submission: the same id with another digest is a conflict
    content     bytea,                     -- contents.sha; null for what is recorded without its content (C4)
    booking     uuid,
    sent        timestamptz NOT NULL,
    count_from  timestamptz NOT NULL,
    deadline    timestamptz,
    due_at      timestamptz,               -- when the timer decides again; null: nothing can change by itself
    app_since   timestamptz,
    app_until   timestamptz,
    changed     integer NOT NULL DEFAULT 0,-- counts decisions; the CloudEvents sequence of what is published of it
    size        integer NOT NULL,
    kind        smallint NOT NULL,
    source      smallint NOT NULL,
    e_brev      boolean NOT NULL,
    code        smallint NOT NULL,
    attachments smallint NOT NULL,         -- verdict of C5
    files       smallint NOT NULL,         -- how many attachments
    app         smallint NOT NULL DEFAULT 0,
    mailbox     smallint NOT NULL DEFAULT 0,
    operator    smallint,
    print       smallint NOT NULL DEFAULT 0,
    settled     smallint NOT NULL DEFAULT 0,
    manual      boolean NOT NULL DEFAULT false,
    relay       boolean NOT NULL DEFAULT false,
    open        boolean NOT NULL,          -- may still be decided again (R15)
    reason      text,
    rule        text NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX documents_sent ON documents USING brin (sent);
CREATE INDEX documents_due ON documents (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX documents_person ON documents (person) WHERE open;
CREATE INDEX documents_booking ON documents (booking) WHERE booking IS NOT NULL AND open;

CREATE TABLE attachments (                 -- which document an attachment belongs to (who may read it)
    doc         uuid NOT NULL,
    sha         bytea NOT NULL,
    PRIMARY KEY (doc, sha)
);
CREATE INDEX attachments_sha ON attachments (sha);

CREATE TABLE recipients (                  -- agents who were given the app copy (R7, P7), with the time in which it counts
    doc         uuid NOT NULL,
    person      uuid NOT NULL,
    role        smallint NOT NULL,
    since       timestamptz NOT NULL,
    until       timestamptz,
    PRIMARY KEY (doc, person)
);

CREATE TABLE deliveries (
    delivery    uuid PRIMARY KEY,          -- UUIDv5 of document, channel and operator
    doc         uuid NOT NULL,
    channel     smallint NOT NULL,
    operator    smallint NOT NULL,
    state       smallint NOT NULL,
    requested_at timestamptz NOT NULL,
    answered_at timestamptz,
    code        text
);
CREATE INDEX deliveries_doc ON deliveries (doc);

CREATE TABLE print_entries (
    entry       uuid PRIMARY KEY,          -- UUIDv5 of the document
    doc         uuid NOT NULL,
    unit        text NOT NULL,
    kind        smallint NOT NULL,
    reason      text NOT NULL,
    entered     timestamptz NOT NULL,
    state       smallint NOT NULL,
    attachments smallint NOT NULL,
    urgent      boolean NOT NULL,
    manual      boolean NOT NULL,
    relay       boolean NOT NULL,
    booking_state text,
    outcome     text,
    closed_at   timestamptz,
    by_id       text,
    escalated_at timestamptz               -- R3: nobody with the permission opened it in the set time
);
CREATE INDEX print_entries_unit ON print_entries (unit, state, entered);

-- Bookings and rooms -------------------------------------------------------------------------------------------------------

CREATE TABLE bookings (
    booking     uuid PRIMARY KEY,          -- UUIDv5 of booking_id
    booking_id  text NOT NULL,
    person      uuid NOT NULL,
    unit        text NOT NULL,
    digest      uuid NOT NULL,
    version     bigint NOT NULL,           -- the source's number, or updated_at in microseconds (B6)
    status      smallint NOT NULL,
    start       timestamptz NOT NULL,
    minutes     integer NOT NULL,
    time_type   text NOT NULL,
    resource    text NOT NULL,
    hidden      boolean NOT NULL,
    video       smallint NOT NULL,
    blocked     boolean NOT NULL,
    till_at     timestamptz,
    video_since timestamptz,
    rebooked_at timestamptz,                      -- when the start last moved (C7)
    shown_app   boolean NOT NULL DEFAULT false,
    shown_portal boolean NOT NULL DEFAULT false,
    notified    boolean NOT NULL DEFAULT false,
    reminded    boolean NOT NULL DEFAULT false,
    wanted      boolean NOT NULL DEFAULT false,   -- wants its room (V1, V5)
    dropped     boolean NOT NULL DEFAULT false,   -- B1: nothing of the content is kept
    room        uuid,
    due_at      timestamptz,
    changed     integer NOT NULL DEFAULT 0,
    content     bytea                             -- names and texts as they are shown
);
CREATE INDEX bookings_due ON bookings (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX bookings_person ON bookings (person);
CREATE INDEX bookings_room ON bookings (room) WHERE room IS NOT NULL;
CREATE INDEX bookings_time_type ON bookings (unit, time_type);
CREATE INDEX bookings_unit_start ON bookings (unit, start);

CREATE TABLE time_types (                  -- B2, V5: a setting that may change
    unit        text NOT NULL,
    time_type   text NOT NULL,
    hidden      boolean NOT NULL,
    video       smallint NOT NULL,
    as_of       timestamptz NOT NULL,
    PRIMARY KEY (unit, time_type)
);

CREATE TABLE rooms (
    room        uuid PRIMARY KEY,
    kind        smallint NOT NULL,
    state       smallint NOT NULL,
    unit        text NOT NULL,
    resource    text NOT NULL,
    partition_by text NOT NULL,            -- the opaque key of the first booking's person: one room, one partition
    active_at   timestamptz NOT NULL,
    opens_at    timestamptz NOT NULL,
    closes_at   timestamptz NOT NULL,
    opened_at   timestamptz,
    due_at      timestamptz,
    changed     integer NOT NULL DEFAULT 0,
    reason      text
);
CREATE INDEX rooms_due ON rooms (due_at) WHERE due_at IS NOT NULL;

-- What was decided and what must still be said -----------------------------------------------------------------------------

CREATE TABLE decisions (
    decision    uuid PRIMARY KEY,          -- UUIDv5 of subject and its `changed` count: a subject's decisions are found without an index
    subject     uuid NOT NULL,
    at          timestamptz NOT NULL,
    kind        smallint NOT NULL,         -- 1 document, 2 booking, 3 room
    facts       bytea NOT NULL,            -- frozen facts: the same rules give the same decision (pipelines.rules.replay)
    event       bytea NOT NULL             -- decision.made.v1 with the trace, as published
);
CREATE INDEX decisions_at ON decisions USING brin (at);

CREATE TABLE outbox (                      -- one row a transaction: the very bytes to publish, until Kafka has them
    batch       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slot        text NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    data        bytea NOT NULL
);

CREATE TABLE dead_letters (
    letter      uuid PRIMARY KEY,          -- UUIDv5 of topic, partition, offset
    at          timestamptz NOT NULL,      -- wall time: the limit per minute counts real minutes
    topic       text NOT NULL,
    partition   integer NOT NULL,
    "offset"    bigint NOT NULL,
    class       text NOT NULL,
    cause       text NOT NULL,
    state       smallint NOT NULL DEFAULT 0,   -- 0 open, 1 replayed, 2 discarded
    data        bytea NOT NULL             -- key, headers and value, encrypted with the hub's key
);
CREATE INDEX dead_letters_at ON dead_letters (at);
