// A patient's link: the ticket in the fragment (which no server is sent) becomes a cookie of this room, then the page loads again.
import { $, REASONS, element, postPatiently } from "./words.js";

const room = document.body.dataset.room;
const ticket = new URLSearchParams(location.hash.slice(1)).get("t");
history.replaceState(null, "", location.pathname);
if (ticket) {
  const { ok, status, body } = await postPatiently(`/meet/${room}/ticket`, { ticket });
  if (ok) location.reload();
  else {
    const [title, text] = REASONS[status === 503 ? "away" : body.reason] ?? REASONS.invalid;
    $("gate").replaceChildren(element("div", { class: "card alert" }, element("p", { class: "error" }, title), element("p", {}, text)));
    $("choices").hidden = false;
  }
} else {
  $("gate").replaceChildren();
  $("choices").hidden = false;
}
