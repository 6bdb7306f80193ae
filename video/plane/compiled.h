/* What fan.c, take.c and compiled.py share: the compiler reads it, and cffi. Declarations alone. Python makes and owns all of it. */

struct viewer {             /* who gets a stream, and how it is numbered there */
    void *srtp;             /* libsrtp's session */
    uint64_t *next;         /* the link's next transport-wide number; under it, in a ring: */
    double *sent_at;        /*   when it was sent, in seconds */
    uint32_t *sent_bytes;   /*   how large, as the network sees it */
    int64_t offset;         /* from the source's number to the viewer's */
    uint32_t ssrc;
    uint32_t timestamp_by;
    uint16_t picture_by;
    uint8_t tl0_by;
    uint8_t pt;
    uint32_t refused;       /* packets that libsrtp refused, and the bytes of their payloads, until Python has taken note of them */
    uint64_t refused_octets;
    uint8_t name[32];       /* where it goes: a sockaddr */
};

struct packet {
    int64_t place;          /* its unwrapped sequence number */
    double now;
    uint32_t timestamp;
    int32_t marker;         /* 0x80 or 0 */
    int32_t level;          /* RFC 6464's byte of a voice; of a picture -1 */
    int32_t picture;        /* VP8's counters, and where they stand in the payload: -1 for nowhere */
    int32_t picture_at;
    int32_t wide;
    int32_t tl0;
    int32_t tl0_at;
    int32_t size;           /* of the payload */
};

struct outbox {
    uint8_t *memory;        /* places, `stride` apart: 32 bytes for the address, then the packet */
    void *messages;         /* struct mmsghdr[places], each with one vector into its place */
    int descriptor;
    int stride;
    int places;
    int used;
    uint32_t history;       /* of the rings of `viewer`: a power of two */
    int number_id;          /* first bytes of the two header extensions (RFC 8285) */
    int level_id;
    int overhead;           /* bytes that a packet costs beside header and payload */
    uint64_t dropped;       /* by the kernel, so far */
    int (*protect)(void *, void *, int *);
};

struct kept {               /* a picture's packet, for whoever asks for it again */
    int64_t place;
    uint8_t *payload;       /* NULL: nothing is kept here */
    int32_t size;
    uint32_t timestamp;
    int32_t marker;
};

struct stream {             /* one SSRC that comes. See `forward.Incoming`, whose numbers these are */
    int64_t highest;        /* sequence numbers, unwrapped */
    int64_t received;
    int64_t bytes;
    int64_t newest;
    int64_t forwarded;
    int64_t forwarded_octets;
    int64_t fanned_to;      /* -1: the viewers' numberings know of all that was sent */
    double last_at;
    double since;
    double jitter;
    double transit;
    double newest_at;
    uint32_t newest_timestamp;
    int32_t newest_picture; /* VP8's counters; -2: no descriptor was read */
    int32_t newest_tl0;
    uint32_t refused;       /* any of the viewers' */
    uint64_t epoch;         /* take.c forwards it while this is the process's; 0: Python does */
    double clock;           /* a second's timestamps */
    struct kept *ring;      /* NULL for a voice */
    uint32_t ring_mask;
    int32_t vp8;
    int32_t speaks;         /* its levels tell who speaks */
    int32_t pt;             /* how its packets look, see `rtp.Shape` */
    int32_t start;
    int32_t number_at;
    int32_t level_at;
    int32_t picks;
    uint8_t pick_at[32];
    uint8_t pick[32];
    struct outbox *to;
    struct viewer *viewers;
    int32_t count;
};

struct sender {             /* one connection that publishes */
    void *srtp;             /* libsrtp's session; NULL: not yet, or no more */
    double heard_at;
    int64_t bytes;
    int32_t streams;
    uint32_t ssrcs[24];
    struct stream *of[24];
    int32_t came;           /* transport-wide numbers that Python has not taken note of, and when they came; */
    int32_t levels;         /* and levels of voices */
    uint8_t level[64];
    double level_at[64];
    uint16_t number[1024];
    double number_at[1024];
};

struct path {               /* of an open hash table */
    uint8_t name[32];       /* a sockaddr, then zeros */
    struct sender *sender;  /* NULL: free */
};

struct inbox {
    uint8_t *memory;        /* as the outbox's */
    void *messages;
    int descriptor;
    int stride;
    int places;
    int count;              /* datagrams that came with the last call to the kernel, */
    int at;                 /*   those of them that are done, */
    int size;               /*   and of the one that Python is to see: its length decrypted; 0: it is as it came */
    int datagram_max;
    int payload_max;
    int overhead;
    uint32_t path_mask;     /* a power of two, less one */
    struct path *paths;
    uint64_t *epoch;
    uint64_t packets;       /* decrypted so far, their bytes as they came, and what libsrtp refused */
    uint64_t bytes;
    uint64_t refused;
    int (*unprotect)(void *, void *, int *);
};

int fan(struct viewer *viewers, int count, const struct packet *packet, const uint8_t *payload, struct outbox *to);
int take(struct inbox *inbox, double now, int more);
int put_path(struct inbox *inbox, const uint8_t *name, struct sender *sender);
void drop_path(struct inbox *inbox, const uint8_t *name);
void keep(struct kept *ring, uint32_t mask, const struct packet *packet, const uint8_t *payload);
void empty(struct kept *ring, uint32_t mask);
void vp8(const uint8_t *payload, struct packet *packet);
