// Keeps a page current without flicker: fetches it again, and changes only the parts marked data-live, item by item where items have
// a data-key. What holds the focus or a selection waits until it does not. What is new (data-say) is told politely in #news, where a
// page has that. Without this script the pages work all the same.

const EVERY_MS = 2000;
const GONE = [404, 410];
let paused = false;
let failed = 0;
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
  (getSelection()?.type === "Range" && part.contains(getSelection().anchorNode));

const said = (root) => [...root.querySelectorAll("[data-say]")].map((each) => each.dataset.say || each.textContent.trim());
const shape = (part) => [...part.querySelectorAll("[data-key]")].map((each) => each.dataset.key).join("\n");

// Same items in the same places: only those that differ change, so that the rest keeps focus and scroll.
function changeItems(part, now) {
  const [old, fresh] = [part, now].map((root) => [...root.querySelectorAll("[data-key]")]);
  let left = false;
  old.forEach((item, place) => {
    if (item.innerHTML === fresh[place].innerHTML) return;
    if (busy(item)) left = true;
    else item.replaceChildren(...fresh[place].cloneNode(true).childNodes);
  });
  return left;
}

function change(part, now) {
  if (part.innerHTML === now.innerHTML) return false;
  if (shape(part) && shape(part) === shape(now) && changeItems(part, now)) return true;
  if (part.innerHTML === now.innerHTML) return false;
  if (busy(part)) return true;
  const scroll = part.querySelector(".scroll")?.scrollLeft ?? 0;
  const known = new Set([...part.querySelectorAll("[data-key]")].map((each) => each.dataset.key));
  part.replaceChildren(...now.childNodes);
  for (const item of part.querySelectorAll("[data-key]")) if (!known.has(item.dataset.key)) item.firstElementChild?.classList.add("fresh");
  const moved = part.querySelector(".scroll");
  if (moved) moved.scrollLeft = scroll;
  return false;
}

function show(away) {
  const notice = document.getElementById("away");
  if (notice && notice.hidden === away) notice.hidden = !away;
}

async function refresh() {
  if (paused || document.hidden) return;
  const headers = tag ? { "If-None-Match": tag, "X-Live": "1" } : { "X-Live": "1" };
  const answer = await fetch(location.href, { headers, cache: "no-store" });
  failed = 0;
  show(false);
  if (answer.redirected || GONE.includes(answer.status)) return location.reload(); // logged out, or withdrawn
  if (!answer.ok) return;
  const text = await answer.text();
  if (paused) return;  // meanwhile
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const parts = document.querySelectorAll("[data-live]");
  const here = [...parts].filter((part) => fresh.querySelector(`[data-live="${part.dataset.live}"]`));
  if (here.length < parts.length) return location.reload(); // another page by now: blocked, or somebody else's
  const before = new Set(said(document));
  const left = here.map((part) => change(part, fresh.querySelector(`[data-live="${part.dataset.live}"]`)));
  const news = document.getElementById("news");
  const told = said(document).filter((text) => !before.has(text));
  if (news && told.length) news.textContent = told.join(". ");
  tag = left.includes(true) ? "" : (answer.headers.get("ETag") ?? "");
}

setInterval(() => refresh().catch(() => ++failed > 1 && show(true)), EVERY_MS);
