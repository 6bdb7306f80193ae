-- P4, P8: from which other numbers a protection is inherited, and how strong each is: {keyed hash: level}. A sum of them alone could not
-- be lowered by one without forgetting the rest. The hash is of both numbers in this row's order, so that two rows that were kept
-- apart (fingerade personuppgifter) have nothing in common and cannot be joined.
ALTER TABLE persons ADD COLUMN inherited_from bytea;
