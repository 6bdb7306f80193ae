-- Sends: what is carried to a peer (a mailbox delivery or a text), how far it has come (pipelines.rules.sending), and each try.
-- One row a delivery or notification, by the id that its request has: the same request again finds it there (ON CONFLICT DO NOTHING).
-- Numbers of states, channels and operators are those of the code's tables and never change their meaning.

CREATE TABLE sends (
    send        uuid PRIMARY KEY,          -- delivery_id or notification_id
    person      uuid NOT NULL,             -- whom it goes to, under the number that the request has or the bytes were made for
    about       text NOT NULL,             -- id of the document, booking or room it is about
    subject     uuid,                      -- the same as documents.doc or bookings.booking
    channel     smallint NOT NULL,         -- 1 kivra, 2 mina_meddelanden, 3 sms
    operator    smallint,                  -- of a mailbox
    kind        text NOT NULL,             -- of the document, or of the notification
    template    text,                      -- of a notification
    state       smallint NOT NULL,
    why         text,                      -- what it waits for
    due_at      timestamptz,               -- the timer
    slot        text,                      -- the owner: a process that lives as long as it holds the lock of this name
    attempts    integer NOT NULL DEFAULT 0,
    repeats     integer NOT NULL DEFAULT 0,-- tries in doubt that were made by themselves, since the request or the desk's last word
    in_doubt    boolean NOT NULL DEFAULT false, -- some try may have been done at the peer
    request     bytea,                     -- SHA-256 of the bytes that are sent, the same at every try
    kept        boolean NOT NULL DEFAULT false, -- those bytes are still in contents
    reference   text,                      -- the peer's name of it
    code        text,                      -- the last answer's
    requested_at timestamptz NOT NULL,
    not_after   timestamptz,               -- N3: then it has lost its point
    changed_at  timestamptz NOT NULL,
    answers     integer NOT NULL DEFAULT 0,-- how many answers the pipelines are to be told; numbers their event ids
    told        integer NOT NULL DEFAULT 0,
    CONSTRAINT sends_timer CHECK ((state IN (1, 2, 7)) = (due_at IS NOT NULL)),
    CONSTRAINT sends_owner CHECK ((state IN (3, 4)) = (slot IS NOT NULL)),
    CONSTRAINT sends_why CHECK ((state = 7) = (why IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX sends_due ON sends (channel, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX sends_slot ON sends (slot) WHERE slot IS NOT NULL;
CREATE INDEX sends_unknown ON sends (changed_at) WHERE state = 9;
CREATE INDEX sends_untold ON sends (changed_at) WHERE told < answers;
CREATE INDEX sends_subject ON sends (subject) WHERE subject IS NOT NULL;
CREATE INDEX sends_changed ON sends USING brin (changed_at);

CREATE TABLE attempts (                    -- each try, and each ruling of the desk on what a try left unknown
    send        uuid NOT NULL,
    number      integer NOT NULL,
    began       timestamptz NOT NULL,
    slot        text NOT NULL,             -- the process, or for a ruling who gave it
    written     boolean,                   -- whether the peer can have read the request; null: nobody knows
    outcome     text,                      -- sent, rejected, unavailable, uncertain, orphaned; ruled_…; null: under way
    code        text,
    reference   text,
    ended       timestamptz,
    PRIMARY KEY (send, number)
);
