// The pictures on the stage: one tile a person, one more for a shared screen; three layouts; what of them is asked of the bridge.
import { element, icon } from "./words.js";

const SHOWN_MAX = matchMedia("(max-width: 45rem)").matches ? 4 : 9;
export const SLOTS = SHOWN_MAX + 1; // and one for a screen

export class Tiles {
  /** `want(list)` tells the bridge; `menu(pid)` opens what can be done about a person. */
  constructor(place, { me, want, menu }) {
    Object.assign(this, { place, me, want, menu });
    this.people = new Map();
    this.tiles = new Map(); // "pid/source" → element
    this.tracks = new Map(); // mid → track
    this.inSlot = new Map(); // "pid/source" → mid
    this.paused = new Set();
    this.speaking = [];
    this.pins = []; // at most two: of focus the last, of dual both
    this.layout = "gallery";
    this.asked = "";
  }

  track(mid, track) { this.tracks.set(mid, track); this.fill(); }

  slots(slots) {
    this.inSlot = new Map(slots.filter((s) => s.kind === "video" && s.pid).map((s) => [`${s.pid}/${s.source}`, s.mid]));
    this.fill();
  }

  show(people) {
    this.people = new Map(people.map((each) => [each.pid, each]));
    this.pins = this.pins.filter((key) => this.people.has(key.split("/")[0]));
    this.lay();
  }

  speak(pids) { this.speaking = pids; this.marks(); if (this.layout === "focus" && !this.pins.length) this.lay(); }
  pause(pid, paused) { this.paused[paused ? "add" : "delete"](pid); this.marks(); }
  own(track) { this.ownTrack = track; this.fill(); }
  arrange(layout) { this.layout = layout; this.lay(); }

  pin(key) {
    this.pins = this.pins.includes(key) ? this.pins.filter((each) => each !== key) : [...this.pins, key].slice(-2);
    this.lay();
  }

  /** Who is shown, in which order: screens, what is pinned, who speaks, the others, oneself last. */
  order() {
    const keys = [];
    for (const { pid, screen } of this.people.values()) if (screen && pid !== this.me) keys.push(`${pid}/screen`);
    const cameras = [...this.people.keys()].sort((a, b) => (a === this.me) - (b === this.me) || this.loud(a) - this.loud(b));
    keys.push(...cameras.map((pid) => `${pid}/camera`));
    return [...this.pins.filter((key) => keys.includes(key)), ...keys.filter((key) => !this.pins.includes(key))];
  }

  loud(pid) { const at = this.speaking.indexOf(pid); return at < 0 ? 99 : at; }

  lay() {
    const all = this.order();
    const layout = this.layout === "gallery" && (this.pins.length || all.some((key) => key.endsWith("/screen"))) ? "focus" : this.layout;
    let shown = all.slice(0, SHOWN_MAX + 1);
    if (layout === "dual") shown = all.filter((key) => key !== `${this.me}/camera`).concat(`${this.me}/camera`).slice(0, 2);
    this.place.dataset.layout = layout;
    this.place.dataset.count = shown.length;
    this.place.style.setProperty("--rows", Math.max(1, shown.length - 1));
    for (const [key, tile] of this.tiles) if (!shown.includes(key)) { tile.remove(); this.tiles.delete(key); }
    shown.forEach((key, i) => {
      const tile = this.tiles.get(key) ?? this.make(key);
      tile.classList.toggle("main", layout === "focus" && i === 0);
      if (this.place.children[i] !== tile) this.place.insertBefore(tile, this.place.children[i] ?? null);
    });
    this.marks();
    this.fill();
    const most = (i) => (layout === "focus" ? (i === 0 ? "high" : "low") : shown.length <= 2 ? "high" : shown.length <= 4 ? "mid" : "low");
    const wanted = shown.flatMap((key, i) => {
      const [pid, source] = key.split("/");
      return pid === this.me ? [] : [{ pid, source, most: source === "screen" ? "high" : most(i) }];
    });
    const text = JSON.stringify(wanted);
    if (text !== this.asked) { this.asked = text; this.want(wanted); }
  }

  make(key) {
    const [pid, source] = key.split("/");
    const video = element("video", { autoplay: true, playsinline: true, muted: true });
    video.muted = true;
    const tile = element("div", { class: `tile ${source}`, role: "listitem" }, video,
      element("p", { class: "face", "aria-hidden": "true" }), element("p", { class: "veil" }), element("p", { class: "name" }),
      element("button", { type: "button", class: "more", onclick: () => this.menu(pid, key) }, icon("more")));
    tile.ondblclick = () => this.pin(key);
    this.tiles.set(key, tile);
    return tile;
  }

  marks() {
    for (const [key, tile] of this.tiles) {
      const [pid, source] = key.split("/");
      const person = this.people.get(pid);
      if (!person) continue;
      const name = person.name || "Namn saknas";
      const who = pid === this.me ? `${name} (du)` : name;
      const title = person.title ? `, ${person.title}` : "";
      tile.classList.toggle("hand", person.hand && source === "camera");
      tile.classList.toggle("speaks", this.speaking.includes(pid) && source === "camera");
      const signs = source === "screen" ? [] : [this.pins.includes(key) && "pin", person.hand && "hand", !person.audio && "mic"].filter(Boolean);
      const text = source === "screen" ? `${name} delar skärm` : `${who}${title}`;
      const label = tile.querySelector(".name");
      if (label.dataset.now !== signs + text) { label.dataset.now = signs + text; label.replaceChildren(...signs.map((sign) => { const made = icon(sign); if (sign === "mic") made.classList.add("struck"); return made; }), element("span", {}, text)); }
      tile.querySelector(".face").textContent = name.split(" ").map((w) => w[0]).slice(0, 2).join("").toUpperCase();
      const off = source === "camera" && !person.camera;
      const weak = this.paused.has(pid) && !off && source === "camera";
      tile.querySelector(".veil").textContent = person.away ? "Ansluter igen …" : weak ? "Bilden är avstängd på grund av svagt nät. Ljudet fortsätter." : "";
      tile.classList.toggle("off", off || weak || person.away);
      tile.classList.toggle("pinned", this.pins.includes(key));
      tile.querySelector(".more").setAttribute("aria-label", `Alternativ för ${name}`);
      tile.setAttribute("aria-label", `${source === "screen" ? "Skärm från " : ""}${who}${title}${person.hand ? ", har räckt upp handen" : ""}${person.audio ? "" : ", mikrofonen är av"}`);
    }
  }

  fill() {
    for (const [key, tile] of this.tiles) {
      const own = key === `${this.me}/camera`;
      const track = own ? this.ownTrack : this.tracks.get(this.inSlot.get(key));
      const video = tile.querySelector("video");
      const now = video.srcObject?.getVideoTracks()[0] ?? null;
      if (now !== (track ?? null)) { video.srcObject = track ? new MediaStream([track]) : null; if (track) video.play().catch(() => {}); }
      video.classList.toggle("own", own);
      tile.classList.toggle("empty", !track);
    }
  }
}
