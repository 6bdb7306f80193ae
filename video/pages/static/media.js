// The two connections to the bridge: what is sent (sound, picture in three sizes, screen) and what is seen (fixed slots).
// The bridge says which person is in which slot; tracks never change, so nobody's coming needs a new negotiation.

const LAYERS = [
  { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 1_700_000 },
];
const RESTART_MS = 2_000;

export class Media {
  /** `got(mid, track)` for each slot; `state(text)` is "up" or "lost". */
  constructor(line, { got, state }) {
    Object.assign(this, { line, got, state });
    this.servers = [];
    this.out = null;
    this.in = null;
    this.turns = new WeakMap(); // connection → its last negotiation
  }

  get lives() {
    return [this.out, this.in].every((each) => each && !["closed", "failed"].includes(each.connectionState));
  }

  async start(servers, { audio, camera, screen, screenAudio }) {
    this.stop();
    this.servers = servers;
    const out = this.out = new RTCPeerConnection({ iceServers: servers, bundlePolicy: "max-bundle" });
    const add = (kind, track, options) => out.addTransceiver(track ?? kind, { direction: "sendonly", ...options }).sender;
    this.audio = add("audio", audio);
    this.camera = add("video", camera, { sendEncodings: LAYERS.map((each) => ({ ...each })) });
    this.screen = add("video", screen, { sendEncodings: [{ maxBitrate: 2_500_000 }] });
    this.screenAudio = add("audio", screenAudio);
    this.watch(out, () => this.publish(out, true));
    const into = this.in = new RTCPeerConnection({ iceServers: servers, bundlePolicy: "max-bundle" });
    into.ontrack = ({ track, transceiver }) => this.got(transceiver.mid, track);
    this.watch(into, () => this.subscribe(into, true));
    await Promise.all([this.publish(out), this.subscribe(into)]);
  }

  /** Negotiations of one connection go one after another: two at a time would undo each other. A connection that was left has none. */
  turn(connection, does) {
    const after = (this.turns.get(connection) ?? Promise.resolve()).catch(() => {}).then(() => (this.has(connection) ? does() : undefined));
    this.turns.set(connection, after);
    return after;
  }

  has(connection) { return connection === this.out || connection === this.in; }

  publish(out, restart = false) {
    return this.turn(out, async () => {
      await out.setLocalDescription(await out.createOffer({ iceRestart: restart }));
      const { sdp } = await this.line.ask("pub", { sdp: out.localDescription.sdp });
      if (this.has(out)) await out.setRemoteDescription({ type: "answer", sdp });
    });
  }

  subscribe(into, restart = false) {
    return this.turn(into, async () => {
      const { sdp } = await this.line.ask("sub", { restart });
      if (!this.has(into)) return;
      await into.setRemoteDescription({ type: "offer", sdp });
      await into.setLocalDescription(await into.createAnswer());
      await this.line.ask("sub_answer", { sdp: into.localDescription.sdp });
    });
  }

  /** A path that is lost is sought again while the line is up: an ICE restart, not a new meeting. */
  watch(connection, restart) {
    let timer = null;
    connection.onconnectionstatechange = () => {
      const state = connection.connectionState;
      clearTimeout(timer);
      if (state === "connected") this.state(this.lives && [this.out, this.in].every((c) => c.connectionState === "connected") ? "up" : "connecting");
      if (state === "disconnected" || state === "failed") {
        this.state("lost");
        const again = () => {
          if (!this.has(connection) || connection.connectionState === "connected") return;
          restart().catch(() => {});
          timer = setTimeout(again, RESTART_MS * 2);
        };
        timer = setTimeout(again, state === "failed" ? 0 : RESTART_MS);
      }
    };
  }

  /** After the line was down: paths that do not work are sought again at once. */
  async revive() {
    const lost = (connection) => connection && connection.connectionState !== "connected";
    await Promise.all([lost(this.out) && this.publish(this.out, true), lost(this.in) && this.subscribe(this.in, true)]);
  }

  /** V13: while the own uplink is too weak nothing of the camera is encoded; the sound goes on. */
  async encode(active) {
    const parameters = this.camera?.getParameters();
    if (!parameters?.encodings?.length) return;
    for (const each of parameters.encodings) each.active = active;
    await this.camera.setParameters(parameters);
  }

  async send(what, track) { await this[what]?.replaceTrack(track); }

  stop() {
    for (const each of [this.out, this.in]) each?.close();
    this.out = this.in = null;
  }
}
