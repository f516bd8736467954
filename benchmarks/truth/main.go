// Command truth streams chat completions from a script and remembers when it really sent what.
//
// The model's name is the script: truth-<first_token_ms>-<gap_ms>-<tokens>. Deadlines count from
// the moment at which the request was fully read. Every chunk is one write on a TCP_NODELAY
// connection, without a buffer in between, and the wall-clock time is taken right before the
// write. GET /log?since=N gives the sends of all requests but the first N, as JSON.
//
// It prints its base URL and serves until its standard input is closed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Sends says when one request was read and its answer sent, in wall-clock nanoseconds.
type Sends struct {
	ID       string `json:"id"`
	Received int64  `json:"received_ns"`
	First    int64  `json:"first_token_ns"`
	// Written is when the write of the first token returned: First and Written enclose the send.
	Written int64 `json:"first_token_written_ns"`
	Last    int64 `json:"last_token_ns"`
	End     int64 `json:"end_ns"`
}

type script struct {
	firstToken, gap time.Duration
	tokens          int
}

func parseScript(model string) (script, error) {
	var firstTokenMs, gapMs, tokens int
	_, err := fmt.Sscanf(model, "truth-%d-%d-%d", &firstTokenMs, &gapMs, &tokens)
	if err != nil || tokens < 1 {
		return script{}, fmt.Errorf("model %q is not truth-<first_token_ms>-<gap_ms>-<tokens>", model)
	}
	ms := time.Millisecond
	return script{time.Duration(firstTokenMs) * ms, time.Duration(gapMs) * ms, tokens}, nil
}

// history holds what was sent so far. A stream adds to it once it is over.
type history struct {
	mutex   sync.Mutex
	started int
	over    []Sends
}

func (h *history) nextID() string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.started++
	return fmt.Sprintf("truth-%d", h.started)
}

func (h *history) add(sends Sends) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.over = append(h.over, sends)
}

func (h *history) since(count int) []Sends {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return append([]Sends{}, h.over[min(max(count, 0), len(h.over)):]...)
}

func serve(connection net.Conn, past *history) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(request.Body)
		received := time.Now()
		if err != nil {
			return
		}
		if err := answer(connection, request, body, received, past); err != nil {
			return
		}
	}
}

func answer(to io.Writer, request *http.Request, body []byte, received time.Time, past *history) error {
	switch {
	case request.Method == "GET" && request.URL.Path == "/log":
		count, _ := strconv.Atoi(request.URL.Query().Get("since"))
		return reply(to, "200 OK", past.since(count))
	case request.Method == "POST" && strings.HasSuffix(request.URL.Path, "/chat/completions"):
		var question struct{ Model string }
		if err := json.Unmarshal(body, &question); err != nil {
			return reply(to, "400 Bad Request", err.Error())
		}
		wanted, err := parseScript(question.Model)
		if err != nil {
			return reply(to, "404 Not Found", err.Error())
		}
		sends, err := stream(to, wanted, question.Model, past.nextID(), received)
		if err == nil {
			past.add(sends)
		}
		return err
	}
	return reply(to, "404 Not Found", "only POST .../chat/completions and GET /log")
}

func reply(to io.Writer, status string, content any) error {
	body, err := json.Marshal(content)
	if err == nil {
		_, err = fmt.Fprintf(to, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			status, len(body), body)
	}
	return err
}

// stream plays the script. All bytes are made before the first deadline.
func stream(to io.Writer, play script, model, id string, received time.Time) (Sends, error) {
	sends := Sends{ID: id, Received: received.UnixNano()}
	opening := [][]byte{
		[]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n" +
			"X-Request-Id: " + id + "\r\n\r\n"),
		event(id, model, `"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]`),
		chunk(": on its way\n\n"),
	}
	tokens := make([][]byte, play.tokens)
	for i := range tokens {
		tokens[i] = event(id, model,
			fmt.Sprintf(`"choices":[{"index":0,"delta":{"content":"%d "},"finish_reason":null}]`, i+1))
	}
	closing := [][]byte{
		event(id, model, `"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]`),
		event(id, model, fmt.Sprintf(`"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":%d,"total_tokens":%d}`,
			play.tokens, play.tokens+8)),
	}
	end := chunk("data: [DONE]\n\n")

	if err := writeAll(to, opening); err != nil {
		return sends, err
	}
	for i, token := range tokens {
		time.Sleep(time.Until(received.Add(play.firstToken + time.Duration(i)*play.gap)))
		sends.Last = time.Now().UnixNano()
		if _, err := to.Write(token); err != nil {
			return sends, err
		}
		if i == 0 {
			sends.First, sends.Written = sends.Last, time.Now().UnixNano()
		}
	}
	if err := writeAll(to, closing); err != nil {
		return sends, err
	}
	sends.End = time.Now().UnixNano()
	return sends, writeAll(to, [][]byte{end, []byte("0\r\n\r\n")})
}

func writeAll(to io.Writer, parts [][]byte) error {
	for _, part := range parts {
		if _, err := to.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func event(id, model, fields string) []byte {
	return chunk(fmt.Sprintf(`data: {"id":"%s","object":"chat.completion.chunk","created":1,"model":"%s",%s}`+"\n\n",
		id, model, fields))
}

func chunk(content string) []byte {
	return []byte(fmt.Sprintf("%x\r\n%s\r\n", len(content), content))
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { // whoever started this may die without saying so
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Printf("http://%s\n", listener.Addr())
	past := &history{}
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		connection.(*net.TCPConn).SetNoDelay(true)
		go serve(connection, past)
	}
}
