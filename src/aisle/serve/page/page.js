// The first page: what each placement answers for a chosen visitor, and the catalogue. No dependencies, no outside call.

const LIMIT = 12;
const PAGE_ITEMS = 40;
const byId = (id) => document.getElementById(id);

const state = { visitor: "", item: null, items: new Map(), offset: 0, origin: {}, users: [] };
// A new visitor is known by this session alone; it ends with the tab.
const session = sessionStorage.getItem("aisle-session") || `page-${Math.random().toString(36).slice(2, 12)}`;
sessionStorage.setItem("aisle-session", session);

async function call(path, body) {
  const key = sessionStorage.getItem("aisle-key");
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const options = body === undefined ? { headers } : {
    method: "POST", headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  if (response.status === 401) {
    await askForKey();
    return call(path, body);
  }
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(typeof answer.detail === "string" ? answer.detail : answer.detail?.[0]?.msg ?? response.statusText);
  }
  return answer;
}

let asking = null;
function askForKey() {
  asking ??= new Promise((resolve) => {
    const dialog = byId("key-dialog");
    dialog.addEventListener("close", () => {
      sessionStorage.setItem("aisle-key", byId("key").value);
      asking = null;
      resolve();
    }, { once: true });
    if (!dialog.open) dialog.showModal();
  });
  return asking;
}

const who = () => (state.visitor ? { user_id: state.visitor } : { session_id: session });

// The records of some items, asked for in one call; an item without a record is shown by its id.
async function itemsOf(ids) {
  const unknown = ids.filter((id) => !state.items.has(id));
  if (unknown.length) {
    const query = new URLSearchParams(unknown.map((id) => ["item_id", id]));
    const { items } = await call(`/v1/items?limit=${unknown.length}&${query}`);
    items.forEach((item) => state.items.set(item.item_id, item));
  }
  return ids.map((id) => state.items.get(id) ?? { item_id: id });
}

function factsOf(item) {
  const facts = [];
  if (item.price !== undefined) facts.push(priceOf(item));
  if (item.category?.length) facts.push(item.category.at(-1));
  if (item.available === false) facts.push("not available");
  return facts.join(" · ");
}

function priceOf({ price, currency }) {
  try {
    if (currency) return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(price);
  } catch { /* not a currency code: shown as it is */ }
  return `${price.toFixed(2)}${currency ? ` ${currency}` : ""}`;
}

function cardOf(item, reason, origin) {
  const card = byId("card").content.firstElementChild.cloneNode(true);
  card.querySelector(".title").textContent = item.title || item.item_id;
  card.querySelector(".facts").textContent = factsOf(item);
  card.querySelector(".reason").textContent = reason ?? "";
  card.querySelector("button").addEventListener("click", () => choose(item.item_id, origin));
  return card;
}

function say(section, className, text) {
  const line = document.createElement("p");
  line.className = className;
  line.textContent = text;
  section.append(line);
}

async function show(section) {
  const placement = section.dataset.placement;
  const asked = `${state.visitor}|${state.item}`;
  section.dataset.asked = asked;
  section.setAttribute("aria-busy", "true");
  try {
    const question = { placement, limit: LIMIT, ...who() };
    if ("needsItem" in section.dataset) question.items = [state.item];
    const answer = await call("/v1/recommendations", question);
    const items = await itemsOf(answer.items.map((entry) => entry.item_id));
    if (section.dataset.asked !== asked) return; // another visitor or item was chosen meanwhile
    clear(section);
    if (!items.length) say(section, "message", emptyText(placement));
    else {
      const list = document.createElement("ul");
      list.className = "cards";
      list.append(...items.map((item, position) =>
        cardOf(item, answer.items[position].reason, { request_id: answer.request_id, placement, position })));
      section.append(list);
    }
    if (answer.degraded.length) say(section, "degraded", `Fell back: ${answer.degraded.join(", ")}`);
  } catch (error) {
    if (section.dataset.asked !== asked) return;
    clear(section);
    say(section, "message", `This could not be shown: ${error.message}`);
  } finally {
    section.removeAttribute("aria-busy");
  }
}

function emptyText(placement) {
  return placement === "buy-it-again"
    ? "Nothing yet: this visitor has not bought anything that is bought again."
    : "Nothing to show yet. Import some events, or choose another visitor.";
}

const clear = (section) => [...section.children].slice(1).forEach((child) => child.remove());

function showPlacements() {
  document.querySelectorAll(".placement").forEach((section) => {
    if ("needsItem" in section.dataset ? state.item !== null : true) show(section);
  });
}

async function choose(id, origin) {
  state.item = id;
  state.origin = origin ?? {};
  remember();
  const [item] = await itemsOf([id]);
  byId("item").hidden = false;
  byId("item-title").textContent = item.title || id;
  byId("item-facts").textContent = [id, factsOf(item)].filter(Boolean).join(" · ");
  byId("bought").textContent = "";
  byId("item-title").focus({ preventScroll: true });
  byId("item").scrollIntoView({ block: "start" });
  document.querySelectorAll("[data-needs-item]").forEach(show);
}

async function buy() {
  const button = byId("buy");
  button.disabled = true;
  try {
    const event = { type: "purchase", item_id: state.item, event_id: crypto.randomUUID?.() ?? `${session}-${Date.now()}`, ...who(), ...state.origin };
    const { accepted, rejected } = await call("/v1/events", { events: [event] });
    byId("bought").textContent = accepted ? "Bought: the placements below know of it already." : rejected[0]?.reason ?? "";
    showPlacements();
  } catch (error) {
    byId("bought").textContent = `Not bought: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

async function showCatalogue(more = false) {
  const search = byId("search").value.trim();
  state.offset = more ? state.offset + PAGE_ITEMS : 0;
  try {
    const query = new URLSearchParams({ limit: PAGE_ITEMS, offset: state.offset, ...(search && { search }) });
    const { items, total } = await call(`/v1/items?${query}`);
    items.forEach((item) => state.items.set(item.item_id, item));
    const list = byId("catalogue-items");
    if (!more) list.replaceChildren();
    list.append(...items.map((item) => cardOf(item)));
    byId("catalogue-note").textContent = `${total.toLocaleString()} ${total === 1 ? "item" : "items"}`;
    byId("more").hidden = state.offset + items.length >= total;
  } catch (error) {
    byId("catalogue-note").textContent = `The catalogue could not be shown: ${error.message}`;
  }
}

function setVisitor(id) {
  state.visitor = id.trim();
  byId("visitor").value = state.visitor;
  remember();
  showPlacements();
}

// The visitor and the item stand in the address, so that a view can be sent to somebody.
function remember() {
  const view = new URLSearchParams();
  view.set("visitor", state.visitor);
  if (state.item !== null) view.set("item", state.item);
  history.replaceState(null, "", `#${view}`);
}

async function start() {
  const view = new URLSearchParams(location.hash.slice(1));
  state.visitor = view.get("visitor") ?? "";
  try {
    const [ready, users] = [await call("/readyz"), await call("/v1/users?limit=200")];
    byId("status").textContent = `Model ${ready.model_version} · the shop's clock: ${ready.clock.slice(0, 16).replace("T", " ")} UTC`;
    state.users = users.user_ids;
    byId("visitors").replaceChildren(...users.user_ids.map((id) => new Option(id, id)));
    byId("another").hidden = !users.user_ids.length;
    if (!view.has("visitor") && users.user_ids.length) state.visitor = users.user_ids[0];
  } catch (error) {
    byId("status").textContent = `The server does not answer: ${error.message}`;
  }
  setVisitor(state.visitor);
  if (view.get("item")) choose(view.get("item"));
  await showCatalogue();
}

byId("visitor-form").addEventListener("submit", (event) => { event.preventDefault(); setVisitor(byId("visitor").value); });
byId("another").addEventListener("click", () => setVisitor(state.users[Math.floor(Math.random() * state.users.length)]));
byId("search-form").addEventListener("submit", (event) => { event.preventDefault(); showCatalogue(); });
byId("more").addEventListener("click", () => showCatalogue(true));
byId("buy").addEventListener("click", buy);
byId("close").addEventListener("click", () => { state.item = null; byId("item").hidden = true; remember(); });
addEventListener("hashchange", () => location.reload()); // a view that was typed or pasted, not one of ours
start();
