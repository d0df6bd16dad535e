// A JSON-RPC 2.0 server that knows nothing of tautline: Go's golang.org/x/net/websocket, GOPATH mode.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"

	"golang.org/x/net/websocket"
)

type frame struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  any             `json:"result,omitempty"`
	Error   any             `json:"error,omitempty"`
}

func serve(ws *websocket.Conn) {
	var mutex sync.Mutex
	cancels := map[string]chan bool{}
	send := func(f frame) {
		mutex.Lock()
		defer mutex.Unlock()
		f.Version = "2.0"
		websocket.JSON.Send(ws, f)
	}
	for in := (frame{}); websocket.JSON.Receive(ws, &in) == nil; in = (frame{}) {
		switch in.Method {
		case "sum":
			var numbers []float64
			json.Unmarshal(in.Params, &numbers)
			total := 0.0
			for _, n := range numbers {
				total += n
			}
			send(frame{ID: in.ID, Result: total})
		case "slow":
			cancel := make(chan bool)
			cancels[string(in.ID)] = cancel
			go func(id json.RawMessage) { <-cancel; send(frame{Method: "cancelled", Params: json.RawMessage(`{}`)}) }(in.ID)
		case "$/cancelRequest":
			var params struct{ ID json.RawMessage }
			json.Unmarshal(in.Params, &params)
			close(cancels[string(params.ID)])
		default:
			send(frame{ID: in.ID, Error: map[string]any{"code": -32601, "message": "Method not found"}})
		}
	}
}

func main() {
	listener, _ := net.Listen("tcp", "127.0.0.1:0")
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	http.Serve(listener, websocket.Handler(serve))
}
