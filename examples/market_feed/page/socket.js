// The WebSocket, in a worker of its own so that it can really stop reading: while the worker sleeps, the
// browser's room for its messages fills up, then TCP's, and what does not fit there stays with the server.
//
// Takes {open: url, protocol, id}, {send: text}, {close: code} and {sleep: milliseconds}.
// Gives {id, text}, {id, closed: true} and {woke: true}.

let socket = null;

onmessage = ({ data }) => {
  if (data.open) open(data);
  else if (data.send && socket?.readyState === WebSocket.OPEN) socket.send(data.send);
  else if (data.close) leave(data.close);
  else if (data.sleep) sleep(data.sleep);
};

function open({ open: url, protocol, id }) {
  leave();
  try {
    socket = new WebSocket(url, protocol);
  } catch {
    postMessage({ id, closed: true }); // an address that is no address
    return;
  }
  socket.onmessage = (event) => postMessage({ id, text: event.data });
  socket.onclose = () => postMessage({ id, closed: true });
}

function leave(code = 1000) {
  if (socket === null) return;
  socket.onmessage = socket.onclose = null;
  socket.close(code);
  socket = null;
}

/** Does nothing at all, not even what events ask for. */
function sleep(time) {
  const end = performance.now() + time;
  try {
    const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    Atomics.wait(new Int32Array(buffer), 0, 0, time);
  } catch { /* no shared memory here */ }
  while (performance.now() < end); // then it keeps itself busy instead
  postMessage({ woke: true });
}
