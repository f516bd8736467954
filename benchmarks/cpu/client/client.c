/* The least that it takes to read streamed answers, for comparison with what a probe takes.
 *
 *   client unread|parsed reuse|fresh HOST PORT MODEL STREAMS SPREAD_MS PROBES
 *
 * keeps so many streams going, each asking again as soon as it has its answer, over one connection
 * or over a fresh one each time. The first begin evenly over SPREAD_MS. After PROBES answers it
 * ends; with 0, once its standard input is closed. `unread` takes the kernel's stamp of every read
 * and looks at the last bytes alone, to see the end; `parsed` understands HTTP's chunks, the lines of
 * the stream and the JSON of every event. What was counted is printed as JSON. Linux only.
 */
#define _GNU_SOURCE
#include "answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char LAST[] = "\r\n0\r\n\r\n"; /* the empty chunk after another */
enum { LAST_BYTES = sizeof LAST - 1, EVENTS = 64, MILLISECOND_NS = 1000000 };

struct stream {
    int socket;               /* -1: there is none */
    int64_t sent_ns, first_ns, last_ns;
    char tail[LAST_BYTES];    /* the last bytes so far */
    struct answer answer;
};

static struct {
    bool parsed, fresh;
    struct sockaddr_in server;
    int streams, epoll;
    long probes, spread_ms;
    char request[2048];
    size_t request_bytes;
} setup;

static struct {
    long probes, outputs, events, tokens, finished, reads, stamped, bytes;
    int64_t first_ns; /* from each request to its first output or, unread, its first byte */
} counted;

static char buffer[1 << 16];

static void fail(const char *what)
{
    fprintf(stderr, "client: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
    exit(1);
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void connect_stream(struct stream *stream)
{
    int one = 1;
    stream->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stream->socket < 0 || connect(stream->socket, (struct sockaddr *)&setup.server, sizeof setup.server))
        fail("connect");
    setsockopt(stream->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (setsockopt(stream->socket, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one))
        fail("SO_TIMESTAMPNS");
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = stream};
    if (epoll_ctl(setup.epoll, EPOLL_CTL_ADD, stream->socket, &wanted))
        fail("epoll_ctl");
}

static void ask(struct stream *stream)
{
    if (stream->socket < 0)
        connect_stream(stream);
    stream->first_ns = stream->last_ns = 0;
    memset(stream->tail, 0, sizeof stream->tail);
    memset(&stream->answer, 0, offsetof(struct answer, pending_bytes));
    if (send(stream->socket, setup.request, setup.request_bytes, MSG_NOSIGNAL) != (ssize_t)setup.request_bytes)
        fail("send");
    stream->sent_ns = now_ns(CLOCK_REALTIME);
}

/* What one read brought, and when the kernel had it. */
static size_t receive(int socket, int64_t *arrival_ns)
{
    struct iovec into = {buffer, sizeof buffer};
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    errno = 0;
    ssize_t count = recvmsg(socket, &message, MSG_DONTWAIT);
    if (count <= 0)
        fail("recvmsg");
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_TIMESTAMPNS) {
        struct timespec stamp;
        memcpy(&stamp, CMSG_DATA(header), sizeof stamp);
        *arrival_ns = stamp.tv_sec * 1000000000LL + stamp.tv_nsec;
        counted.stamped++;
    } else { /* the kernel begins to stamp a moment after the first socket asks for it */
        *arrival_ns = now_ns(CLOCK_REALTIME);
    }
    counted.reads++;
    counted.bytes += count;
    return (size_t)count;
}

/* Whether the answer ends here. */
static bool ends(struct stream *stream, size_t count)
{
    if (count >= LAST_BYTES) {
        memcpy(stream->tail, buffer + count - LAST_BYTES, LAST_BYTES);
    } else {
        memmove(stream->tail, stream->tail + count, LAST_BYTES - count);
        memcpy(stream->tail + LAST_BYTES - count, buffer, count);
    }
    return !memcmp(stream->tail, LAST, LAST_BYTES);
}

static void count_answer(const struct answer *answer)
{
    errno = 0;
    if (!answer->done || answer->last_ns < answer->first_ns)
        fail("the stream");
    counted.outputs += answer->outputs;
    counted.events += answer->events;
    counted.tokens += answer->tokens;
    counted.finished += answer->finished;
}

/* Whether the answer ends here; with the marks that a probe would take. */
static bool understand(struct stream *stream, size_t count, int64_t arrival_ns)
{
    struct answer *answer = &stream->answer;
    if (!setup.parsed) {
        stream->last_ns = arrival_ns;
        if (!stream->first_ns)
            stream->first_ns = arrival_ns;
        return ends(stream, count);
    }
    answer_take(answer, buffer, count, arrival_ns);
    errno = 0;
    if (answer->state == BROKEN)
        fail("the answer");
    if (answer->state != AT_END)
        return false;
    count_answer(answer);
    stream->first_ns = answer->first_ns;
    stream->last_ns = answer->last_ns;
    return true;
}

static void read_stream(struct stream *stream)
{
    int64_t arrival_ns;
    size_t count = receive(stream->socket, &arrival_ns);
    if (!understand(stream, count, arrival_ns))
        return;
    counted.probes++;
    counted.first_ns += stream->first_ns - stream->sent_ns;
    if (setup.fresh) {
        close(stream->socket);
        stream->socket = -1;
    }
    ask(stream);
}

static bool wanted(void)
{
    return !setup.probes || counted.probes < setup.probes;
}

static void read_all(struct stream *streams)
{
    int64_t began_ns = now_ns(CLOCK_MONOTONIC);
    int started = 0;
    while (wanted()) {
        long elapsed_ms = (now_ns(CLOCK_MONOTONIC) - began_ns) / MILLISECOND_NS;
        while (started < setup.streams && elapsed_ms >= setup.spread_ms * started / setup.streams)
            ask(&streams[started++]);
        long pause_ms = started < setup.streams ? setup.spread_ms * started / setup.streams - elapsed_ms : -1;
        struct epoll_event ready[EVENTS];
        int count = epoll_wait(setup.epoll, ready, EVENTS, (int)pause_ms);
        if (count < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < count && wanted(); i++) {
            if (!ready[i].data.ptr)
                return; /* the standard input is closed */
            read_stream(ready[i].data.ptr);
        }
    }
}

static void watch_input(void)
{
    struct epoll_event wanted_event = {.events = EPOLLIN, .data.ptr = NULL};
    if (!setup.probes && epoll_ctl(setup.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &wanted_event))
        fail("the standard input");
}

static void write_request(const char *host, const char *port, const char *model)
{
    char body[1024];
    int length = snprintf(body, sizeof body,
                          "{\"model\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"Count, separated by spaces.\"}],"
                          "\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
                          model);
    setup.request_bytes = (size_t)snprintf(setup.request, sizeof setup.request,
                                           "POST /v1/chat/completions HTTP/1.1\r\nHost: %s:%s\r\nAccept: */*\r\n"
                                           "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                                           host, port, length, body);
    if (length >= (int)sizeof body || setup.request_bytes >= sizeof setup.request)
        fail("the model's name");
}

int main(int count, char **words)
{
    if (count != 9) {
        fprintf(stderr, "usage: client unread|parsed reuse|fresh HOST PORT MODEL STREAMS SPREAD_MS PROBES\n");
        return 2;
    }
    setup.parsed = !strcmp(words[1], "parsed");
    setup.fresh = !strcmp(words[2], "fresh");
    setup.server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[4]))};
    if (inet_pton(AF_INET, words[3], &setup.server.sin_addr) != 1)
        fail("the host, which must be an IPv4 address");
    write_request(words[3], words[4], words[5]);
    setup.streams = atoi(words[6]);
    setup.spread_ms = atol(words[7]);
    setup.probes = atol(words[8]);
    setup.epoll = epoll_create1(EPOLL_CLOEXEC);
    struct stream *streams = calloc((size_t)setup.streams, sizeof *streams);
    if (setup.epoll < 0 || !streams)
        fail("start");
    for (int i = 0; i < setup.streams; i++)
        streams[i].socket = -1;
    watch_input();
    read_all(streams);
    printf("{\"probes\":%ld,\"outputs\":%ld,\"events\":%ld,\"tokens\":%ld,\"finished\":%ld,\"reads\":%ld,"
           "\"stamped\":%ld,\"bytes\":%ld,\"first_ms\":%.3f}\n",
           counted.probes, counted.outputs, counted.events, counted.tokens, counted.finished, counted.reads,
           counted.stamped, counted.bytes, (double)counted.first_ns / MILLISECOND_NS / (double)counted.probes);
    return 0;
}
