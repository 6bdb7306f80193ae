// Mötesportalen: the meeting code, then name and one-time code.
import { $, REASONS, awake, postPatiently } from "./words.js";

$("meeting-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  location.href = `/m/${encodeURIComponent($("code").value.trim().toUpperCase())}`;
});
$("code-form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  $("fault").textContent = "";
  const { ok, status, body } = await postPatiently(`/m/${document.body.dataset.code}/login`, { name: $("name").value.trim(), code: $("one-time").value });
  if (ok) location.href = body.next;
  else {
    $("fault").textContent = status === 503 ? REASONS.away.join(". ") : "Koden stämmer inte eller gäller inte längre. Kontrollera siffrorna, eller be vårdpersonalen om en ny kod.";
    if (status === 503) return;
    $("one-time").setAttribute("aria-invalid", "true");
    $("one-time").focus();
  }
});
awake();
