CREATE TABLE meeting_texts (               -- V14: a meeting's chat; number 0 is the subject of a conference (V11)
    room        uuid NOT NULL,
    number      bigint NOT NULL,           -- as the bridge numbers the lines of a room; gaps mean nothing
    at          timestamptz NOT NULL,      -- from when its retention counts: of a subject, the end of the conference
    box         bytea NOT NULL,            -- who wrote what, encrypted with the video part's key; room and number are bound in
    PRIMARY KEY (room, number)
);
CREATE INDEX meeting_texts_at ON meeting_texts USING brin (at);
