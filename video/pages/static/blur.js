// Background blur on the device itself: a small segmentation model (MediaPipe Selfie Segmentation, Apache-2.0), served by us from
// /blur/. Each picture of the camera is drawn twice, the person sharp over the background unsharp, on a canvas whose stream is sent.

const MODEL = "/blur/selfie_segmentation.js";
const FRAMES_PER_S = 24;
let loading = null;

function load() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = MODEL;
    script.onload = () => (window.SelfieSegmentation ? resolve(window.SelfieSegmentation) : reject(new Error("no model")));
    script.onerror = () => { loading = null; reject(new Error("no model")); };
    document.head.append(script);
  });
  return loading;
}

export class Blur {
  constructor(track) {
    this.track = track;
    this.running = false;
  }

  async start() {
    const Segmentation = await load();
    const model = this.model = new Segmentation({ locateFile: (name) => `/blur/${name}` });
    model.setOptions({ modelSelection: 1 });
    model.onResults((found) => this.draw(found));
    await model.initialize();
    const { width = 640, height = 480 } = this.track.getSettings();
    this.canvas = Object.assign(document.createElement("canvas"), { width, height });
    this.paper = this.canvas.getContext("2d");
    this.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, srcObject: new MediaStream([this.track]) });
    await this.video.play();
    this.running = true;
    this.drawn = 0;
    this.step();
    return this.canvas.captureStream(FRAMES_PER_S).getVideoTracks()[0];
  }

  async step() {
    while (this.running) {
      const begun = performance.now();
      await this.model.send({ image: this.video });
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, 1000 / FRAMES_PER_S - (performance.now() - begun))));
    }
  }

  draw({ image, segmentationMask }) {
    const { paper, canvas: { width, height } } = this;
    paper.save();
    paper.clearRect(0, 0, width, height);
    paper.filter = "blur(4px)";
    paper.drawImage(segmentationMask, 0, 0, width, height);
    paper.globalCompositeOperation = "source-in";
    paper.filter = "none";
    paper.drawImage(image, 0, 0, width, height);
    paper.globalCompositeOperation = "destination-over";
    paper.filter = "blur(14px)";
    paper.drawImage(image, 0, 0, width, height);
    paper.restore();
    this.drawn += 1;
  }

  stop() {
    this.running = false;
    this.model?.close();
    if (this.video) this.video.srcObject = null;
  }
}
