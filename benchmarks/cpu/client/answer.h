/* One streamed answer, understood as far as a probe must. */
#ifndef ANSWER_H
#define ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ANSWER_BYTES = 1 << 16 };

/* What one event of a chat completion says. */
struct event {
    bool output;        /* it brought some text */
    bool finished;      /* it has a reason to finish */
    bool failed;        /* it is an error */
    int64_t tokens;     /* of the usage; -1 where it has none */
};

/* Whether `text` is one JSON value; if so, `event` says what it means. */
bool event_parse(const char *text, size_t length, struct event *event);

enum answer_state { IN_HEAD, IN_SIZE, IN_DATA, AFTER_DATA, IN_TRAILER, AT_END, BROKEN };

/* Where one answer is, and what was found in it. All zeroes before the first byte. */
struct answer {
    enum answer_state state;
    size_t left;                 /* of the chunk */
    size_t pending, line;        /* bytes in the buffers below */
    int64_t first_ns, last_ns;   /* arrivals of the first and the last output */
    int64_t tokens;
    int events, outputs;
    bool finished, done;         /* a reason to finish; the end marker */
    char pending_bytes[ANSWER_BYTES]; /* of the framing, not yet whole */
    char line_bytes[ANSWER_BYTES];    /* of a line of the stream, not yet whole */
};

/* Takes what one read brought, and when it had arrived. */
void answer_take(struct answer *answer, const char *bytes, size_t count, int64_t arrival_ns);

#endif
