// Camera, microphone, speaker and background: what this device has, what was chosen, and the tracks that are sent.
import { CAMERA_FAULTS } from "./words.js";
import { Blur } from "./blur.js";

const KEPT = "video-devices";
const kept = () => { try { return JSON.parse(localStorage.getItem(KEPT)) ?? {}; } catch { return {}; } };

export class Devices {
  constructor() {
    const { mic, cam, speaker, background } = kept();
    this.chosen = { mic, cam, speaker, background: background ?? "none" };
    this.audio = null;
    this.camera = null; // the camera's own track
    this.shown = null; // what is sent: the same, or with the background made unsharp
    this.blur = null;
  }

  keep() { try { localStorage.setItem(KEPT, JSON.stringify(this.chosen)); } catch { /* private window */ } }

  /** Opens what is there; without a camera the microphone alone. Returns what is wrong, in words, or "". */
  async open({ audio = true, video = true } = {}) {
    const wish = (id) => (id ? { deviceId: { ideal: id } } : {});
    const sound = { ...wish(this.chosen.mic), echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    const picture = { ...wish(this.chosen.cam), width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
    let fault = "";
    let stream = null;
    for (const wanted of [{ audio: audio && sound, video: video && picture }, { audio: audio && sound }, { video: video && picture }]) {
      if (!wanted.audio && !wanted.video) continue;
      try { stream = await navigator.mediaDevices.getUserMedia(wanted); break; } catch (error) {
        fault ||= CAMERA_FAULTS[error.name] ?? "Kamera och mikrofon kan inte användas.";
      }
    }
    const [heard] = stream?.getAudioTracks() ?? [];
    const [seen] = stream?.getVideoTracks() ?? [];
    if (heard) { this.audio?.stop(); this.audio = heard; this.chosen.mic = heard.getSettings().deviceId; }
    if (seen) { this.camera?.stop(); this.camera = seen; this.chosen.cam = seen.getSettings().deviceId; await this.dress(); }
    return fault;
  }

  /** The picture that is sent: as it is, or blurred. */
  async dress() {
    this.blur?.stop();
    this.blur = null;
    this.shown = this.camera;
    if (this.camera && this.chosen.background === "blur") {
      try {
        this.blur = new Blur(this.camera);
        this.shown = await this.blur.start();
      } catch (error) {
        this.blur = null;
        this.chosen.background = "none";
        console.warn("background", error.message);
      }
    }
  }

  async list() {
    const all = await navigator.mediaDevices.enumerateDevices();
    const of = (kind) => all.filter((each) => each.kind === kind && each.deviceId);
    return { mic: of("audioinput"), cam: of("videoinput"), speaker: of("audiooutput") };
  }

  /** Fill the lists, and tell `changed(what)` of a choice. */
  async fill({ mic, cam, speaker, speakerRow, background }, changed) {
    const lists = await this.list();
    const put = (select, list, chosen, word) => {
      select.replaceChildren(...list.map((each, i) => new Option(each.label || `${word} ${i + 1}`, each.deviceId, false, each.deviceId === chosen)));
      select.disabled = list.length === 0;
      if (!list.length) select.add(new Option(`Ingen ${word.toLowerCase()} hittades`));
    };
    put(mic, lists.mic, this.chosen.mic, "Mikrofon");
    put(cam, lists.cam, this.chosen.cam, "Kamera");
    const chooses = "setSinkId" in HTMLMediaElement.prototype && lists.speaker.length > 0;
    speakerRow.hidden = !chooses; // iOS and Android choose by themselves
    if (chooses) put(speaker, lists.speaker, this.chosen.speaker, "Högtalare");
    background.value = this.chosen.background;
    mic.onchange = async () => { this.chosen.mic = mic.value; this.keep(); await this.open({ video: false }); changed("mic"); };
    cam.onchange = async () => { this.chosen.cam = cam.value; this.keep(); await this.open({ audio: false }); changed("cam"); };
    speaker.onchange = () => { this.chosen.speaker = speaker.value; this.keep(); changed("speaker"); };
    background.onchange = async () => { this.chosen.background = background.value; this.keep(); await this.dress(); background.value = this.chosen.background; changed("cam"); };
  }

  /** How loud the microphone is, ten times a second. Returns how to stop. */
  meter(show) {
    if (!this.audio) return () => {};
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(new MediaStream([this.audio])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      show(Math.min(100, Math.sqrt(samples.reduce((sum, each) => sum + each * each, 0) / samples.length) * 400));
    }, 100);
    return () => { clearInterval(timer); context.close(); };
  }
}
