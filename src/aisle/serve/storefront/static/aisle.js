// The browser's half of Aisle: sends what visitors see and do, and shows recommendations. See docs/aisle-js.md.
(() => {
  "use strict";
  if (window.aisle) return;

  const script = document.currentScript;
  const { origin } = new URL(script.src);
  const { key } = script.dataset;
  let user = script.dataset.user?.trim() || null;

  const IDLE_MS = 30 * 60_000; // a session ends after so long without an event
  const FRESH_MS = 60_000; // a younger event carries no time: the server's clock is better than the visitor's
  const SEEN_MS = 1000; // half visible for so long is seen
  const GATHER_MS = 300; // events wait so long for company
  const MAX_RETRY_MS = 60_000;
  const MAX_WAITING = 500;
  const BATCH = 100; // well below the 64 KiB that a beacon may carry
  const MAX_ORIGINS = 50;
  const REFUSED = [400, 413, 422]; // sending the same again would not help
  const FIELDS = ["title", "category", "brand", "price", "currency", "available", "image_url"];
  const EVENT = "aisle:event:";
  const SESSION = "aisle:session";

  // --- What is kept. Where storage is blocked or full, this page's memory stands in.

  const memory = new Map();
  const attempt = (action) => { try { return action(); } catch { return undefined; } };
  const read = (name) => memory.get(name) ?? attempt(() => localStorage.getItem(name)) ?? null;
  const forget = (name) => { memory.delete(name); attempt(() => localStorage.removeItem(name)); };
  const write = (name, text) => {
    memory.delete(name);
    if (!attempt(() => { localStorage.setItem(name, text); return true; })) memory.set(name, text);
  };
  const namesOf = (start) =>
    [...memory.keys(), ...(attempt(() => Object.keys(localStorage)) ?? [])].filter((name) => name.startsWith(start)).sort();

  const randomId = () =>
    Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

  // --- The visitor's session, and from which answer the visitor came to an item.

  function session() {
    const now = Date.now();
    let current = attempt(() => JSON.parse(read(SESSION)));
    const goesOn = current && now - current.last < IDLE_MS && (current.user ?? user) === user;
    if (!goesOn) current = { id: randomId(), origins: [] };
    Object.assign(current, { last: now, user });
    write(SESSION, JSON.stringify(current));
    return current;
  }

  function rememberOrigin(itemId, origin) {
    const current = session();
    const others = current.origins.filter(([id]) => id !== itemId);
    current.origins = [...others, [itemId, origin]].slice(-MAX_ORIGINS);
    write(SESSION, JSON.stringify(current));
  }

  function identify(id) {
    user = id?.trim() || null;
    session();
  }

  // --- Events: each under a name of its own in localStorage until the server has acknowledged it.

  let count = 0;
  let timer = null;
  let retryMs = GATHER_MS;
  let sending = null;
  const beaconed = new Set();

  function track(type, fields = {}) {
    const { id, origins } = session();
    const now = Date.now();
    const order = `${now.toString(36)}-${(count++).toString(36).padStart(4, "0")}`;
    const event = {
      type,
      event_id: `${order}-${randomId()}`, // the same whenever it is sent, so that a retry does not count twice
      session_id: id,
      ...(user && { user_id: user }),
      ...new Map(origins).get(fields.item_id),
      ...fields,
    };
    write(EVENT + event.event_id, JSON.stringify({ at: now, event }));
    namesOf(EVENT).slice(0, -MAX_WAITING).forEach(forget);
    sendIn(GATHER_MS);
    return event.event_id;
  }

  function waiting() {
    return namesOf(EVENT).slice(0, BATCH).flatMap((name) => {
      const kept = attempt(() => JSON.parse(read(name)));
      if (!kept) { forget(name); return []; }
      const waited = Date.now() - kept.at > FRESH_MS;
      return [{ name, event: waited ? { timestamp: kept.at, ...kept.event } : kept.event }];
    });
  }

  function sendIn(delayMs) {
    clearTimeout(timer);
    timer = setTimeout(send, delayMs);
  }

  // Sends what waits; true when nothing is left. It never throws: what was not sent is tried again.
  function send() {
    sending ??= sendAll().finally(() => { sending = null; });
    return sending;
  }

  async function sendAll() {
    try {
      for (let batch = waiting(); batch.length; batch = waiting()) {
        const response = await post("/v1/events", { events: batch.map(({ event }) => event) });
        if (!response.ok && !REFUSED.includes(response.status)) throw new Error(`the server answered ${response.status}`);
        batch.forEach(({ name }) => { forget(name); beaconed.delete(name); });
        const { rejected, detail } = await response.json();
        if (detail || rejected?.length) console.warn("aisle.js: refused", detail ?? rejected);
      }
      retryMs = GATHER_MS;
      return true;
    } catch {
      retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
      sendIn(retryMs);
      return false;
    }
  }

  // The page may be gone before an answer comes: a beacon survives it. Its events stay until the next page has them
  // acknowledged; by their event_id the server counts each once.
  function leave() {
    const batch = waiting().filter(({ name }) => !beaconed.has(name));
    if (!batch.length || !navigator.sendBeacon) return;
    const body = new Blob([JSON.stringify({ events: batch.map(({ event }) => event) })], { type: mediaType });
    if (navigator.sendBeacon(addressOf("/v1/events"), body)) batch.forEach(({ name }) => beaconed.add(name));
  }

  // With the key in the address and a body of text, a browser asks no permission first: one call, not two.
  const mediaType = key ? "text/plain" : "application/json";
  const addressOf = (path) => origin + path + (key ? `?key=${encodeURIComponent(key)}` : "");
  const post = (path, body) => fetch(addressOf(path), {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": mediaType },
    signal: AbortSignal.timeout?.(10_000),
  });

  // --- Impressions.

  const shown = new WeakMap(); // element -> the event's fields
  const timers = new WeakMap();
  const hidden = new Set();
  const observer = new IntersectionObserver((entries) => {
    for (const { target, intersectionRatio } of entries) {
      clearTimeout(timers.get(target));
      if (intersectionRatio >= 0.5) timers.set(target, setTimeout(() => see(target), SEEN_MS));
    }
  }, { threshold: 0.5 });

  function see(element) {
    observer.unobserve(element);
    if (!element.isConnected) return;
    if (document.visibilityState === "visible") track("impression", shown.get(element));
    else hidden.add(element); // in a tab behind another: counted from when the tab comes to the front
  }

  function observe(element, fields) {
    shown.set(element, fields);
    observer.observe(element);
  }

  // --- Recommendations.

  async function recommend(request) {
    await Promise.race([send(), new Promise((resolve) => { setTimeout(resolve, 1500); })]); // what just happened counts
    const body = { session_id: session().id, ...(user && { user_id: user }), ...request };
    const response = await post("/v1/recommendations", body);
    const answer = await response.json();
    if (!response.ok) throw new Error(`aisle.js: ${JSON.stringify(answer.detail)}`);
    return answer;
  }

  const latest = new WeakMap(); // element -> the last question for it

  async function show(element) {
    const { aislePlacement: placement, aisleItems, aisleLimit, aisleExplain } = element.dataset;
    const request = { placement, fields: FIELDS, ...(aisleLimit && { limit: Number(aisleLimit) }) };
    if (aisleItems) request.items = aisleItems.startsWith("[") ? JSON.parse(aisleItems) : [aisleItems];
    if (aisleExplain !== undefined) request.explain = true;
    latest.set(element, request);
    element.setAttribute("aria-busy", "true");
    let answer = null;
    let cards = [];
    try {
      answer = await recommend(request);
      if (latest.get(element) !== request) return; // asked anew meanwhile
      const template = element.querySelector("template");
      cards = answer.items.map((entry, position) => cardOf(template, entry, {
        item_id: entry.item_id, request_id: answer.request_id, placement, position,
      }));
      element.replaceChildren(template, ...cards);
    } catch (error) {
      if (latest.get(element) !== request) return;
      element.replaceChildren(...element.querySelectorAll("template"));
      console.warn(error);
    }
    element.removeAttribute("aria-busy");
    element.dataset.aisleState = !answer ? "failed" : cards.length ? "shown" : "empty";
    element.dispatchEvent(new CustomEvent("aisle:shown", { bubbles: true, detail: { answer, cards } }));
  }

  function cardOf(template, entry, fields) {
    const card = template.content.cloneNode(true).firstElementChild;
    const values = { ...entry.item, ...entry, title: entry.item?.title || entry.item_id, price: priceOf(entry.item ?? {}) };
    for (const element of [card, ...card.querySelectorAll("*")]) {
      for (const { name, value } of [...element.attributes]) {
        if (value.includes("{") && !name.startsWith("on")) element.setAttribute(name, filled(name, value, values));
      }
      const field = element.dataset.aisleText;
      if (field) element.textContent = [values[field] ?? ""].flat().join(", "); // text, never markup
    }
    const remember = () => rememberOrigin(entry.item_id, { ...fields, item_id: undefined });
    card.addEventListener("click", remember);
    card.addEventListener("auxclick", remember);
    observe(card, fields);
    return card;
  }

  // An address is either built around encoded values, or one value that is itself a web address.
  function filled(name, text, values) {
    const isAddress = name === "href" || name === "src";
    const whole = isAddress && /^\{\w+\}$/.test(text);
    const result = text.replace(/\{(\w+)\}/g, (_, field) => {
      const value = String(values[field] ?? "");
      return isAddress && !whole ? encodeURIComponent(value) : value;
    });
    return whole && !/^https?:/.test(attempt(() => new URL(result, location).protocol)) ? "" : result;
  }

  function priceOf({ price, currency }) {
    if (price === undefined) return "";
    const language = document.documentElement.lang || undefined;
    const format = (options) => new Intl.NumberFormat(language, options).format(price);
    return (currency && attempt(() => format({ style: "currency", currency }))) ||
      `${format({ minimumFractionDigits: 2, maximumFractionDigits: 2 })}${currency ? ` ${currency}` : ""}`;
  }

  // --- The page.

  function start() {
    if (script.dataset.item) track("view", { item_id: script.dataset.item });
    document.querySelectorAll("[data-aisle-item]").forEach((element) => observe(element, { item_id: element.dataset.aisleItem }));
    document.querySelectorAll("[data-aisle-placement]").forEach(show);
    send();
  }

  window.aisle = Object.freeze({
    track,
    view: (itemId) => track("view", { item_id: itemId }),
    addToCart: (itemId, fields) => track("add_to_cart", { item_id: itemId, ...fields }),
    removeFromCart: (itemId, fields) => track("remove_from_cart", { item_id: itemId, ...fields }),
    purchase: (lines, orderId) => lines.map((line) => track("purchase", { ...line, ...(orderId && { order_id: orderId }) })),
    identify,
    reset: () => { user = null; forget(SESSION); },
    recommend,
    show,
    send,
  });

  addEventListener("online", send);
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => { if (event.persisted) start(); }); // back from the browser's page cache
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") return leave();
    hidden.forEach((element) => observer.observe(element));
    return hidden.clear();
  });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
