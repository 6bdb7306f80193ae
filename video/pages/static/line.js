// The signalling line: numbered messages, answers as promises, and a line that comes back by itself (the same seat, what was missed).
import { post } from "./words.js";

const RETRY_MS = [300, 700, 1500, 3000, 5000];
const ANSWER_MS = 15_000;
const FINAL = { 4000: "refused", 4004: "exit" };

export class Line {
  /** `on` maps message types to functions; `hello` gives the hello's content each time; `ended(reason)` is final. */
  constructor(room, { on, hello, ended, state }) {
    Object.assign(this, { room, on, hello, ended, state });
    this.id = 0;
    this.waiting = new Map();
    this.tries = 0;
    this.closed = false;
    this.ready = false;
    addEventListener("online", () => { if (!this.closed && !this.ready) this.again(0); });
  }

  async open() {
    if (this.closed) return;
    clearTimeout(this.timer);
    let token;
    try {
      const { ok, status, body } = await post(`/meet/${this.room}/token`);
      if (status === 403 || status === 401) return this.end("expired");
      if (!ok) throw new Error("token");
      token = body.token;
    } catch { return this.again(); }
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const ws = this.ws = new WebSocket(`${scheme}://${location.host}/ws?token=${encodeURIComponent(token)}`);
    this.id = 0;
    ws.onopen = async () => {
      try {
        const welcome = await this.ask("hello", this.hello(), ws);
        this.tries = 0;
        this.ready = true;
        this.state("up");
        this.on.welcome?.(welcome);
      } catch { /* the close says why */ }
    };
    ws.onmessage = ({ data }) => this.hear(JSON.parse(data));
    ws.onclose = ({ code, reason }) => {
      if (this.ws !== ws) return;
      this.ready = false;
      for (const { reject } of this.waiting.values()) reject(new Error("line"));
      this.waiting.clear();
      if (this.closed) return;
      if (FINAL[code]) return this.end(reason || this.exit || "closed");
      this.state("down");
      this.again();
    };
  }

  hear(message) {
    if (message.type === "exit") this.exit = message.why;
    const waiter = message.re !== undefined ? this.waiting.get(message.re) : undefined;
    if (waiter) {
      this.waiting.delete(message.re);
      clearTimeout(waiter.timer);
      if (message.type === "error") waiter.reject(Object.assign(new Error(message.reason), { reason: message.reason }));
      else waiter.resolve(message);
      return;
    }
    this.on[message.type]?.(message);
  }

  /** Ask and wait for the answer. */
  ask(type, content = {}, ws = this.ws) {
    if (!ws || ws.readyState !== WebSocket.OPEN) return Promise.reject(new Error("line"));
    const id = ++this.id;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { this.waiting.delete(id); reject(new Error("timeout")); }, ANSWER_MS);
      this.waiting.set(id, { resolve, reject, timer });
      ws.send(JSON.stringify({ v: 1, id, type, ...content }));
    });
  }

  /** Say something whose refusal is told by `on.refused`. */
  say(type, content = {}) {
    return this.ask(type, content).catch((error) => { if (error.reason) this.on.refused?.(type, error.reason); });
  }

  again(delay = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)]) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), delay);
  }

  end(reason) {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.timer);
    this.ws?.close();
    this.ended(reason);
  }
}
