// Every sentence that the scripts say, and small helpers of the page.

export const REASONS = {
  void: ["Mötet gäller inte", "Videomötet kan inte öppnas. En ny bokning krävs. Kontakta mottagningen om du har frågor."],
  closed: ["Mötet är stängt", "Mötet är avbokat eller stängt."],
  not_active: ["Rummet är inte klart än", "Det tar upp till 10 minuter från bokningen innan videomötesrummet aktiveras. Försök igen om en stund."],
  too_early: ["Mötet kan inte öppnas än", "Det går att öppna videomötet från 30 minuter före mötestiden."],
  too_late: ["Mötestiden är slut", "Det går inte längre att ansluta till mötet."],
  full: ["Mötet är fullt", "Det kan delta upp till 20 personer i mötet, och alla platser är upptagna."],
  lobby_full: ["Många väntar", "Det är fullt i väntrummet. Försök igen om en stund."],
  crowded: ["Mötet är fullt", "För många har anslutit till mötet."],
  moved: ["Mötet har flyttats", "Mötet är ombokat. Be den som bjöd in dig om en ny inbjudan."],
  denied: ["Du släpptes inte in", "Vårdpersonalen har nekat tillträde till mötet."],
  removed: ["Du är borttagen från mötet", "Vårdpersonalen har avslutat ditt deltagande."],
  ended: ["Mötet är avslutat", "Vårdpersonalen har avslutat mötet."],
  left: ["Du har lämnat mötet", "Du kan ansluta igen så länge mötet går att öppna."],
  elsewhere: ["Du är ansluten på ett annat ställe", "Mötet är öppet i en annan flik eller på en annan enhet."],
  timed_out: ["Anslutningen bröts", "Du var borta för länge. Du kan ansluta igen."],
  expired: ["Länken gäller inte längre", "Öppna mötet på nytt från din bokning eller din inbjudan."],
  used: ["Länken är redan använd", "Öppna mötet på nytt från din bokning."],
  invalid: ["Länken gäller inte", "Öppna mötet på nytt från din bokning eller din inbjudan."],
  away: ["Tjänsten svarar inte", "Försök igen om en stund."],
  wrong_room: ["Länken gäller ett annat möte", "Öppna mötet på nytt från din bokning."],
};
export const AGAIN = new Set(["left", "elsewhere", "timed_out", "not_active", "too_early", "full", "lobby_full"]);
export const CAMERA_FAULTS = {
  NotAllowedError: "Webbläsaren får inte använda kamera och mikrofon. Tillåt det i adressfältet och ladda om sidan.",
  NotFoundError: "Ingen kamera eller mikrofon hittades.",
  NotReadableError: "Kameran eller mikrofonen används av ett annat program.",
};

export const $ = (id) => document.getElementById(id);
export const clock = (text) => new Intl.DateTimeFormat("sv-SE", { hour: "2-digit", minute: "2-digit", timeZone: "Europe/Stockholm" }).format(new Date(text));
const dayOf = (text) => new Intl.DateTimeFormat("sv-SE", { weekday: "long", day: "numeric", month: "long", timeZone: "Europe/Stockholm" }).format(new Date(text));
/** `kl. 09:30`, with the day where it is another one than today. */
export const when = (text, now) => `${dayOf(text) === dayOf(now) ? "" : `${dayOf(text)} `}kl. ${clock(text)}`;

/** Buttons that had nobody to hear a click before the script was here. */
export const awake = (place = document) => { for (const button of place.querySelectorAll("[data-waits]")) button.disabled = false; };

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export async function post(path, content) {
  const answer = await fetch(path, {
    method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content ?? {}),
  });
  let body = {};
  try { body = await answer.json(); } catch { /* no body */ }
  return { ok: answer.ok, status: answer.status, body };
}

/** The same, again and again while the room's bridge is away (503): it is started again within seconds. */
export async function postPatiently(path, content, tries = 20) {
  for (;;) {
    const answer = await post(path, content).catch(() => ({ ok: false, status: 503, body: {} }));
    if (answer.status !== 503 || --tries <= 0) return answer;
    await new Promise((done) => setTimeout(done, 1000));
  }
}

/** An icon of the page's sprite. */
export function icon(name) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("class", "icon");
  made.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  made.append(use);
  return made;
}
