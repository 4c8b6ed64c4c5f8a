// Live: what changes on the server changes here, while the page can be seen.
class Live {
  constructor(element) {
    this.element = element;
    this.element.hidden = false;
    this.rows = $("[data-rows][data-rows-url]");
    this.isFeed = this.rows?.hasAttribute("data-feed");
    this.changed = new Set();
    this.fresh = new Set();
    if (this.isFeed) {
      $("[data-new]").addEventListener("click", () => this.grow());
      setInterval(() => { if (this.source && this.rows) this.refreshOpen(); }, 5000);
    }
    this.wait = 1000;
    this.paused = false;
    this.button = $("button", element);
    this.button.addEventListener("click", () => {
      this.paused = !this.paused;
      this.button.textContent = this.paused ? "Resume" : "Pause";
      if (this.paused) this.close("paused", "Paused"); else this.open();
    });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.close("paused", "Paused"); else if (!this.paused) this.open();
    });
    // A page that the browser keeps for "back" must not keep its connection.
    addEventListener("pagehide", () => this.close("paused", "Paused"));
    addEventListener("pageshow", (event) => { if (event.persisted && !this.paused) this.open(); });
    if (!document.hidden) this.open();
  }
  show(state, text) {
    this.element.dataset.state = state;
    const label = $("span:last-of-type", this.element);
    if (label.textContent !== text) label.textContent = text;
  }
  open() {
    this.close();
    const address = new URL(this.element.dataset.stream, location);
    if (this.seen) address.searchParams.set("after", this.seen);
    const source = this.source = new EventSource(address);
    this.show("away", this.since ? this.away() : "Connecting");
    source.addEventListener("open", () => {
      if (this.since) say("Live again.");
      this.since = null;
      this.wait = 1000;
      this.show("live", "Live");
      // What was missed meanwhile.
      if (this.rows && !this.isFeed) for (const row of $$("tr[id]", this.rows)) this.changed.add(row.id);
      this.later();
    });
    this.listen(source);
    source.addEventListener("error", () => {
      this.since ??= new Date();
      this.show("away", this.away());
      if (source.readyState !== EventSource.CLOSED || this.source !== source) return;
      this.retry = setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(this.wait * 2, 30000);
    });
  }
  listen(source) {
    for (const name of ["delivery", "command"]) source.addEventListener(name, (event) => this.take(JSON.parse(event.data)));
    source.addEventListener("event", (event) => {
      this.seen = event.lastEventId;
      this.take({ ...JSON.parse(event.data), matches: true });
    });
  }
  away() {
    return `Reconnecting since ${pad(this.since.getHours())}:${pad(this.since.getMinutes())}:${pad(this.since.getSeconds())}`;
  }
  close(state, text) {
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
    if (state) this.show(state, text);
  }
  take({ id, matches, left }) {
    if (!this.rows || document.getElementById(id)) this.changed.add(id);
    else if (matches) this.fresh.add(id);
    else if (left) this.fresh.delete(id);
    this.later();
  }
  later() {
    this.timer ??= setTimeout(async () => {
      this.timer = null;
      try { await this.update(); } catch { /* the next change tries again */ }
    }, 300);
  }
  async update() {
    const ids = [...this.changed].slice(0, 100);
    this.changed.clear();
    if (this.rows && ids.length) await this.refresh(ids);
    if (!this.rows) return refreshRegions();
    // A feed grows by itself while no one reads in it.
    if (this.isFeed && scrollY < 200 && !this.rows.matches(":hover, :focus-within")) return this.grow();
    this.announce();
  }
  fetch(ids) {
    return part(`${this.rows.dataset.rowsUrl}?${ids.map((id) => `id=${id}`).join("&")}`);
  }
  async refresh(ids) {
    const content = await this.fetch(ids);
    for (const next of $$("tr[id]", content ?? document.createElement("p"))) {
      const old = document.getElementById(next.id);
      if (!old) continue;
      if (next.hasAttribute("data-gone")) {
        this.drop(old);
        continue;
      }
      const before = old.dataset.status;
      replace(old, next);
      if (before !== next.dataset.status) next.classList.add("fresh");
    }
    // A list without rows says so instead.
    if (!this.isFeed && !$("tr", this.rows)) this.rows = null; else showTimes(this.rows);
  }
  // A row that was deleted leaves the list. The focus goes on to its neighbour.
  drop(row) {
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    const hadFocus = row.contains(document.activeElement);
    row.remove();
    if (hadFocus) ((neighbour && $("a", neighbour)) ?? $("#main")).focus({ preventScroll: true });
  }
  // Reads the rows of a feed again whose deliveries have not ended.
  async refreshOpen() {
    const ids = $$("tr[data-open]", this.rows).slice(0, 50).map((row) => row.id);
    if (ids.length) try { await this.refresh(ids); } catch { /* the next turn tries again */ }
  }
  announce() {
    const link = $("[data-new]");
    if (!link) return;
    link.hidden = !this.fresh.size;
    const text = `${this.fresh.size > 99 ? "99+" : this.fresh.size} new`;
    if (link.hidden || link.textContent === text) return;
    link.textContent = text;
    say(`${text} ${this.rows.dataset.noun}.`);
  }
  // Puts the newest events on top of a feed, which keeps 200.
  async grow() {
    const ids = [...this.fresh].slice(-100);
    this.fresh.clear();
    if (ids.length) {
      const content = await this.fetch(ids);
      for (const row of $$("tr[id]", content ?? document.createElement("p"))) {
        if (document.getElementById(row.id)) continue;
        this.rows.prepend(row);
        row.classList.add("fresh");
      }
      for (const row of $$("tr", this.rows).slice(200)) row.remove();
      showTimes(this.rows);
      say(`${ids.length} new ${ids.length === 1 ? "event" : "events"}.`);
    }
    this.announce();
  }
}
