// Dagens möten: invitations that are copied, one-time codes, who took part, a new videokonferens. The list renews itself.
import { invite } from "./invite.js";
import { $, awake, clock, element, post } from "./words.js";

const RENEW_MS = 15_000;

document.addEventListener("click", ({ target }) => {
  const button = target.closest("#list button");
  if (button) (button.classList.contains("invite") ? invite : who)(button.dataset.room);
});

$("who-close").addEventListener("click", () => $("who").close());

async function who(room) {
  const answer = await fetch(`/api/rooms/${room}`);
  const place = $("who-body");
  $("who-title").textContent = "Deltagare";
  if (!answer.ok) place.replaceChildren(element("p", { class: "error" }, "Uppgifterna kan inte visas just nu."));
  else {
    const { booked, people, subject } = await answer.json();
    const roles = { staff: "vårdpersonal", patient: "patient", guest: "inbjuden" };
    const states = { inside: "deltar", waiting: "väntar", lobby: "i väntrummet", left: "har lämnat", removed: "borttagen", denied: "nekad" };
    place.replaceChildren(
      subject ? element("p", {}, subject) : "",
      element("h3", {}, "Bokade"),
      booked.length ? element("ul", {}, ...booked.map((b) => element("li", {}, `${b.name || "Namn saknas"}${b.took_part ? " – har deltagit" : ""}`))) : element("p", {}, "Utan bokning"),
      element("h3", {}, "I mötet"),
      people.length
        ? element("ul", {}, ...people.map((p) => element("li", {}, `${p.name || "Namn saknas"} (${roles[p.role]}) – ${states[p.state]}${p.joined_at ? `, anslöt ${clock(p.joined_at)}` : ""}${p.left_at && p.joined_at ? `, lämnade ${clock(p.left_at)}` : ""}`)))
        : element("p", {}, "Ingen har anslutit."),
      element("button", { type: "button", class: "quiet", id: "show-lines", onclick: () => chat(room) }, "Visa chatten"),
    );
  }
  $("who").showModal();
}

/** The chat, also after the meeting; read when it is asked for, as reading is logged. Whoever took part may write. */
async function chat(room) {
  const answer = await fetch(`/api/rooms/${room}/chat`);
  const { lines } = answer.ok ? await answer.json() : { lines: null };
  const says = element("p", { class: "error", role: "alert" });
  const text = element("textarea", { id: "late-text", rows: 2, maxlength: 2000, required: true });
  const form = element("form", { method: "post" }, element("label", { for: "late-text" }, "Skriv ett meddelande"), text, element("button", { type: "submit" }, "Skicka"), says);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { ok, status } = await post(`/api/rooms/${room}/chat`, { text: text.value.trim() });
    if (ok) return chat(room);
    says.textContent = status === 409 ? "Bara den som har deltagit i mötet kan skriva." : "Meddelandet skickades inte. Försök igen.";
  });
  const shown = lines === null
    ? [element("p", { class: "error" }, "Chatten kan inte visas.")]
    : [lines.length ? element("ol", { id: "lines" }, ...lines.map((said) => element("li", {}, element("b", {}, `${said.name} `), element("time", { datetime: said.at }, clock(said.at)), element("p", {}, said.text)))) : element("p", {}, "Ingen har skrivit."), form];
  $("who-body").replaceChildren(...shown);
  $("who-title").textContent = "Chatten från mötet";
  $("who-title").focus();
}

$("conference").addEventListener("submit", async (event) => {
  event.preventDefault();
  const start = new Date(`${$("date").value}T${$("time").value}`);
  const { ok, body } = await post("/api/rooms", {
    kind: "conference", unit: document.body.dataset.unit, subject: $("subject").value, start: start.toISOString(), minutes: Number($("minutes").value),
  });
  if (ok) {
    $("invite").addEventListener("close", () => location.reload(), { once: true });
    await invite(body.room_id);
  } else $("conference-fault").textContent = "Videokonferensen gick inte att skapa. Kontrollera datum och tid.";
});

/** Only what has changed is replaced, and nothing while somebody is in the middle of something. */
async function renew() {
  const answer = await fetch(location.href, { redirect: "manual" }).catch(() => null);
  const fresh = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
  const list = fresh && fresh.querySelector("#list"), busy = document.querySelector("dialog[open], details[open]");
  const over = answer?.type === "opaqueredirect" || answer?.status === 403;
  if (over && !busy) return location.reload();
  const says = over ? "Du är utloggad. Ladda om sidan för att logga in igen." : list ? "" : "Listan kan inte uppdateras just nu.";
  if ($("stale").textContent !== says) $("stale").textContent = says;
  if (!list || document.querySelector("dialog[open]")) return;
  awake(list);
  $("today").textContent = fresh.querySelector("#today").textContent;
  if (!busy) for (const name of ["date", "time"]) $(name).value = fresh.querySelector(`#${name}`).value;
  if (list.innerHTML === $("list").innerHTML) return;
  const had = document.activeElement.closest("#list a, #list button");
  $("list").replaceWith(list);
  if (had) [...list.querySelectorAll("a, button")].find((each) => same(each, had))?.focus();
}
const same = (one, other) => one.getAttribute("href") === other.getAttribute("href") && one.dataset.room === other.dataset.room && one.className === other.className;
setInterval(() => { if (document.visibilityState === "visible") renew(); }, RENEW_MS);
document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") renew(); });
awake();
