// Command truth streams chat completions from a script and remembers when it really sent what.
//
// The model's name is the script: truth-<first_token_ms>-<gap_ms>-<tokens>. Deadlines count from
// the moment at which the request was fully read. Every chunk is one write on a TCP_NODELAY
// connection, without a buffer in between, and the wall-clock time is taken right before the
// write. GET /log?since=N gives the sends of all requests but the first N, as JSON. A request is
// known by the X-Request-Id that it brings, else by one that it is given.
//
// A request's arrival is the kernel's stamp of its last segment: on a busy machine this process,
// too, may come to read late. Linux only.
//
// It prints its base URL and serves until its standard input is closed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Sends says when one request came in and its answer went out, in wall-clock nanoseconds.
type Sends struct {
	ID       string `json:"id"`
	Received int64  `json:"received_ns"`
	Read     int64  `json:"read_ns"`
	First    int64  `json:"first_token_ns"`
	// Written is when the write of the first token returned: First and Written enclose the send.
	Written     int64 `json:"first_token_written_ns"`
	Last        int64 `json:"last_token_ns"`
	LastWritten int64 `json:"last_token_written_ns"`
	End         int64 `json:"end_ns"`
	EndWritten  int64 `json:"end_written_ns"`
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
	started atomic.Int64
	mutex   sync.Mutex
	over    []Sends
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

// stampedReader reads from a socket and keeps the kernel's receive time of the last segment read.
type stampedReader struct {
	socket  syscall.RawConn
	arrival int64
}

func (r *stampedReader) Read(buffer []byte) (int, error) {
	var count, ancillaryCount int
	var failed error
	var ancillary [64]byte
	err := r.socket.Read(func(fd uintptr) bool {
		count, ancillaryCount, _, _, failed = syscall.Recvmsg(int(fd), buffer, ancillary[:], 0)
		return failed != syscall.EAGAIN
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, err
	}
	if count == 0 {
		return 0, io.EOF
	}
	messages, err := syscall.ParseSocketControlMessage(ancillary[:ancillaryCount])
	if err != nil || len(messages) != 1 {
		return 0, errors.New("the kernel gave no receive time")
	}
	r.arrival = (*syscall.Timespec)(unsafe.Pointer(&messages[0].Data[0])).Nano()
	return count, nil
}

func serve(connection *net.TCPConn, past *history) error {
	defer connection.Close()
	socket, err := connection.SyscallConn()
	if err != nil {
		return err
	}
	stamped := &stampedReader{socket: socket}
	reader := bufio.NewReader(stamped)
	for {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(request.Body)
		read := time.Now()
		if err == nil {
			err = answer(connection, request, body, stamped.arrival, read, past)
		}
		if err != nil {
			return err
		}
	}
}

func answer(to io.Writer, request *http.Request, body []byte, arrival int64, read time.Time, past *history) error {
	switch {
	case request.Method == "GET" && request.URL.Path == "/log":
		count, _ := strconv.Atoi(request.URL.Query().Get("since"))
		return reply(to, "200 OK", past.since(count))
	case request.Method == "POST" && strings.HasSuffix(request.URL.Path, "/chat/completions"):
		var question struct{ Model string }
		if err := json.Unmarshal(body, &question); err != nil {
			return reply(to, "400 Bad Request", err.Error())
		}
		play, err := parseScript(question.Model)
		if err != nil {
			return reply(to, "404 Not Found", err.Error())
		}
		id := request.Header.Get("X-Request-Id")
		if id == "" {
			id = fmt.Sprintf("truth-%d", past.started.Add(1))
		}
		sends, err := stream(to, play, question.Model, id, read)
		sends.Received = arrival
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
		_, err = fmt.Fprintf(to, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
	}
	return err
}

// stream plays the script. All bytes are made before the first deadline.
func stream(to io.Writer, play script, model, id string, read time.Time) (Sends, error) {
	sends := Sends{ID: id, Read: read.UnixNano()}
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
		event(id, model, fmt.Sprintf(`"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":%d}`, play.tokens)),
	}
	end := chunk("data: [DONE]\n\n")

	if err := writeAll(to, opening); err != nil {
		return sends, err
	}
	for i, token := range tokens {
		time.Sleep(time.Until(read.Add(play.firstToken + time.Duration(i)*play.gap)))
		sends.Last = time.Now().UnixNano()
		if _, err := to.Write(token); err != nil {
			return sends, err
		}
		sends.LastWritten = time.Now().UnixNano()
		if i == 0 {
			sends.First, sends.Written = sends.Last, sends.LastWritten
		}
	}
	if err := writeAll(to, closing); err != nil {
		return sends, err
	}
	sends.End = time.Now().UnixNano()
	err := writeAll(to, [][]byte{end})
	sends.EndWritten = time.Now().UnixNano()
	return sends, errors.Join(err, writeAll(to, [][]byte{[]byte("0\r\n\r\n")}))
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
	head := fmt.Sprintf(`"id":"%s","object":"chat.completion.chunk","created":1,"model":"%s"`, id, model)
	return chunk("data: {" + head + "," + fields + "}\n\n")
}

func chunk(content string) []byte {
	return []byte(fmt.Sprintf("%x\r\n%s\r\n", len(content), content))
}

// stampArrivals asks the kernel to stamp what the connections of a listener receive.
func stampArrivals(_, _ string, socket syscall.RawConn) error {
	var refused error
	err := socket.Control(func(fd uintptr) {
		refused = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
	})
	return errors.Join(err, refused)
}

func main() {
	listening := net.ListenConfig{Control: stampArrivals}
	listener, err := listening.Listen(context.Background(), "tcp", "127.0.0.1:0")
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
		go serve(connection.(*net.TCPConn), past) // Go sets TCP_NODELAY on each
	}
}
