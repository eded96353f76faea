// From the data to the page.

const SORTS = [
  ["job", "in the job's order"],
  ["id", "by id"],
  ["low", "least certain first"],
  ["high", "most certain first"],
  ["slow", "slowest first"],
  ["failed", "failed first"],
];

async function main() {
  const index = await read("index");
  const items = new Items(index);
  const selection = new Selection(items);
  const charts = new Charts(selection);
  let shown = new Uint32Array(0);
  const detail = new Detail(items, (place) => guarded(() => grid.focus(place)));
  const grid = new Grid(items, (place) => guarded(() => detail.open(shown, place)));
  const filters = new Filters(selection, () => guarded(() => update()));

  async function update(stay = false) {
    filters.chips();
    const found = await selection.select();
    if (found === null) return;
    shown = found.items;
    const all = thousands(items.count);
    byId("result").textContent = selection.isAll ? counted(items.count, "item") : `${thousands(shown.length)} of ${all} items`;
    filters.count(found.counts);
    if (!byId("charts").hidden) await charts.show(shown);
    await (stay ? grid.stay(shown) : grid.show(shown));
  }

  heading(index);
  sorting(selection, update);
  views(() => guarded(() => charts.show(shown)));
  searching(selection, update);
  await update();
  document.documentElement.dataset.ready = "grid";
  await items.readAll((read) => {
    const isAll = read === items.count;
    byId("reading").textContent = isAll ? "" : `reading texts to search: ${thousands(read)} of ${thousands(items.count)}`;
    // Who searches already sees more with every block.
    if (selection.words.length) guarded(() => update(true));
  });
  document.documentElement.dataset.ready = "all";
}

function heading(index) {
  const { job, models, count, failed, cached } = index;
  byId("title").textContent = job.name;
  const parts = [counted(count, "item")];
  if (failed) parts.push(`${thousands(failed)} failed`);
  if (cached) parts.push(`${thousands(cached)} from the cache`);
  if (job.items > count) parts.push(`${thousands(job.items - count)} without a result yet`);
  byId("subtitle").append(make("span", `${parts.join(", ")} · `), foreign("bdi", models.slice(0, 3).join(", ")));
  byId("subtitle").append(make("span", ` · ${job.created.slice(0, 10)}`));
}

function sorting(selection, update) {
  const select = byId("sort");
  select.append(...SORTS.map(([value, text]) => new Option(text, value)));
  select.addEventListener("change", () => {
    selection.sort = select.value;
    guarded(() => update());
  });
}

function views(draw) {
  const show = (isCharts) => {
    byId("charts").hidden = !isCharts;
    byId("pictures").hidden = isCharts;
    byId("view-charts").setAttribute("aria-pressed", String(isCharts));
    byId("view-grid").setAttribute("aria-pressed", String(!isCharts));
    if (isCharts) draw();
  };
  byId("view-charts").addEventListener("click", () => show(true));
  byId("view-grid").addEventListener("click", () => show(false));
}

function searching(selection, update) {
  const input = byId("search");
  input.addEventListener("input", () => {
    selection.search(input.value);
    guarded(() => update());
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    const first = document.querySelector(".card");
    if (first) {
      event.preventDefault();
      first.focus();
    }
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof Element && event.target.closest("input:not([type=checkbox], [type=range]), select");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping || byId("detail").open) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
}

async function guarded(act) {
  try {
    await act();
  } catch (error) {
    trouble(`This gallery cannot be shown as it should be: ${error.message}. Make it again, and keep its files together.`);
  }
}

guarded(main);
