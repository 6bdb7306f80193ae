// Keeps a page current without flicker: fetches it again, and replaces only the parts marked data-live that changed.
// A part that holds the focus, an opened letter or a selection waits until it does not. Without this script the pages work all the same.

const EVERY_MS = 2000;
let paused = false;
let tag = "";

const pause = document.getElementById("pause");
if (pause) {
  const [pauseText, goOnText] = [pause.textContent, pause.dataset.resume ?? "Resume updates"];
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? goOnText : pauseText;
  });
}

const busy = (part) =>
  (part.contains(document.activeElement) && !document.activeElement.matches(".scroll")) ||
  part.querySelector("details[open]") ||
  (getSelection()?.type === "Range" && part.contains(getSelection().anchorNode));

async function refresh() {
  if (paused || document.hidden) return;
  const answer = await fetch(location.href, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  let left = false;
  for (const part of document.querySelectorAll("[data-live]")) {
    const now = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!now || now.innerHTML === part.innerHTML) continue;
    if (busy(part)) {
      left = true;
      continue;
    }
    const scroll = part.querySelector(".scroll")?.scrollLeft ?? 0;
    part.replaceChildren(...now.childNodes);
    const moved = part.querySelector(".scroll");
    if (moved) moved.scrollLeft = scroll;
  }
  tag = left ? "" : (answer.headers.get("ETag") ?? "");
}

setInterval(() => refresh().catch(() => {}), EVERY_MS);
