// The console in headless Chromium, against a running server: `node console.mjs SCENARIO` with the server's address in
// RDEV_URL and its administrator key in RDEV_API_KEY. A scenario fails by an exception; so does a message in the
// browser's console, which a violation of the content security policy causes too.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { Browser, Builder, By, Key, error, logging, until } from "selenium-webdriver";
import { Options, ServiceBuilder } from "selenium-webdriver/chrome.js";

const URL_OF_SERVER = process.env.RDEV_URL;
const KEY = process.env.RDEV_API_KEY;
const PATIENCE = 20_000;

/** Starts a browser; without `script` it runs no JavaScript of pages. */
async function browser({ script = true } = {}) {
  const options = new Options();
  options.addArguments("--headless=new", "--no-sandbox", "--disable-background-networking", "--disable-gpu");
  options.addArguments("--window-size=1280,900");
  options.setBinaryPath("/usr/bin/chromium");
  if (!script) options.setUserPreferences({ "profile.managed_default_content_settings.javascript": 2 });
  const kept = new logging.Preferences();
  kept.setLevel(logging.Type.BROWSER, logging.Level.ALL);
  options.setLoggingPrefs(kept);
  const service = new ServiceBuilder("/usr/bin/chromedriver");
  const driver = await new Builder().forBrowser(Browser.CHROME).setChromeOptions(options).setChromeService(service).build();
  return new Reader(driver);
}

/** Someone at a browser. */
class Reader {
  constructor(driver) {
    this.driver = driver;
  }
  open(path) {
    return this.driver.get(`${URL_OF_SERVER}/console${path}`);
  }
  find(css) {
    return this.driver.wait(until.elementLocated(By.css(css)), PATIENCE, `no ${css}`);
  }
  async click(css) {
    await (await this.find(css)).click();
  }
  /** Clicks a button or a link by its text. */
  async press(text) {
    const path = `//main//*[self::button or self::a][normalize-space()="${text}"]`;
    const pressed = async () => {
      try {
        await this.driver.findElement(By.xpath(path)).click();
        return true;
      } catch (failure) {
        // It is not there yet, or a live page has replaced it meanwhile.
        if (failure instanceof error.NoSuchElementError || failure instanceof error.StaleElementReferenceError) return false;
        throw failure;
      }
    };
    await this.driver.wait(pressed, PATIENCE, `no ${text}`);
  }
  async type(id, text) {
    const field = await this.find(`#${id}`);
    await field.clear();
    await field.sendKeys(text);
  }
  text() {
    return this.driver.findElement(By.css("body")).getText();
  }
  /** Waits until the page shows a text, without a reload. */
  async shows(text) {
    const shown = async () => {
      try {
        return (await this.text()).includes(text);
      } catch {
        return false;
      }
    };
    await this.driver.wait(shown, PATIENCE).catch(async () => {
      assert.fail(`no «${text}» on ${await this.driver.getCurrentUrl()}:\n${await this.text()}`);
    });
  }
  /** Waits until the page has no such element, without a reload. */
  async lacks(css) {
    const lacks = async () => (await this.driver.findElements(By.css(css))).length === 0;
    await this.driver.wait(lacks, PATIENCE, `${css} stays`);
  }
  keys(...keys) {
    return this.driver.actions().sendKeys(...keys).perform();
  }
  async path() {
    const { pathname, search } = new URL(await this.driver.getCurrentUrl());
    return pathname.replace(/^\/console/, "") + search;
  }
  async signIn(key = KEY) {
    await this.open("/sign-in");
    await this.type("key", key);
    await this.press("Sign in");
    await this.shows("Sign out");
  }
  /** Fails if the browser's console has a message. */
  async isQuiet() {
    const entries = await this.driver.manage().logs().get(logging.Type.BROWSER);
    // Chromium's advice for password managers, and pages that are refused on purpose.
    const loud = entries.filter(({ message }) => !/\[DOM\] Password|the server responded with a status of 4/.test(message));
    assert.deepEqual(loud.map(({ message }) => message), []);
  }
  quit() {
    return this.driver.quit();
  }
}

/** A receiver whose answer can be changed. */
async function receiver() {
  const state = { status: 500, requests: [] };
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      state.requests.push(request.headers);
      response.writeHead(state.status, { "content-type": "application/json" }).end('{"from":"the receiver"}');
    });
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  state.url = `http://127.0.0.1:${server.address().port}/hook`;
  state.close = () => server.close();
  return state;
}

async function api(method, path, body) {
  const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
  const answer = await fetch(URL_OF_SERVER + path, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.status === 204 ? null : answer.json();
}

/** Deletes a command once it has ended. */
async function deleted(id) {
  const until = Date.now() + PATIENCE;
  while (!(await api("GET", `/commands/${id}`)).ended_at) {
    assert.ok(Date.now() < until, `${id} does not end`);
    await new Promise((again) => setTimeout(again, 50));
  }
  await api("DELETE", `/commands/${id}`);
}

const publish = (event = "command.completed") => api("POST", "/events", { event, data: { command_id: "cmd-1", project: "shop" } });

const once = { retry: { max_attempts: 1 }, events: ["command.*"] };

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** axe-core on a page, light and dark, wide and narrow; nothing scrolls sideways. */
async function isAccessible(reader, page) {
  // A window of 1280 px at 400 % has 320 px.
  for (const [width, deviceScaleFactor] of [[1280, 1], [360, 1], [320, 4]]) {
    for (const mode of width === 320 ? ["light"] : ["light", "dark"]) {
      await reader.driver.sendDevToolsCommand("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor, mobile: false });
      await reader.driver.sendDevToolsCommand("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: mode }] });
      await reader.open(page);
      // Everything that can be unfolded.
      await reader.driver.executeScript("document.querySelectorAll('details').forEach((it) => { it.open = true; })");
      // The driver's scripts are not those of the page, so its policy does not forbid them.
      await reader.driver.executeScript(axe);
      const found = await reader.driver.executeAsyncScript(`const done = arguments[arguments.length - 1];
        axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
          .then(({ violations }) => done(violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html, any }) => html.slice(0, 160) + " " + (any[0]?.message ?? "")).join(" | "))));`);
      assert.deepEqual(found, [], `${page} at ${width} px, ${mode}`);
      const ids = await reader.driver.executeScript("return [...document.querySelectorAll('[id]')].map(({ id }) => id)");
      assert.deepEqual(ids.filter((id, place) => ids.indexOf(id) !== place), [], `${page} has an id twice`);
      const wide = await reader.driver.executeScript("return document.documentElement.scrollWidth");
      assert.ok(wide <= width, `${page} scrolls sideways: ${wide} of ${width} px`);
    }
  }
}

const scenarios = {
  /** A new user's path from the first page to a mended, redelivered failure. */
  async flows(reader) {
    const target = await receiver();
    await reader.signIn();
    await reader.press("Create the first webhook");
    await reader.type("url", target.url);
    await reader.type("events", "command.*");
    await reader.type("attempts", "1");
    await reader.type("waits", " ");
    await reader.press("Create webhook");
    await reader.shows("The webhook was created.");
    const secret = await (await reader.find("#secret")).getAttribute("value");
    assert.match(secret, /^whsec_/);
    const webhook = await reader.path();

    await reader.press("Send test");
    await reader.press("Send test");
    await reader.shows("Failed");
    await reader.press("Request and response");
    await reader.shows("The receiver failed.");
    target.status = 200;
    await reader.press("Redeliver");
    await reader.shows("Attempt 2");
    await reader.shows("Succeeded");

    // A list is live: rows change in place, and new ones are counted.
    await reader.open("/deliveries");
    await reader.shows("Live");
    const rows = (await reader.driver.findElements(By.css("tbody tr"))).length;
    await publish();
    await reader.shows("1 new");
    assert.equal((await reader.driver.findElements(By.css("tbody tr"))).length, rows);
    await reader.press("1 new");
    await reader.shows("command.completed");
    // `r` redelivers the row with the focus, and comes back to it.
    await reader.keys("j", "r");
    await reader.shows("The delivery is sent again now");
    assert.match(await reader.path(), /^\/deliveries$/);
    const focused = "return document.activeElement.closest('tr')?.id.startsWith('dlv_') ?? false";
    await reader.driver.wait(() => reader.driver.executeScript(focused), PATIENCE, "no row has the focus");

    // The feed grows by itself, and waits while someone reads in it.
    await reader.open("/events/feed");
    await reader.shows("Live");
    const known = (await reader.driver.findElements(By.css("tbody[data-feed] tr"))).length;
    await publish("command.failed");
    await reader.shows("command.failed");
    const feed = () => reader.driver.findElements(By.css("tbody[data-feed] tr"));
    assert.equal((await feed()).length, known + 1);
    await reader.shows("1 succeeded");
    await reader.keys("j");
    await publish("command.started");
    await reader.shows("1 new");
    assert.equal((await feed()).length, known + 1);
    await reader.press("1 new");
    await reader.shows("command.started");
    assert.equal((await feed()).length, known + 2);
    const ended = async () => (await api("GET", "/deliveries?status=succeeded")).data.length === 4;
    await reader.driver.wait(ended, PATIENCE, "not all deliveries succeeded");

    // A replay with its preview.
    await reader.open(`${webhook.split("?")[0]}/replays/new`);
    await (await reader.find("#status option[value=succeeded]")).click();
    await reader.press("Preview");
    await reader.shows("4 succeeded deliveries");
    await reader.press("Start this replay");
    await reader.shows("Completed");

    // A conflict while editing.
    await reader.open(`${webhook}/edit`);
    await api("PATCH", `/webhooks/${webhook.split("/").pop()}`, { description: "from elsewhere" });
    await reader.type("description", "mine");
    await reader.press("Save");
    await reader.shows("Someone changed this webhook");
    assert.equal(await (await reader.find("textarea[name=description]")).getAttribute("value"), "mine");
    await reader.press("Save what I typed");
    await reader.shows("The webhook was saved.");

    await reader.press("Rotate secret");
    await reader.press("Rotate");
    await reader.shows("The old one also signs until");
    assert.notEqual(await (await reader.find("#secret")).getAttribute("value"), secret);

    // Another session ends with its key.
    const created = await api("POST", "/api-keys", { name: "colleague", scopes: ["webhooks:read"] });
    const other = await browser();
    try {
      await other.signIn(created.key);
      await reader.open(`/api-keys/${created.id}/delete`);
      await reader.press("Delete API key");
      await reader.shows("The API key was deleted.");
      await other.open("/deliveries");
      await other.shows("The session has the rights of the key");
    } finally {
      await other.quit();
    }
    target.close();
  },

  /** The same by the keyboard alone. */
  async keyboard(reader) {
    const target = await receiver();
    await api("POST", "/webhooks", { url: target.url, ...once });
    await publish();
    await reader.open("/sign-in");
    await reader.keys(KEY, Key.ENTER);
    await reader.shows("Overview");
    // The first stop of the page leads past the navigation.
    await reader.keys(Key.TAB);
    assert.equal(await reader.driver.switchTo().activeElement().getText(), "Skip to the content");
    await reader.open("/deliveries?status=failed");
    await reader.shows("command.completed");
    await reader.keys("/");
    assert.equal(await reader.driver.switchTo().activeElement().getAttribute("id"), "status");
    await reader.keys(Key.ESCAPE, Key.TAB, Key.TAB, Key.TAB, Key.TAB);
    await reader.keys("j");
    await reader.keys("k", Key.ENTER);
    await reader.shows("Attempt 1");
    target.status = 200;
    await reader.keys("r");
    await reader.shows("Attempt 2");
    await reader.shows("Succeeded");
    // A time shows the other form while it has the focus, and Escape hides that.
    const bubble = (selector) => reader.driver.executeScript(
      "const time = document.querySelector(arguments[0]); time.focus();" +
      "return getComputedStyle(time, '::after').display + ' ' + time.dataset.at;", selector);
    assert.match(await bubble("main time[tabindex]"), /^block \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
    await reader.keys(Key.ESCAPE);
    const hidden = "return getComputedStyle(document.activeElement, '::after').display";
    assert.equal(await reader.driver.executeScript(hidden), "none");
    await reader.click("[data-choice=zone]");
    assert.match(await bubble("main time[tabindex]"), /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    await reader.click("[data-choice=times]");
    assert.match(await (await reader.find("main time[tabindex]")).getText(), /^\d{4}-/);
    await reader.keys("?");
    await reader.shows("Use these keys");
    await reader.keys(Key.ESCAPE);
    // The keys can be switched off.
    await reader.keys("?");
    await reader.click("#keys-on");
    await reader.keys(Key.ESCAPE);
    await reader.keys("?");
    assert.equal(await (await reader.find("#keys")).isDisplayed(), false);
    target.close();
  },

  /** The changes without JavaScript. */
  async noscript(reader) {
    const target = await receiver();
    await reader.signIn();
    await reader.open("/webhooks/new");
    assert.equal(await (await reader.find("[data-choice]")).isDisplayed(), false, "the script runs");
    await reader.type("url", target.url);
    await reader.type("events", "command.*");
    await reader.type("attempts", "1");
    await reader.type("waits", " ");
    // A form that is sent twice makes one thing, and its answer is that of the first time.
    await reader.driver.actions().doubleClick(await reader.find("main button.primary")).perform();
    await reader.shows("The webhook was created.");
    assert.equal((await api("GET", "/webhooks")).data.length, 1);
    await (await reader.find("noscript summary, .secret ~ noscript summary")).click();
    await reader.shows("whsec_");
    await reader.press("Disable");
    await reader.shows("Someone disabled it.");
    await reader.press("Enable");
    await reader.press("Send test");
    await reader.press("Send test");
    const failed = async () => {
      await reader.driver.navigate().refresh();
      return (await reader.text()).includes("Failed");
    };
    await reader.driver.wait(failed, PATIENCE);
    await reader.press("Request and response");
    target.status = 200;
    await reader.press("Redeliver");
    await reader.shows("The delivery is sent again now");
    const succeeded = async () => {
      await reader.driver.navigate().refresh();
      return (await reader.text()).includes("Succeeded");
    };
    await reader.driver.wait(succeeded, PATIENCE);
    target.close();
  },

  /** Eight open tabs: the visible one is live, and none hangs. */
  async tabs(reader) {
    const target = await receiver();
    target.status = 200;
    await api("POST", "/webhooks", { url: target.url, ...once });
    await publish();
    await reader.signIn();
    for (let tab = 0; tab < 8; tab += 1) {
      await reader.driver.switchTo().newWindow("tab");
      await reader.open("/deliveries");
      await reader.shows("Live");
    }
    await publish();
    await reader.shows("1 new");
    const [first] = (await reader.driver.getAllWindowHandles()).slice(1);
    await reader.driver.switchTo().window(first);
    await reader.shows("Live");
    await publish();
    await reader.shows("new");
    target.close();
  },

  /** Every page of the webhooks is accessible. */
  async accessibility(reader) {
    const target = await receiver();
    const webhook = await api("POST", "/webhooks", { url: target.url, ...once, description: "Billing" });
    const event = await publish();
    const key = await api("POST", "/api-keys", { name: "shop", scopes: ["webhooks:read"], projects: ["shop"] });
    await reader.open("/sign-in");
    const strangers = ["/sign-in", "/sign-in/link?token=x"];
    const path = `/webhooks/${webhook.id}`;
    const delivery = (await api("GET", `/events/${event.id}`)).deliveries.data[0].id;
    const replay = await api("POST", `${path}/replay`, { status: "succeeded", since: "2020-01-01T00:00:00Z" });
    const pages = [
      "/overview", "/overview?window=7d", "/webhooks", "/webhooks/new", path, `${path}/edit`, `${path}/secret`, `${path}/delete`,
      `${path}/test?type=command.completed&delivery=${delivery}`, `${path}/replays`,
      `${path}/replays/new?status=failed&since=1h`, `${path}/replays/${replay.id}`,
      "/deliveries", "/deliveries?status=cancelled", "/deliveries?code=x", `/deliveries/${delivery}`,
      `/deliveries/${delivery}?attempt=1&sign=now`, "/replays", "/events", "/events/feed", `/events/${event.id}`, "/events/new", "/event-types", "/event-types/command.completed",
      "/event-types/new", "/api-keys", "/api-keys/new", `/api-keys/${key.id}/delete`, "/nothing",
    ];
    for (const page of strangers) await isAccessible(reader, page);
    await reader.signIn();
    for (const page of pages) await isAccessible(reader, page);
    target.close();
  },

  /** A project, commands with their transcripts, a template and a credential, by the console of the runner alone. */
  async runner(reader) {
    await reader.signIn();
    await reader.open("/projects/new");
    await reader.type("name", "shop");
    await reader.press("Create project");
    await reader.shows("The project was created.");

    const queue = async (prompt) => {
      await reader.open("/commands/new?project=shop&type=demo");
      await reader.type("prompt", prompt);
      await reader.press("Queue command");
      await reader.shows("The command was queued.");
      return (await reader.path()).split("?")[0];
    };
    const items = () => reader.driver.executeScript("return [...document.querySelectorAll('.transcript > li')].map((li) => li.id + ' ' + li.dataset.part)");
    const said = () => reader.driver.executeScript("return [...document.querySelectorAll('.transcript > .message .said')].map((it) => it.textContent)");

    // The transcript grows by itself, also after a pause.
    const path = await queue("Good day to you.\n/tool Bash\n/deny Write\n/wait 4s\n</li><script>alert(1)</script> <b>Bye</b>.");
    await reader.shows("Good day to you.");
    await reader.shows("Not allowed: Write");
    await reader.press("Pause");
    await reader.shows("Paused");
    await reader.press("Resume");
    await reader.shows("<b>Bye</b>.");
    await reader.shows("Ended");
    await reader.shows("Completed");
    assert.deepEqual(await said(), ["Good day to you.", "</li><script>alert(1)</script> <b>Bye</b>."]);
    const live = await items();
    assert.equal(new Set(live).size, live.length, `an item came twice: ${live}`);
    await (await reader.find(".transcript .call summary")).click();
    await reader.shows("done");
    // A reload shows the same.
    await reader.open(path);
    assert.deepEqual(await items(), live);
    await reader.press("Webhook events of this command");
    await reader.shows("command.completed");

    // The list is live: rows change in place, and new ones are counted.
    await reader.open("/commands");
    await reader.shows("Live");
    const rows = () => reader.driver.findElements(By.css("tbody tr"));
    const known = (await rows()).length;
    const other = await api("POST", "/projects/shop/commands", { type: "demo", prompt: "Hold on.\n/wait 10m" });
    await reader.shows("1 new");
    assert.equal((await rows()).length, known);
    await reader.press("1 new");
    await reader.find(`tr[id="${other.id}"][data-status=Running]`);
    await api("POST", `/commands/${other.id}/cancel`, {});
    await reader.find(`tr[id="${other.id}"][data-status=Cancelled]`);
    assert.equal((await rows()).length, known + 1);
    // What is deleted leaves it, and is not counted any more. The focus goes on to the next row.
    const brief = await api("POST", "/projects/shop/commands", { type: "demo", prompt: "Good day." });
    await reader.shows("1 new");
    await reader.driver.executeScript("document.querySelector(arguments[0]).focus()", `tr[id="${other.id}"] a`);
    for (const { id } of [brief, other]) await deleted(id);
    await reader.lacks(`tr[id="${other.id}"]`);
    assert.ok(await reader.driver.executeScript("return document.activeElement.matches('tbody a')"));
    await reader.lacks("[data-new]:not([hidden])");
    assert.equal((await rows()).length, known);
    // The newest commands of a project are a list of the same kind.
    await reader.open("/projects/shop");
    await reader.shows("Live");
    const third = await api("POST", "/projects/shop/commands", { type: "demo", prompt: "Hold on.\n/wait 10m" });
    await reader.shows("1 new");
    await reader.press("1 new");
    await reader.find(`tr[id="${third.id}"][data-status=Running]`);
    await api("POST", `/commands/${third.id}/cancel`, {});
    await reader.find(`tr[id="${third.id}"][data-status=Cancelled]`);
    await deleted(third.id);
    await reader.lacks(`tr[id="${third.id}"]`);
    // One that loses its last row says that it has none, and shows the next one.
    await api("POST", "/projects", { name: "brief" });
    const last = await api("POST", "/projects/brief/commands", { type: "demo", prompt: "Good day." });
    await reader.open("/projects/brief");
    await reader.shows("Live");
    await reader.find(`tr[id="${last.id}"][data-status=Completed]`);
    await deleted(last.id);
    await reader.shows("No command was queued yet.");
    const next = await api("POST", "/projects/brief/commands", { type: "demo", prompt: "Good day." });
    await reader.find(`tr[id="${next.id}"][data-status=Completed]`);
    // One without a row shows its first ones, too.
    await reader.open("/commands?status=queued");
    await reader.shows("No command matches this filter.");
    await reader.shows("Live");
    const first = await api("POST", "/projects/shop/commands", { type: "demo", prompt: "/wait 10m" });
    const second = await api("POST", "/projects/shop/commands", { type: "demo", prompt: "Then this." });
    await reader.shows(second.id);
    for (const { id } of [second, first]) await api("POST", `/commands/${id}/cancel`, {});

    // What was cancelled ends on the page.
    await queue("Wait.\n/wait 10m");
    await reader.shows("Running");
    await reader.press("Cancel");
    await reader.shows("The command was cancelled.");
    await reader.shows("Cancelled");
    await reader.press("Run again");
    await reader.shows("The same request was queued");
    await reader.press("Cancel");
    await reader.shows("Cancelled");

    await reader.open("/templates/rust-service");
    await (await reader.find("#project option[value=shop]")).click();
    await reader.type("var-name", "shop");
    await reader.type("var-rdev_url", "https://rdev.example");
    await reader.press("Preview");
    await reader.press("Write the files");
    await reader.shows("files were written into the workspace of shop.");

    await reader.open("/credentials/new");
    await reader.type("name", "NPM_TOKEN");
    await reader.type("value", "a value of no one");
    await reader.press("Store credential");
    await reader.shows("The credential was stored.");
    assert.doesNotMatch(await reader.driver.getPageSource(), /a value of no one/);
  },

  /** A project and its commands without JavaScript. */
  async runnerNoscript(reader) {
    await reader.signIn();
    await reader.open("/projects/new");
    assert.equal(await (await reader.find("[data-choice]")).isDisplayed(), false, "the script runs");
    await reader.type("name", "shop");
    await reader.press("Create project");
    await reader.shows("The project was created.");
    const becomes = async (text) => {
      const shown = async () => {
        await reader.driver.navigate().refresh();
        return (await reader.text()).includes(text);
      };
      await reader.driver.wait(shown, PATIENCE, `never ${text}`);
    };
    const queue = async (prompt) => {
      await reader.open("/projects/shop");
      await reader.press("New command");
      await (await reader.find("#type option[value=demo]")).click();
      await reader.type("prompt", prompt);
      await reader.press("Queue command");
      await reader.shows("The command was queued.");
    };
    await queue("Good day to you.");
    await becomes("Completed");
    await reader.shows("Good day to you.");
    await queue("Hold on.\n/wait 10m");
    await becomes("Running");
    await reader.press("Cancel");
    await reader.shows("The command is being stopped.");
    await becomes("The command was cancelled.");
    await reader.open("/commands?status=cancelled");
    assert.equal((await reader.driver.findElements(By.css("tbody[data-rows] tr"))).length, 1);
    await reader.open("/projects/shop");
    await reader.shows("Success rate");
  },

  /** Every page of the runner is accessible. */
  async runnerAccessibility(reader) {
    await api("POST", "/projects", { name: "shop", description: "Sells things", environment: { RUST_LOG: "debug" } });
    await api("POST", "/projects", { name: "busy" });
    await api("PUT", "/credentials/NPM_TOKEN", { kind: "env", value: "a value of no one" });
    const queue = (project, prompt) => api("POST", `/projects/${project}/commands`, { type: "demo", prompt });
    const ended = await queue("shop", "Good day.\n/tool Bash\n/deny Write\nBye.");
    const failed = await queue("shop", "/fail The disk is full.");
    const running = await queue("busy", "Wait.\n/wait 30m");
    const queued = await queue("busy", "Then this.");
    const isOver = async () => (await api("GET", `/commands/${failed.id}`)).status === "failed";
    await reader.driver.wait(isOver, PATIENCE, "the command did not end");
    const filled = "preview=1&var-name=shop&var-rdev_url=https://rdev.example";
    const pages = [
      "/commands", "/commands?status=asleep", "/commands?status=lost", "/commands/new?project=shop&model=x", ...[ended, failed, running, queued].map(({ id }) => `/commands/${id}`),
      `/commands/${ended.id}?after=2`, `/commands/${ended.id}/delete`, "/projects", "/projects/new", "/projects/shop", "/projects/busy?window=24h", "/projects/shop/edit", "/projects/shop/delete",
      "/templates", "/templates/rust-service", "/templates/rust-service?preview=1&project=none", `/templates/rust-service?${filled}&project=shop`,
      "/credentials", "/credentials/new", "/credentials/NPM_TOKEN", "/credentials/NPM_TOKEN/edit", "/credentials/NPM_TOKEN/delete", "/api-keys/new",
    ];
    await reader.signIn();
    for (const page of pages) await isAccessible(reader, page);
    await api("POST", `/commands/${running.id}/cancel`, {});
  },
};

const [name] = process.argv.slice(2);
const reader = await browser({ script: !/noscript/i.test(name) });
try {
  await scenarios[name](reader);
  await reader.isQuiet();
} catch (failure) {
  console.error(failure);
  process.exitCode = 1;
} finally {
  await reader.quit();
}
// A receiver of a scenario that failed would keep the program.
process.exit();
