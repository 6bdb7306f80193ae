-- V9, N3: a text to a guest's number, which belongs to nobody that the ledger knows. `person` is the nil UUID, `subject` the room, and the
-- number stands in a sealed box (AES-256-GCM, bound to `send`) until the row is final. Then the box is gone, and so are the bytes.
ALTER TABLE sends ADD COLUMN box bytea;
