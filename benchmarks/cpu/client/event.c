/* The JSON of one event: all of it is checked, and what a probe needs is noted on the way. */
#include "answer.h"

#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 32 };

enum place { NOWHERE, ROOT, CHOICES, CHOICE, DELTA, TEXT, FINISH, USAGE, TOKENS, ERROR };

struct scanner {
    const char *at, *end;
    struct event *event;
};

static const struct {
    enum place in, to;
    const char *key;
} MEMBERS[] = {
    {ROOT, CHOICES, "choices"},
    {ROOT, USAGE, "usage"},
    {ROOT, ERROR, "error"},
    {CHOICE, DELTA, "delta"},
    {CHOICE, FINISH, "finish_reason"},
    {DELTA, TEXT, "content"},
    {DELTA, TEXT, "reasoning"},
    {DELTA, TEXT, "reasoning_content"},
    {DELTA, TEXT, "refusal"},
    {USAGE, TOKENS, "completion_tokens"},
};

static enum place member(enum place in, const char *key, size_t length)
{
    if (in == NOWHERE)
        return NOWHERE;
    for (size_t i = 0; i < sizeof MEMBERS / sizeof *MEMBERS; i++)
        if (MEMBERS[i].in == in && strlen(MEMBERS[i].key) == length && !memcmp(MEMBERS[i].key, key, length))
            return MEMBERS[i].to;
    return NOWHERE;
}

static void skip_space(struct scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static bool take(struct scanner *s, char wanted)
{
    skip_space(s);
    if (s->at == s->end || *s->at != wanted)
        return false;
    s->at++;
    return true;
}

static bool word(struct scanner *s, const char *wanted)
{
    size_t length = strlen(wanted);
    if ((size_t)(s->end - s->at) < length || memcmp(s->at, wanted, length))
        return false;
    s->at += length;
    return true;
}

static bool escape(struct scanner *s)
{
    if (++s->at == s->end || !strchr("\"\\/bfnrtu", *s->at) || !*s->at)
        return false;
    if (*s->at++ != 'u')
        return true;
    for (int i = 0; i < 4; i++, s->at++)
        if (s->at == s->end || !strchr("0123456789abcdefABCDEF", *s->at) || !*s->at)
            return false;
    return true;
}

/* The length of what is between the quotes. */
static bool string(struct scanner *s, size_t *length)
{
    if (!take(s, '"'))
        return false;
    const char *begin = s->at;
    while (s->at < s->end && *s->at != '"') {
        if ((unsigned char)*s->at < ' ')
            return false;
        if (*s->at != '\\')
            s->at++;
        else if (!escape(s))
            return false;
    }
    *length = (size_t)(s->at - begin);
    return take(s, '"');
}

static bool digits(struct scanner *s)
{
    const char *begin = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > begin;
}

static bool number(struct scanner *s, int64_t *whole)
{
    const char *begin = s->at;
    if (*s->at == '-')
        s->at++;
    if (s->at < s->end && *s->at == '0')
        s->at++;
    else if (!digits(s))
        return false;
    *whole = 0;
    for (const char *digit = begin + (*begin == '-'); digit < s->at; digit++)
        *whole = *whole > INT64_MAX / 10 - 1 ? *whole : *whole * 10 + (*digit - '0');
    if (s->at < s->end && *s->at == '.' && (s->at++, !digits(s)))
        return false;
    if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        s->at++;
        if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
            s->at++;
        return digits(s);
    }
    return true;
}

static bool value(struct scanner *s, enum place place, int depth);

static bool object(struct scanner *s, enum place place, int depth)
{
    s->at++;
    if (place == ERROR)
        s->event->failed = true;
    if (take(s, '}'))
        return true;
    do {
        size_t length;
        skip_space(s);
        const char *key = s->at + 1;
        if (!string(s, &length) || !take(s, ':') || !value(s, member(place, key, length), depth + 1))
            return false;
    } while (take(s, ','));
    return take(s, '}');
}

static bool array(struct scanner *s, enum place place, int depth)
{
    s->at++;
    if (take(s, ']'))
        return true;
    do
        if (!value(s, place == CHOICES ? CHOICE : NOWHERE, depth + 1))
            return false;
    while (take(s, ','));
    return take(s, ']');
}

static bool value(struct scanner *s, enum place place, int depth)
{
    skip_space(s);
    if (s->at == s->end || depth > DEEPEST)
        return false;
    size_t length;
    int64_t whole;
    switch (*s->at) {
    case '{':
        return object(s, place, depth);
    case '[':
        return array(s, place, depth);
    case '"':
        if (!string(s, &length))
            return false;
        s->event->output |= place == TEXT && length > 0;
        s->event->finished |= place == FINISH;
        return true;
    case 'n':
        return word(s, "null");
    case 't':
        return word(s, "true");
    case 'f':
        return word(s, "false");
    default:
        if (!number(s, &whole))
            return false;
        if (place == TOKENS)
            s->event->tokens = whole;
        return true;
    }
}

bool event_parse(const char *text, size_t length, struct event *event)
{
    struct scanner s = {text, text + length, event};
    *event = (struct event){.tokens = -1};
    if (!value(&s, ROOT, 0))
        return false;
    skip_space(&s);
    return s.at == s.end;
}
