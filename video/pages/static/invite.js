// The invitation to a room (V9): its text to copy, a one-time code, a text message. In dagens möten and in the meeting.
import { $, element, post, postPatiently } from "./words.js";

const SMS_FAULTS = {
  400: "Kontrollera mobilnumret. Skriv till exempel 070-123 45 67.",
  409: "Mötet går inte längre att bjuda in till.",
  429: "Det har skickats för många SMS för det här mötet. Kopiera inbjudan i stället.",
};
const TRIES = 3;
let invited = null;

export async function invite(room) {
  invited = room;
  $("invite-text").value = $("invite-says").textContent = "";
  $("sms")?.reset();
  if (!$("invite").open) $("invite").showModal();  // at once: a second click would ask for it twice
  const { ok, body } = await postPatiently(`/api/rooms/${room}/invite`, {}, TRIES);
  if (room !== invited) return;
  $("invite-says").textContent = ok ? "" : "Det går inte att bjuda in till mötet.";
  $("invite-text").value = ok ? body.text : "";
}

$("copy").addEventListener("click", async () => {
  $("invite-text").select();
  try { await navigator.clipboard.writeText($("invite-text").value); } catch { document.execCommand("copy"); }
  $("invite-says").textContent = "Inbjudan är kopierad.";
});
$("one-time-code").addEventListener("click", async () => {
  const room = invited;
  const { ok, body } = await post(`/api/rooms/${room}/invite`, { one_time_code: true }).catch(() => ({}));
  if (room !== invited) return;
  $("invite-says").replaceChildren(...(ok
    ? ["Engångskod: ", element("strong", { class: "code" }, body.one_time_code), ". Den gäller i 10 minuter, för en deltagare. Lämna den inte i samma meddelande som länken."]
    : ["Det går inte att skapa en engångskod just nu."]));
});
/** One act for each click: what a click posts again is sent once. The number stays in the field only where it was not sent. */
$("sms")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const room = invited, says = $("invite-says"), number = $("sms-number"), button = $("sms").querySelector("button");
  number.removeAttribute("aria-invalid");
  says.textContent = "Skickar …";
  button.disabled = true;
  const { ok, status } = await postPatiently(`/api/rooms/${room}/invite`, { phone: number.value, act: crypto.randomUUID() }, TRIES)
    .finally(() => { button.disabled = false; });
  if (room !== invited) return;
  if (ok) number.value = "";
  if (status === 400) { number.setAttribute("aria-invalid", "true"); number.focus(); }
  says.textContent = ok ? "SMS med länk och möteskod skickas." : (SMS_FAULTS[status] ?? "Det gick inte att skicka SMS just nu. Försök igen.");
});
$("invite-close").addEventListener("click", () => $("invite").close());
