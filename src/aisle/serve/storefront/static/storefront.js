// What the storefront's pages do beyond HTML: events of their forms, and the panel that says why something is shown.
// Events and recommendations themselves are aisle.js's.

const byId = (id) => document.getElementById(id);

// A form that stands for an event sends it before the next page comes; aisle.js sees to it that it arrives.
document.addEventListener("submit", ({ target }) => {
  const lines = JSON.parse(target.dataset.lines ?? "[]");
  if (target.dataset.event === "purchase") aisle.purchase(lines, target.dataset.order);
  else if (target.dataset.event) lines.forEach((line) => aisle.track(target.dataset.event, line));
  if ("newVisitor" in target.dataset) aisle.reset();
});

document.addEventListener("aisle:shown", ({ target, detail: { answer, cards } }) => {
  const message = target.parentElement.querySelector(".message");
  message.textContent = messageOf(answer, cards, message.dataset.empty);
  cards.forEach((card, position) => {
    card.querySelector("[data-why]").addEventListener("click", () => explain(answer, answer.items[position]));
  });
});

function messageOf(answer, cards, empty) {
  if (!answer) return "This could not be loaded just now.";
  return cards.length ? "" : empty;
}

function explain(answer, entry) {
  byId("why-item").textContent = entry.item?.title || entry.item_id;
  byId("why-reason").textContent = entry.reason;
  byId("why-source").textContent = entry.source;
  byId("why-score").textContent = entry.score.toPrecision(3);
  byId("why-model").textContent = answer.model_version;
  const sources = Object.entries(entry.sources ?? {}).sort(([, one], [, other]) => other.share - one.share);
  byId("why-sources").hidden = !sources.length;
  byId("why-sources").tBodies[0].replaceChildren(...sources.map(([name, { rank, share }]) => {
    const row = document.createElement("tr");
    for (const text of [name, rank, share.toPrecision(2)]) row.insertCell().textContent = text;
    return row;
  }));
  byId("why").showModal();
}

// A click beside the panel closes it.
byId("why").addEventListener("click", (event) => { if (event.target === byId("why")) byId("why").close(); });
