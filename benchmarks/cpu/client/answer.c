/* HTTP's framing of an answer, the lines of its stream, and the events in them. */
#define _GNU_SOURCE
#include "answer.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void take_event(struct answer *answer, const char *data, size_t length, int64_t arrival_ns)
{
    struct event event;
    if (length == 6 && !memcmp(data, "[DONE]", 6)) {
        answer->done = true;
        return;
    }
    if (!event_parse(data, length, &event) || event.failed) {
        answer->state = BROKEN;
        return;
    }
    answer->events++;
    answer->finished |= event.finished;
    if (event.tokens >= 0)
        answer->tokens = event.tokens;
    if (!event.output)
        return;
    answer->outputs++;
    answer->last_ns = arrival_ns;
    if (!answer->first_ns)
        answer->first_ns = arrival_ns;
}

/* An event of a chat completion is one line; comments and other fields say nothing. */
static void take_line(struct answer *answer, const char *line, size_t length, int64_t arrival_ns)
{
    if (length && line[length - 1] == '\r')
        length--;
    if (length < 5 || memcmp(line, "data:", 5))
        return;
    size_t before = length > 5 && line[5] == ' ' ? 6 : 5;
    take_event(answer, line + before, length - before, arrival_ns);
}

static bool keep(char *buffer, size_t *used, const char *bytes, size_t count)
{
    if (count > ANSWER_BYTES - *used)
        return false;
    memcpy(buffer + *used, bytes, count);
    *used += count;
    return true;
}

static void take_data(struct answer *answer, const char *bytes, size_t count, int64_t arrival_ns)
{
    const char *end = bytes + count, *newline;
    while ((newline = memchr(bytes, '\n', (size_t)(end - bytes)))) {
        size_t length = (size_t)(newline - bytes);
        if (!answer->line) {
            take_line(answer, bytes, length, arrival_ns);
        } else if (keep(answer->line_bytes, &answer->line, bytes, length)) {
            take_line(answer, answer->line_bytes, answer->line, arrival_ns);
            answer->line = 0;
        } else {
            answer->state = BROKEN;
        }
        bytes = newline + 1;
    }
    if (!keep(answer->line_bytes, &answer->line, bytes, (size_t)(end - bytes)))
        answer->state = BROKEN;
}

static size_t take_head(struct answer *answer, const char *bytes, size_t count)
{
    const char *end = memmem(bytes, count, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t length = (size_t)(end - bytes) + 4;
    bool good = !memcmp(bytes, "HTTP/1.1 200", 12);
    bool chunked = false;
    for (const char *line = bytes; line < end; line = memchr(line, '\n', length) + 1)
        chunked |= !strncasecmp(line, "transfer-encoding: chunked\r", 27);
    answer->state = good && chunked ? IN_SIZE : BROKEN;
    return length;
}

static size_t take_size(struct answer *answer, const char *bytes, size_t count)
{
    const char *newline = memchr(bytes, '\n', count);
    if (!newline)
        return 0;
    if (!isxdigit((unsigned char)*bytes)) {
        answer->state = BROKEN;
        return 0;
    }
    answer->left = strtoul(bytes, NULL, 16); /* a line feed ends it at the latest */
    answer->state = answer->left ? IN_DATA : IN_TRAILER;
    return (size_t)(newline - bytes) + 1;
}

/* How much of the bytes was taken; 0 if more must come first. */
static size_t take_some(struct answer *answer, const char *bytes, size_t count, int64_t arrival_ns)
{
    const char *newline;
    size_t taken;
    switch (answer->state) {
    case IN_HEAD:
        return take_head(answer, bytes, count);
    case IN_SIZE:
        return take_size(answer, bytes, count);
    case IN_DATA:
        taken = count < answer->left ? count : answer->left;
        answer->left -= taken;
        if (!answer->left)
            answer->state = AFTER_DATA;
        take_data(answer, bytes, taken, arrival_ns);
        return taken;
    case AFTER_DATA:
        if (count < 2)
            return 0;
        answer->state = bytes[0] == '\r' && bytes[1] == '\n' ? IN_SIZE : BROKEN;
        return 2;
    case IN_TRAILER:
        newline = memchr(bytes, '\n', count);
        if (newline && newline - bytes <= 1)
            answer->state = AT_END;
        return newline ? (size_t)(newline - bytes) + 1 : 0;
    default:
        return 0;
    }
}

void answer_take(struct answer *answer, const char *bytes, size_t count, int64_t arrival_ns)
{
    if (count > ANSWER_BYTES) {
        answer->state = BROKEN;
        return;
    }
    if (answer->pending) {
        if (!keep(answer->pending_bytes, &answer->pending, bytes, count)) {
            answer->state = BROKEN;
            return;
        }
        bytes = answer->pending_bytes;
        count = answer->pending;
    }
    size_t taken;
    while (count && (taken = take_some(answer, bytes, count, arrival_ns))) {
        bytes += taken;
        count -= taken;
    }
    if (count && answer->state == AT_END)
        answer->state = BROKEN; /* nobody asked for more */
    memmove(answer->pending_bytes, bytes, count);
    answer->pending = count;
}
