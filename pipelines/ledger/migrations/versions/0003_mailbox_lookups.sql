-- R9: what is asked of the mailbox operators about somebody, with its retry time, and when they last told everything. One row a person
-- who was ever asked about; decisions wait for `wanted_at` (rules/mailboxes.py: not long), the connector works what is due.
CREATE TABLE reachings (
    person      uuid PRIMARY KEY,
    wanted_at   timestamptz,               -- a document waits for the answers since then
    due_at      timestamptz,               -- when the connector asks (again); null: it has nothing to ask
    attempts    integer NOT NULL DEFAULT 0,
    asked_at    timestamptz,               -- the time of asking, which is the answers' as_of
    operators   smallint[] NOT NULL DEFAULT '{}',  -- whose answers are on their way through Kafka
    complete    boolean NOT NULL DEFAULT true,     -- they are all there are; else a path was silent
    told_at     timestamptz,               -- the time of asking of the last complete answer
    silent_at   timestamptz
);
CREATE INDEX reachings_due ON reachings (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX reachings_wanted ON reachings (wanted_at) WHERE wanted_at IS NOT NULL;

-- W3C traceparents of documents that are held for facts before their first decision.
CREATE TABLE held_traces (
    doc         uuid PRIMARY KEY,
    trace       text NOT NULL
);
