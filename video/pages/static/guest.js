// Mötesportalen: the meeting code, then name and one-time code.
import { $, post } from "./words.js";

$("meeting-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  location.href = `/m/${encodeURIComponent($("code").value.trim().toUpperCase())}`;
});
$("code-form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  $("fault").textContent = "";
  const { ok, body } = await post(`/m/${document.body.dataset.code}/login`, { name: $("name").value.trim(), code: $("one-time").value });
  if (ok) location.href = body.next;
  else {
    $("fault").textContent = "Koden stämmer inte eller gäller inte längre.";
    $("one-time").setAttribute("aria-invalid", "true");
    $("one-time").focus();
  }
});
