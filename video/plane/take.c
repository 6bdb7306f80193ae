/* What comes: many datagrams in one call, each looked up, decrypted, and sent to its viewers, as long as it is the next of a stream that
 * looks as it did before. Everything else (STUN, DTLS, RTCP, strangers, what is late, lost, new or changed) is handed to Python, one at a
 * time and in order, which does with each packet the same as is done here (shell.py, receiver.py, forward.py): tests hold one against the
 * other. In life with many small rooms each packet finds all caches cold, and then memory that is touched is what costs (docs/bench.md). */

#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "compiled.h"

enum { NAME = 32, HEADER = 12, NUMBERS = 1024, LEVELS = 64 };

#define ROOM(of, field) ((int)(sizeof ((struct of *)0)->field / sizeof ((struct of *)0)->field[0]))
_Static_assert(ROOM(path, name) == NAME && ROOM(viewer, name) == NAME, "compiled.h");
_Static_assert(ROOM(sender, number) == NUMBERS && ROOM(sender, number_at) == NUMBERS, "compiled.h");
_Static_assert(ROOM(sender, level) == LEVELS && ROOM(sender, level_at) == LEVELS, "compiled.h");

static uint32_t two(const uint8_t *at) { return at[0] << 8 | at[1]; }
static uint32_t four(const uint8_t *at) { return two(at) << 16 | two(at + 2); }

/* Paths: only those that have proved by ICE whose they are, so what a stranger can put here is nothing. */

static uint32_t place_of(const struct inbox *inbox, const uint8_t *name) {
    uint64_t words[NAME / 8], mixed = 0;
    memcpy(words, name, NAME);
    for (int i = 0; i < NAME / 8; i++) mixed = (mixed ^ words[i] ^ mixed >> 29) * 0x9E3779B97F4A7C15u;
    return (mixed ^ mixed >> 32) & inbox->path_mask;
}

/* Where it is, or the free place where it would be. */
static struct path *find(const struct inbox *inbox, const uint8_t *name) {
    uint32_t at = place_of(inbox, name);
    while (inbox->paths[at].sender && memcmp(inbox->paths[at].name, name, NAME)) at = (at + 1) & inbox->path_mask;
    return inbox->paths + at;
}

/* 1 where it is known from now on. Whoever calls sees to it that the table never fills up. */
int put_path(struct inbox *inbox, const uint8_t *name, struct sender *sender) {
    struct path *path = find(inbox, name);
    int is_new = path->sender == NULL;
    memcpy(path->name, name, NAME);
    path->sender = sender;
    return is_new;
}

/* What stands behind it and would not be found any more moves up (Knuth, 6.4, algorithm R). */
void drop_path(struct inbox *inbox, const uint8_t *name) {
    struct path *free_one = find(inbox, name);
    if (!free_one->sender) return;
    free_one->sender = NULL;
    for (uint32_t at = free_one - inbox->paths;;) {
        at = (at + 1) & inbox->path_mask;
        struct path *next = inbox->paths + at;
        if (!next->sender) return;
        uint32_t home = place_of(inbox, next->name), hole = free_one - inbox->paths;
        if (((at - home) & inbox->path_mask) < ((at - hole) & inbox->path_mask)) continue;
        *free_one = *next;
        next->sender = NULL;
        free_one = next;
    }
}

/* The ring of `ring.Ring`. */

void keep(struct kept *ring, uint32_t mask, const struct packet *packet, const uint8_t *payload) {
    struct kept *kept = ring + (packet->place & mask);
    free(kept->payload);
    kept->payload = malloc(packet->size);
    if (!kept->payload) return;
    memcpy(kept->payload, payload, packet->size);
    kept->place = packet->place;
    kept->size = packet->size;
    kept->timestamp = packet->timestamp;
    kept->marker = packet->marker;
}

void empty(struct kept *ring, uint32_t mask) {
    for (uint32_t at = 0; at <= mask; at++) {
        free(ring[at].payload);
        ring[at].payload = NULL;
    }
}

/* The payload descriptor, see `payload.vp8`: where the counters are. `picture` is -2 where it is cut off. */
void vp8(const uint8_t *payload, struct packet *packet) {
    int at = 1, end = packet->size, more = 0;
    packet->picture = packet->picture_at = packet->tl0 = packet->tl0_at = -1;
    packet->wide = 0;
    if (end < 1) goto cut;
    if (payload[0] & 0x80) {
        if (at >= end) goto cut;
        more = payload[at++];
        if (more & 0x80) {
            if (at >= end) goto cut;
            packet->picture_at = at;
            packet->wide = payload[at] >> 7;
            if (packet->wide) {
                if (at + 1 >= end) goto cut;
                packet->picture = two(payload + at) & 0x7FFF;
                at += 2;
            } else packet->picture = payload[at++];
        }
        if (more & 0x40) {
            if (at >= end) goto cut;
            packet->tl0_at = at;
            packet->tl0 = payload[at++];
        }
        if (more & 0x30) at++;
    }
    if (at < end) return;
cut:
    packet->picture = -2;
    packet->picture_at = packet->tl0 = packet->tl0_at = -1;
    packet->wide = 0;
}

/* A decrypted packet; 0 where it is Python's to look at, and nothing was done with it. */
static int forward(const struct inbox *inbox, struct sender *sender, const uint8_t *data, int size, double now) {
    if (size <= HEADER) return 0;
    uint32_t ssrc = four(data + 8);
    struct stream *stream = NULL;
    for (int i = 0; i < sender->streams; i++)
        if (sender->ssrcs[i] == ssrc) { stream = sender->of[i]; break; }
    if (!stream || stream->epoch != *inbox->epoch) return 0;
    if (size <= stream->start || size - stream->start > inbox->payload_max) return 0;
    if ((data[1] & 0x7F) != stream->pt || (uint16_t)(two(data + 2) - stream->highest) != 1) return 0;
    for (int i = 0; i < stream->picks; i++)
        if (data[stream->pick_at[i]] != stream->pick[i]) return 0;
    if (stream->speaks && stream->level_at && sender->levels == LEVELS) return 0;

    if (stream->number_at && sender->came < NUMBERS) {
        sender->number[sender->came] = two(data + stream->number_at);
        sender->number_at[sender->came++] = now;
    }
    struct packet packet = {
        .place = stream->highest + 1, .now = now, .timestamp = four(data + 4), .marker = data[1] & 0x80, .level = -1, .picture = -2,
        .picture_at = -1, .tl0 = -1, .tl0_at = -1, .size = size - stream->start,
    };
    const uint8_t *payload = data + stream->start;
    stream->highest = packet.place;
    if (now - stream->last_at > 1.0) stream->since = now;
    stream->last_at = now;
    double transit = now * stream->clock - packet.timestamp;
    if (stream->transit != 0.0) {
        double change = transit > stream->transit ? transit - stream->transit : stream->transit - transit;
        stream->jitter += ((change < 1e6 ? change : 1e6) - stream->jitter) / 16;
    }
    stream->transit = transit;
    stream->received++;
    stream->bytes += size + inbox->overhead;
    sender->bytes += size + inbox->overhead;
    if (stream->ring) {
        if (stream->vp8) vp8(payload, &packet);
        keep(stream->ring, stream->ring_mask, &packet, payload);
    } else {
        packet.level = stream->level_at ? data[stream->level_at] : 127;
        if (stream->speaks && stream->level_at) {
            sender->level[sender->levels] = packet.level & 0x7F;
            sender->level_at[sender->levels++] = now;
        }
    }
    if (!stream->count) return 1;
    stream->forwarded++;
    stream->forwarded_octets += packet.size;
    stream->newest = stream->fanned_to = packet.place;
    stream->newest_timestamp = packet.timestamp;
    stream->newest_at = now;
    stream->newest_picture = packet.picture;
    stream->newest_tl0 = packet.tl0;
    stream->refused += fan(stream->viewers, stream->count, &packet, payload, stream->to);
    return 1;
}

/* Which of the datagrams Python is to see next, or -1 when all are done. `more`: go on with those of the last call to the kernel. */
int take(struct inbox *inbox, double now, int more) {
    struct mmsghdr *messages = inbox->messages;
    if (!more) {
        int count = recvmmsg(inbox->descriptor, messages, inbox->places, 0, NULL);
        inbox->count = count > 0 ? count : 0;
        inbox->at = 0;
    }
    while (inbox->at < inbox->count) {
        int number = inbox->at++, size = messages[number].msg_len, was = size;
        uint8_t *start = inbox->memory + (size_t)number * inbox->stride, *data = start + NAME;
        inbox->size = 0;
        if (size < 2 || data[0] < 128 || data[0] > 191 || (data[1] >= 192 && data[1] <= 223)) return number;
        struct sender *sender = find(inbox, start)->sender;
        if (!sender || !sender->srtp) return number;
        if (size > inbox->datagram_max || inbox->unprotect(sender->srtp, data, &size)) {
            inbox->refused++;
            continue;
        }
        sender->heard_at = now;
        inbox->packets++;
        inbox->bytes += was;
        if (!forward(inbox, sender, data, size, now)) {
            inbox->size = size;
            return number;
        }
    }
    return -1;
}
