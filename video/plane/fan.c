/* One packet to all its viewers: header, payload, encryption, and away. The loop of `forward._each` for those who get it in order over
 * UDP, which are nearly all; tests hold one against the other byte for byte. It keeps nothing: who gets what, and how, is forward.py's. */

#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "compiled.h"

static uint8_t *two(uint8_t *at, uint32_t value) { at[0] = value >> 8; at[1] = value; return at + 2; }
static uint8_t *four(uint8_t *at, uint32_t value) { return two(two(at, value >> 16), value); }

/* Sends all; what the kernel refuses is as good as lost on the way. */
static void flush(struct outbox *to) {
    struct mmsghdr *messages = to->messages;
    int done = 0;
    while (done < to->used) {
        int sent = sendmmsg(to->descriptor, messages + done, to->used - done, 0);
        if (sent > 0) done += sent;
        else { to->dropped++; done++; }
    }
    to->used = 0;
}

/* How many of the viewers encryption refused: they say what. */
int fan(struct viewer *viewers, int count, const struct packet *packet, const uint8_t *payload, struct outbox *to) {
    struct mmsghdr *messages = to->messages;
    int refused = 0;
    for (struct viewer *one = viewers; one < viewers + count; one++) {
        uint64_t number = (*one->next)++;
        uint32_t ring = number & (to->history - 1);
        uint8_t *start = to->memory + (size_t)to->used * to->stride, *head = start + sizeof one->name, *at = head;
        memcpy(start, one->name, sizeof one->name);
        *at++ = 0x90;  /* version 2, with an extension */
        *at++ = packet->marker | one->pt;
        at = two(at, packet->place - one->offset);
        at = four(at, packet->timestamp + one->timestamp_by);
        at = four(at, one->ssrc);
        at = two(at, 0xBEDE);
        at = two(at, packet->level < 0 ? 1 : 2);
        *at++ = to->number_id;
        at = two(at, number);
        if (packet->level >= 0) {
            *at++ = to->level_id;
            *at++ = packet->level;
            *at++ = 0;
            *at++ = 0;
        }
        *at++ = 0;
        memcpy(at, payload, packet->size);
        if (packet->picture_at >= 0 && (one->picture_by || one->tl0_by)) {
            int moved = packet->picture + one->picture_by;
            if (packet->wide) two(at + packet->picture_at, 0x8000 | (moved & 0x7FFF));
            else at[packet->picture_at] = moved & 0x7F;
        }
        if (packet->tl0_at >= 0 && (one->picture_by || one->tl0_by)) at[packet->tl0_at] = packet->tl0 + one->tl0_by;
        int length = at - head + packet->size;
        one->sent_at[ring] = packet->now;
        one->sent_bytes[ring] = length + to->overhead;
        if (to->protect(one->srtp, head, &length) != 0) {
            one->refused++;
            one->refused_octets += packet->size;
            refused++;
            continue;
        }
        messages[to->used].msg_hdr.msg_iov->iov_len = length;
        if (++to->used == to->places) flush(to);
    }
    return refused;
}
