// The filters beside the grid, and those in use above it.

const SHOWN_VALUES = 10;
const OPEN_FACETS = 6;

class Filters {
  constructor(selection, changed) {
    this.selection = selection;
    this.changed = changed;
    this.lines = selection.facets.map(() => []);
    this.place = byId("filters");
    this.place.append(this.confidence(), ...selection.facets.map((facet, at) => this.facet(facet, at)));
    const { leftOut } = selection.items.index;
    if (leftOut) this.place.append(make("p.note", `${counted(leftOut, "rarer question")} can be searched, not filtered.`));
    const toggle = byId("filters-button");
    toggle.addEventListener("click", () => {
      const open = this.place.classList.toggle("open");
      toggle.setAttribute("aria-expanded", String(open));
    });
    byId("empty-clear").addEventListener("click", () => this.clear());
  }

  clear() {
    this.selection.clear();
    byId("search").value = "";
    this.changed();
    byId("search").focus();
  }

  confidence() {
    const { selection } = this;
    this.low = this.range("At least", 0, (value) => (selection.from = value));
    this.high = this.range("At most", CONFIDENCE_STEPS, (value) => (selection.to = value));
    const box = make("details.facet", null, make("summary", "Confidence"), this.low.line, this.high.line);
    box.open = true;
    const { attributes } = selection.items;
    if (attributes.length > 1) {
      const select = make("select");
      select.append(new Option("of the least certain", "-1"));
      attributes.forEach((attribute, at) => select.append(new Option(`of ${label(attribute.name)}`, String(at))));
      select.addEventListener("change", () => {
        selection.weigh(attributes[Number(select.value)] ?? null);
        this.changed();
      });
      select.setAttribute("aria-label", "Whose confidence");
      box.append(make("div.range", null, select));
    }
    return box;
  }

  range(name, start, set) {
    const input = make("input");
    Object.assign(input, { type: "range", min: 0, max: CONFIDENCE_STEPS, step: 100, value: start });
    const shown = make("output", (start / CONFIDENCE_STEPS).toFixed(2));
    input.addEventListener("input", () => {
      set(Number(input.value));
      this.changed();
    });
    return { line: make("label.range", null, make("span", name), input, shown), input, shown };
  }

  facet(facet, at) {
    const box = make("details.facet");
    const summary = make("summary", null, foreign("bdi", facet.name));
    const list = make("ul.values");
    box.append(summary, list);
    box.open = at < OPEN_FACETS;
    let shown = 0;
    const more = button(".plain.more", "", () => {
      const first = shown;
      show(facet.order.length);
      this.lines[at][first]?.input.focus();
    });
    const show = (until) => {
      for (; shown < Math.min(until, facet.order.length); shown++) list.append(this.line(facet, at, facet.order[shown]));
      more.textContent = `Show all ${thousands(facet.order.length)}`;
      more.hidden = shown === facet.order.length;
      this.count();
    };
    box.append(more);
    more.hidden = true;
    // Lines that nobody looks at need not be there.
    const open = () => box.open && !shown && show(SHOWN_VALUES);
    box.addEventListener("toggle", open);
    open();
    return box;
  }

  line(facet, at, value) {
    const input = make("input");
    input.type = "checkbox";
    input.addEventListener("change", () => {
      const values = this.selection.chosen[at];
      if (input.checked) values.add(value);
      else values.delete(value);
      this.changed();
    });
    const count = make("span.count");
    const track = bar(0);
    const own = value >= FIRST_VALUE || !facet.attribute;
    const text = foreign(own ? "bdi" : "bdi.muted", facet.labels[value] === "" ? "(empty)" : facet.labels[value]);
    this.lines[at].push({ value, input, count, fill: track.firstChild });
    return make("li", null, make("label.value", null, input, text, count, track));
  }

  /** Shows how many items each value has among those that fit otherwise. */
  count(counts = this.counts) {
    if (!counts) return;
    this.counts = counts;
    this.lines.forEach((lines, at) => {
      const { totals, order } = this.selection.facets[at];
      const most = Math.max(1, ...order.map((value) => totals[value]));
      for (const line of lines) {
        line.count.textContent = thousands(counts[at][line.value]);
        line.fill.style.width = `${(counts[at][line.value] / most) * 100}%`;
        line.input.checked = this.selection.chosen[at].has(line.value);
      }
    });
  }

  /** Shows what is in use, each with a way out. */
  chips() {
    const { selection } = this;
    const chips = [];
    const add = (text, drop) => chips.push({ text, drop });
    if (selection.words.length) {
      add(`“${selection.query.trim()}”`, () => {
        selection.search("");
        byId("search").value = "";
      });
    }
    if (selection.isNarrow) {
      const [from, to] = [selection.from, selection.to].map((steps) => (steps / CONFIDENCE_STEPS).toFixed(2));
      add(`confidence ${from} to ${to}`, () => {
        selection.from = 0;
        selection.to = CONFIDENCE_STEPS;
      });
    }
    selection.chosen.forEach((values, at) => {
      const facet = selection.facets[at];
      for (const value of values) {
        add(`${label(facet.name)}: ${label(facet.labels[value]) || "(empty)"}`, () => values.delete(value));
      }
    });
    byId("chips").replaceChildren(
      ...chips.map(({ text, drop }, at) => {
        const chip = button(".chip", null, () => {
          drop();
          this.changed();
          // What had the focus is gone.
          const left = byId("chips").querySelectorAll("button");
          (left[Math.min(at, left.length - 1)] ?? byId("search")).focus();
        });
        chip.append(foreign("bdi", text), make("span", "✕"));
        chip.setAttribute("aria-label", `Remove the filter ${label(text)}`);
        return make("li", null, chip);
      }),
      ...(chips.length > 1 ? [make("li", null, button(".plain", "Clear all", () => this.clear()))] : []),
    );
    const used = chips.length ? ` (${chips.length})` : "";
    byId("filters-button").textContent = `Filters${used}`;
    for (const [range, value] of [[this.low, selection.from], [this.high, selection.to]]) {
      range.input.value = value;
      range.shown.textContent = (value / CONFIDENCE_STEPS).toFixed(2);
    }
  }
}
