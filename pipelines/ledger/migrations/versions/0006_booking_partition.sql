-- P4, B6: the key that a booking's events are placed by once its person has another number; null: the person's own. A compacted topic keeps
-- the last record of a key in each partition, so a booking that changed partition would stand for ever in the one it left.
ALTER TABLE bookings ADD COLUMN partition_by text;
