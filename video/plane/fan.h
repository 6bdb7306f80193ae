/* What fan.c and fan.py share: the compiler reads it, and cffi. Declarations alone. */

struct viewer {
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
    uint8_t refused;        /* by libsrtp, in the last call */
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
    uint32_t history;       /* of the rings of `viewer`: a power of two */
    int number_id;          /* first bytes of the two header extensions (RFC 8285) */
    int level_id;
    int overhead;           /* bytes that a packet costs beside header and payload */
    int (*protect)(void *, void *, int *);
};

int fan(struct viewer *viewers, int count, const struct packet *packet, const uint8_t *payload, const struct outbox *to, int used);
