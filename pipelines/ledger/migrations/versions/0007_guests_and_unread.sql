-- V9, N3: a text to a guest's number, which belongs to nobody that the ledger knows. `person` is the nil UUID, `subject` the room, and the
-- number stands in a sealed box (AES-256-GCM, bound to `send`) until the row is final. Then the box is gone, and so are the bytes.
ALTER TABLE sends ADD COLUMN box bytea;

-- N1: which patients of a room have not read what staff wrote in its chat. A row a patient, from the first line that they missed, or from
-- the making of a chat room, whose patient no other table knows; it goes by retention.
CREATE TABLE unread_chats (
    room        uuid NOT NULL,
    reader      text NOT NULL,             -- the bridge's opaque name of the patient in this room
    person      uuid NOT NULL,
    number      bigint,                    -- the first of staff's lines that they have not read; null: they have read all
    at          timestamptz NOT NULL,      -- since when that is so
    told        boolean NOT NULL DEFAULT false, -- they were told of it, or are not to be
    PRIMARY KEY (room, reader)
) WITH (fillfactor = 80);
CREATE INDEX unread_chats_due ON unread_chats (at) WHERE number IS NOT NULL AND NOT told;
CREATE INDEX unread_chats_at ON unread_chats USING brin (at);
