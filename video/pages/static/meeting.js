// The meeting's page: device check, waiting, meeting, over. It holds the parts together; each part is a module of its own.
import { Devices } from "./devices.js";
import { Line } from "./line.js";
import { Media } from "./media.js";
import { SLOTS, Tiles } from "./tiles.js";
import { $, AGAIN, REASONS, clock, element, icon, when } from "./words.js";

const { room, role } = document.body.dataset;
const NOT_SENT = "Meddelandet skickades inte. Försök igen.";
const MUTED = "Vårdpersonalen har stängt av din mikrofon.";
const AGAIN_MS = 500;
const devices = new Devices();
const sends = { audio: true, camera: true, screen: false };
let line, media, tiles, me, state, screenTracks, stopMeter = () => {}, unread = 0, panel = null, joined = false, cameBack = false, micBefore, sending = "";

// --- device check ------------------------------------------------------------------------------------------------------------------

const lists = { mic: $("mic"), cam: $("cam"), speaker: $("speaker"), speakerRow: $("speaker-row"), background: $("background") };

async function check() {
  $("check-fault").textContent = await devices.open();
  await devices.fill(lists, changed);
  if (!devices.audio) sends.audio = false;
  if (!devices.camera) sends.camera = false;
  preview();
}

function preview() {
  const shows = sends.camera && devices.shown;
  $("preview").srcObject = shows ? new MediaStream([devices.shown]) : null;
  $("preview-off").hidden = Boolean(shows);
  stopMeter();
  stopMeter = devices.meter((level) => { $("level").value = sends.audio ? level : 0; });
  press($("check-mic"), sends.audio, "Mikrofon på", "Mikrofon av");
  press($("check-cam"), sends.camera, "Kamera på", "Kamera av");
}

function press(button, on, wordOn, wordOff) {
  button.setAttribute("aria-pressed", String(on));
  (button.querySelector("b") ?? button).textContent = on ? wordOn : wordOff;
  button.classList.toggle("is-off", !on);
}

$("check-mic").onclick = () => { sends.audio = !sends.audio && Boolean(devices.audio); preview(); };
$("check-cam").onclick = () => { sends.camera = !sends.camera && Boolean(devices.camera); preview(); };
$("connect").onclick = () => connect();

/** Another device or background was chosen, before or in the meeting. */
async function changed(what) {
  if (what === "speaker") return speakers();
  if (media?.out) {
    devices.audio && (devices.audio.enabled = sends.audio);
    await (what === "mic" ? media.send("audio", devices.audio) : media.send("camera", sends.camera ? devices.shown : null));
  }
  tiles?.own(sends.camera ? devices.shown : null);
  if (!joined) preview();
}

// --- the line ----------------------------------------------------------------------------------------------------------------------

function connect() {
  stopMeter();
  show("wait");
  says("Ansluter …");
  line = new Line(room, {
    hello: () => ({ resume: Boolean(media?.lives), last_chat: 0, video_slots: SLOTS, title: $("title")?.value ?? "" }),
    state: lineState,
    ended: over,
    on: {
      welcome: (message) => { me = message.pid; media && (media.servers = message.ice_servers); devices.servers = message.ice_servers; },
      state: (message) => seen(message),
      fresh: () => media?.stop(),
      slots: ({ slots }) => { tiles?.slots(slots); },
      speaking: ({ pids }) => tiles?.speak(pids),
      paused: ({ pid, paused, own }) => {
        tiles?.pause(pid, paused);
        if (pid === me && own) media?.encode(!paused).catch(() => {});
        if (pid === me && own) banner(paused ? "Ditt nät är svagt: din bild är avstängd, ljudet fortsätter." : "");
      },
      quality: (message) => quality(message),
      media: ({ state: how }) => { if (how === "lost") mediaState("lost"); },
      chat: (said) => lineSaid(said),
      history: ({ lines }) => lines.forEach((said) => lineSaid(said, true)),
      asked: () => asked(true),
      error: ({ reason }) => { if (reason === "busy") banner("Ljud och bild kan inte startas just nu: många möten pågår. Försök igen om en stund."); },
      refused: (_type, reason) => banner(REASONS[reason]?.[1] ?? "Det gick inte just nu."),
    },
  });
  line.open();
}

function lineState(how) {
  banner(how === "down" ? "Anslutningen bröts. Ansluter igen …" : "");
  cameBack = how === "up" && joined;
}

async function seen(message) {
  const before = state;
  state = message;
  me = message.you.pid;
  if (message.you.place !== "inside") return wait(message);
  const back = cameBack;
  cameBack = false;  // before anything is awaited: the next message must not revive what is just being made
  if (!joined || !media?.lives) {
    await join();
    if (message !== state) return;  // a later one was shown meanwhile
  } else if (back) {
    tiles.asked = "";
    line.say("sources", sends);
    media.revive().catch(() => {});
  }
  const names = (list) => new Map((list ?? []).map((each) => [each.pid, each]));
  tell(names(before?.people), names(message.people), before);
  tiles.show(message.people);
  panels();
  asked(message.you.asked);
  if (message.you.muted && sends.audio) { sends.audio = false; sendAudio(false); says(MUTED); banner(MUTED); }
  buttons();
}

function wait({ you, window: { opens_at, closes_at }, now }) {
  show("wait");
  const opens = new Date(opens_at) > new Date(now);
  $("wait-title").textContent = you.place === "lobby" ? "Du är i lobbyn" : "Väntrum";
  says(you.place === "lobby"
    ? "Vänta här. Vårdpersonalen släpper in dig i mötet."
    : opens ? `Mötet öppnar ${when(opens_at, now)}. Du kommer in när vårdpersonalen öppnar mötet.`
      : `Mötet öppnas av vårdpersonalen. Du kommer in av dig själv. Det går att ansluta till ${when(closes_at, now)}.`);
}

let joining = null;
function join() {
  joining ??= (async () => {
    show("meet");
    tiles ??= new Tiles($("tiles"), { me, want: (wanted) => line.say("want", { wanted }), menu });
    tiles.me = me;
    media ??= new Media(line, { got, state: mediaState });
    if (devices.audio) devices.audio.enabled = sends.audio;
    tiles.own(sends.camera ? devices.shown : null);
    if (!joined) { joined = true; $("meet-title").focus(); }
    while (line.ready && state.you.place === "inside" && !media.lives) {
      tiles.asked = "";
      try {
        await media.start(devices.servers ?? [], { audio: devices.audio, camera: sends.camera ? devices.shown : null, screen: screenTracks?.video, screenAudio: screenTracks?.audio });
        await line.ask("sources", sends);
      } catch (error) {
        media.stop();  // half a connection helps nobody: a line that broke comes back and begins anew
        if (error.reason) { banner("Ljud och bild kunde inte startas. Ladda om sidan."); break; }
        await new Promise((done) => { setTimeout(done, AGAIN_MS); });
      }
    }
  })().finally(() => { joining = null; });
  return joining;
}

function got(mid, track) {
  if (track.kind === "video") return tiles.track(mid, track);
  const sound = element("audio", { autoplay: true });
  sound.srcObject = new MediaStream([track]);
  sound.dataset.mid = mid;
  $("sounds").querySelector(`[data-mid="${mid}"]`)?.remove();
  $("sounds").append(sound);
  sound.play().catch(() => banner("Klicka någonstans på sidan för att höra ljudet."));
  speakers();
}
addEventListener("click", () => { for (const sound of $("sounds").children) if (sound.paused) sound.play().catch(() => {}); });

function speakers() {
  for (const sound of $("sounds").children) if (devices.chosen.speaker && sound.setSinkId) sound.setSinkId(devices.chosen.speaker).catch(() => {});
}

function mediaState(how) {
  if (how === "lost") banner("Ljud och bild bröts. Söker en ny väg …");
  if (how === "up") banner("");
  document.body.dataset.media = how;
}

function over(reason) {
  joined = false;
  media?.stop();
  for (const track of Object.values(screenTracks ?? {})) track?.stop();
  devices.audio?.stop(); devices.camera?.stop(); devices.blur?.stop();
  const [title, text] = REASONS[reason] ?? ["Mötet är slut", "Anslutningen är stängd."];
  $("over-title").textContent = title;
  $("over-text").textContent = text;
  $("again").hidden = !AGAIN.has(reason);
  $("over-close").hidden = AGAIN.has(reason);
  show("over");
  $("over-title").focus();
}
$("again").onclick = () => location.reload();
$("wait-leave").onclick = () => { line.say("leave"); setTimeout(() => line.end("left"), 300); };
$("leave").onclick = () => { line.say("leave"); setTimeout(() => line.end("left"), 500); };
$("end")?.addEventListener("click", () => {
  details("Avsluta mötet för alla?", element("p", {}, "Alla deltagare kopplas från."),
    element("button", { type: "button", class: "bad", onclick: () => { $("details").close(); line.say("end"); } }, "Avsluta för alla"));
});

function show(name) {
  for (const section of ["check", "wait", "meet", "over"]) $(section).hidden = section !== name;
  document.body.dataset.section = name;
}
function says(text) { const place = $("meet").hidden ? $("wait-text") : $("says"); if (place.textContent !== text) place.textContent = text; }
function banner(text) { $("line-state").textContent = text; $("line-state").hidden = !text; }

/** What a screen reader hears of those who come, go and raise a hand. */
function tell(before, now, first) {
  if (!first?.people) return;
  const news = [];
  for (const [pid, each] of now) {
    if (!before.has(pid)) news.push(`${each.name} har anslutit.`);
    else if (each.hand && !before.get(pid).hand) news.push(`${each.name} räcker upp handen.`);
  }
  for (const [pid, each] of before) if (!now.has(pid)) news.push(`${each.name} har lämnat.`);
  const waiting = (state.lobby ?? []).length - (first.lobby ?? []).length;
  if (waiting > 0) { news.push("Någon väntar i lobbyn."); if (panel !== "people") toggle("people", true); }
  if (news.length) says(news.join(" "));
}

// --- the bar -----------------------------------------------------------------------------------------------------------------------

function sendAudio(on) { if (devices.audio) devices.audio.enabled = on; }

async function setAudio(on) {
  if (on && !devices.audio) { banner(await devices.open({ video: false }) || ""); await media.send("audio", devices.audio); }
  sends.audio = on && Boolean(devices.audio);
  sendAudio(sends.audio);
  if (sends.audio && $("line-state").textContent === MUTED) banner("");
  await line.say("sources", sends);
  buttons();
}
$("mute").onclick = () => setAudio(!sends.audio);
$("camera").onclick = async () => {
  sends.camera = !sends.camera;
  if (sends.camera && devices.camera?.readyState !== "live") banner(await devices.open({ audio: false }) || "");
  if (!devices.camera) sends.camera = false;
  if (!sends.camera) { devices.blur?.stop(); devices.camera?.stop(); } // the lamp goes out
  await media.send("camera", sends.camera ? devices.shown : null);
  tiles.own(sends.camera ? devices.shown : null);
  await line.say("sources", sends);
  buttons();
};
$("screen").hidden = !navigator.mediaDevices?.getDisplayMedia;
$("screen").onclick = () => (sends.screen ? stopScreen() : startScreen());

async function startScreen() {
  let stream;
  try { stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: 15 } }, audio: true, systemAudio: "include" }); } catch { return; }
  screenTracks = { video: stream.getVideoTracks()[0], audio: stream.getAudioTracks()[0] ?? null };
  screenTracks.video.contentHint = "detail";
  screenTracks.video.onended = stopScreen;
  await media.send("screen", screenTracks.video);
  await media.send("screenAudio", screenTracks.audio);
  sends.screen = true;
  await line.say("sources", sends);
  buttons();
}
async function stopScreen() {
  for (const track of Object.values(screenTracks ?? {})) track?.stop();
  screenTracks = null;
  sends.screen = false;
  await media.send("screen", null);
  await media.send("screenAudio", null);
  await line.say("sources", sends);
  buttons();
}
$("hand").onclick = () => line.say("hand", { up: !state.you.hand });
$("layout").onchange = () => tiles.arrange($("layout").value);

function buttons() {
  press($("mute"), sends.audio, "Mikrofon på", "Mikrofon av");
  press($("camera"), sends.camera, "Kamera på", "Kamera av");
  press($("screen"), sends.screen, "Sluta dela", "Dela skärm");
  $("screen").classList.toggle("is-off", false);
  press($("hand"), Boolean(state?.you.hand), "Ta ner handen", "Räck upp handen");
  $("hand").classList.toggle("is-off", false);
  $("hand").classList.toggle("is-up", Boolean(state?.you.hand));
}

function asked(yes) {
  $("asked").hidden = !yes || sends.audio;
  if (!$("asked").hidden && $("line-state").textContent === MUTED) banner("");
}
$("asked-yes").onclick = () => { asked(false); setAudio(true); };
$("asked-no").onclick = () => asked(false);

// --- panels ------------------------------------------------------------------------------------------------------------------------

for (const name of ["people", "chat", "settings"]) $(`show-${name}`).onclick = () => toggle(name);
$("side-close").onclick = () => closePanel();
$("bring")?.addEventListener("click", async () => {
  const { invite } = await import("./invite.js").catch(() => ({ invite: () => banner(REASONS.away.join(". ")) }));
  invite(room);
});
function closePanel() { const was = panel; toggle(was); $(`show-${was}`).focus(); }

function toggle(name, quiet = false) {
  panel = panel === name && !quiet ? null : name;
  $("side").hidden = !panel;
  for (const each of ["people", "chat", "settings"]) {
    $(`panel-${each}`).hidden = panel !== each;
    $(`show-${each}`).setAttribute("aria-expanded", String(panel === each));
  }
  if (panel === "chat") { unread = 0; $("unread").textContent = ""; }
  if (panel === "settings") { $("settings-place").append(document.querySelector("#check .choices") ?? ""); devices.fill(lists, changed); }
  if (panel && !quiet) $(`panel-${panel}`).querySelector("h2").focus();
}
addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, dialog");
  if (event.key === "Escape" && panel && !document.querySelector("dialog[open]")) closePanel();
  if (typing || !joined || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.code === "Space" && event.target === document.body && !event.repeat) { event.preventDefault(); micBefore = sends.audio; if (!sends.audio) setAudio(true); }
});
addEventListener("keyup", (event) => { if (event.code === "Space" && micBefore === false) { micBefore = undefined; setAudio(false); } });

function panels() {
  $("count").textContent = state.people.length;
  const staff = role === "staff";
  const waits = staff ? [...state.lobby, ...state.waiting.map((each) => ({ ...each, patient: true }))] : [];
  $("lobby").replaceChildren(waits.length ? element("section", { "aria-labelledby": "lobby-title" }, element("h3", { id: "lobby-title" }, "Lobby"),
    element("ul", {}, ...waits.map((each) => element("li", {}, element("span", {}, `${each.name || "Namn saknas"}${each.patient ? " (patient)" : ""}`),
      each.patient ? "" : element("span", { class: "row" },
        element("button", { type: "button", "aria-label": `Släpp in ${each.name}`, onclick: () => line.say("admit", { pid: each.pid }) }, "Släpp in"),
        element("button", { type: "button", class: "quiet", "aria-label": `Neka ${each.name}`, onclick: () => line.say("deny", { pid: each.pid }) }, "Neka")))))) : "");
  $("people").replaceChildren(...state.people.map((each) => element("li", {},
    element("span", { class: each.hand ? "hand" : "" }, each.hand ? icon("hand") : "", `${each.name || "Namn saknas"}${each.pid === me ? " (du)" : ""}${each.title ? `, ${each.title}` : ""}${each.audio ? "" : " – mikrofonen är av"}`,
      each.phone ? element("a", { href: `tel:${each.phone}`, class: "phone" }, `Ring ${each.phone}`) : ""),
    element("button", { type: "button", class: "quiet", "aria-label": `Alternativ för ${each.name}`, onclick: () => menu(each.pid, `${each.pid}/camera`) }, icon("more")))));
  const gone = state.gone ?? [];
  $("gone").replaceChildren(gone.length ? element("section", {}, element("h3", {}, "Har lämnat"),
    element("ul", {}, ...gone.map((each) => element("li", {}, `${each.name || "Namn saknas"}, kl. ${clock(each.at)}`)))) : "");
}

function menu(pid, key) {
  const each = state.people.find((p) => p.pid === pid);
  if (!each) return;
  const act = (word, does, kind = "quiet") => element("button", { type: "button", class: kind, onclick: () => { $("details").close(); does(); } }, word);
  const staff = role === "staff" && pid !== me;
  details(each.name || "Namn saknas",
    each.phone ? element("p", {}, "Telefon: ", element("a", { href: `tel:${each.phone}` }, each.phone)) : "",
    element("div", { class: "stack" },
      act(tiles.pins.includes(key) ? "Lossa bilden" : "Fäst bilden", () => tiles.pin(key)),
      act("Visa större bild", () => { if (!tiles.pins.includes(key)) tiles.pin(key); $("layout").value = "focus"; tiles.arrange("focus"); }),
      act("Helskärm", () => tiles.tiles.get(key)?.requestFullscreen?.()),
      staff && each.audio ? act("Stäng av mikrofonen", () => line.say("mute_other", { pid })) : "",
      staff && !each.audio ? act("Be om att sätta på mikrofonen", () => line.say("ask_unmute", { pid })) : "",
      staff && each.hand ? act("Ta ner handen", () => line.say("lower_hand", { pid })) : "",
      staff && each.role !== "staff" ? act("Ta bort från mötet", () => line.say("remove", { pid }), "bad") : ""));
}
function details(title, ...content) {
  $("details-title").textContent = title;
  $("details-body").replaceChildren(...content);
  $("details").showModal();
}
$("details-close").onclick = () => $("details").close();

function lineSaid(said, old = false) {
  const lines = [...$("lines").children];
  if (lines.some((line) => Number(line.dataset.number) === said.number)) return;
  if (said.pid === me && $("chat-fault").textContent && said.text === $("chat-text").value.trim()) sent(said.text); // it was kept: only the answer was lost
  const after = lines.findLast((line) => Number(line.dataset.number) < said.number); // what an earlier bridge kept may come late
  const line = element("li", { "data-number": said.number, class: said.pid === me ? "mine" : "" }, element("b", {}, `${said.name} `), element("time", { datetime: said.at }, clock(said.at)), element("p", {}, said.text));
  after ? after.after(line) : $("lines").prepend(line);
  $("lines").lastChild.scrollIntoView({ block: "nearest" });
  if (panel !== "chat" && !old && said.pid !== me) { unread += 1; $("unread").textContent = unread; says(`Nytt meddelande från ${said.name}.`); }
}
/** What was written meanwhile stays. */
function sent(text) {
  if ($("chat-text").value.trim() === text) $("chat-text").value = "";
  $("chat-fault").textContent = "";
}
$("chat-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("chat-text").value.trim();
  if (!text || sending) return;
  sending = text;
  $("chat-fault").textContent = "";
  line.ask("chat", { text }).then(() => sent(text), () => {
    $("chat-fault").textContent = NOT_SENT;
    if (panel !== "chat") banner(NOT_SENT);
  }).finally(() => { sending = ""; });
});
$("chat-text").addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); $("chat-form").requestSubmit(); } });

function quality({ loss_up, loss_down, rtt_s }) {
  const worst = Math.max(loss_up, loss_down);
  const grade = worst > 0.08 || rtt_s > 0.6 ? "bad" : worst > 0.02 || rtt_s > 0.3 ? "fair" : "good";
  document.body.dataset.quality = grade;
  if (grade === "bad") banner("Nätet är svagt. Pröva att byta plats, eller att stänga av wifi.");
  else if ($("line-state").textContent.startsWith("Nätet är svagt")) banner("");
}

addEventListener("beforeunload", () => { line?.closed || (line && (line.closed = true)); });
globalThis.meeting = { get state() { return state; }, get media() { return media; }, get line() { return line; }, get tiles() { return tiles; }, devices, sends };
check().finally(() => { $("connect").disabled = false; });
