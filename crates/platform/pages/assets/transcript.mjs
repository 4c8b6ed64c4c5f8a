// The transcript of a command: each item of its stream is added, as the server joins those of a page.
class Transcript extends Live {
  // The number of items that stay on the page, and of characters of a message that is being written.
  static MAX_ITEMS = 1000;
  static MAX_WRITTEN = 16384;
  listen(source) {
    this.list = $("[data-transcript]");
    source.addEventListener("entry", (event) => {
      // An item that the page has is not added again.
      const seq = Number(event.lastEventId);
      if (seq <= Number(this.seen ?? new URL(this.element.dataset.stream, location).searchParams.get("after"))) return;
      this.seen = event.lastEventId;
      const template = document.createElement("template");
      template.innerHTML = markup(JSON.parse(event.data).html);
      const item = $("li", template.content);
      if (item) this.add(item);
    });
    source.addEventListener("end", (event) => {
      this.isOver = true;
      this.button.hidden = true;
      this.close("over", JSON.parse(event.data).text);
      say("The command has ended.");
      this.later();
    });
  }
  open() {
    if (!this.isOver) super.open();
  }
  close(state, text) {
    // What has ended is neither paused nor away.
    if (!this.isOver || state === "over") super.close(state, text);
  }
  // The state of the command has its own turns; see data-every.
  async update() {
    if (this.isOver) await refreshRegions();
  }
  add(item) {
    const follows = innerHeight + scrollY >= document.documentElement.scrollHeight - 120;
    $("[data-empty]")?.remove();
    if (!this.join(item)) {
      this.list.append(item);
      if (item.dataset.part === "message") say("A new message.");
    }
    while (this.list.children.length > Transcript.MAX_ITEMS) this.list.firstElementChild.remove();
    showTimes(item);
    if (follows) scrollTo(scrollX, document.documentElement.scrollHeight);
  }
  // Joins an item to one of the page. Returns whether it did.
  join(item) {
    const { part, of, call } = item.dataset;
    if (part === "result") {
      const found = [...this.list.children].findLast((other) => other.dataset.part === "call" && other.dataset.call === call);
      for (const css of [".returned", ".result"]) if (found) $(css, found)?.replaceWith($(css, item));
      return Boolean(found);
    }
    if (part !== "delta" && part !== "message") return false;
    const written = [...this.list.children].findLast((other) => other.dataset.part === "delta" && other.dataset.of === of);
    if (!written) return false;
    if (part === "message") {
      written.remove();
      return false;
    }
    const said = $(".said", written);
    if (said.textContent.length < Transcript.MAX_WRITTEN) said.append($(".said", item).textContent);
    return true;
  }
}
