// Nothing here is needed: every page works without it.
"use strict";

// What is marked data-refresh="SECONDS" is fetched anew while the page is looked at.
for (const part of document.querySelectorAll("[data-refresh]")) {
  const id = part.id;
  const again = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(id);
      const held = document.getElementById(id);
      if (fresh && held && !held.contains(document.activeElement)) held.replaceWith(fresh);
    } catch {
      // The next time may do.
    }
  };
  setInterval(again, 1000 * Number(part.dataset.refresh));
}

// The arrow keys go to the previous and next observation or image.
addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, video, [contenteditable]");
  if (typing || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const link = rel && document.querySelector(`a[rel="${rel}"]`);
  if (link) link.click();
});
