"""How a body is cut into messages: server-sent events, NDJSON, binary event streams."""
