// What the pages have of all this.
const live = $("[data-stream]");
if (live) new ($("[data-transcript]") ? Transcript : Live)(live);
function poll() {
  const region = $("[data-every]");
  if (!region) return;
  setTimeout(async () => {
    if (!document.hidden) try { await refreshRegions(); } catch { /* the next turn tries again */ }
    poll();
  }, region.dataset.every * 1000);
}
poll();
enableButtons();
showTimes();
// A change of a row leads back to it. The browser moves the focus to the target of the address first.
addEventListener("load", () => setTimeout(() => {
  if (location.hash) $(`tr[id="${CSS.escape(location.hash.slice(1))}"] a`)?.focus();
}));
