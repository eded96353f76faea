// Figures of the items that are shown.

const BINS = 20;
const CHART_VALUES = 12;
const RATE_BINS = 40;

const SVG = "http://www.w3.org/2000/svg";

function drawing(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Returns columns beside each other, with what the left and right ends and the highest one stand for.
 * @param {string} name what a reader aloud is told of it
 */
function columnsChart(values, { name, left, right, top }) {
  const most = Math.max(...values, 1e-9);
  const width = 400 / values.length;
  const columns = values.map((value, at) => {
    const height = value ? Math.max((value / most) * 120, 1) : 0;
    return drawing("rect", { x: at * width + 1, y: 120 - height, width: width - 2, height, rx: 1.5 });
  });
  const picture = drawing("svg", { viewBox: "0 0 400 121", preserveAspectRatio: "none", role: "img" }, ...columns);
  picture.setAttribute("aria-label", name);
  const scale = make("div.scale", null, make("span", left), make("span", right));
  return make("div.columns-chart", null, make("p.top", top), picture, scale);
}

const chart = (title, ...content) => make("section.chart", null, foreign("h2", title), ...content);

class Charts {
  constructor(selection) {
    this.selection = selection;
    this.items = selection.items;
    this.place = byId("charts");
    this.run = 0;
  }

  /** Draws the figures of some items; what takes longer than another question comes to nothing. */
  async show(shown) {
    const run = ++this.run;
    const { facets } = this.selection;
    const counts = facets.map((facet) => new Uint32Array(facet.labels.length));
    const bins = new Uint32Array(BINS);
    const { confidence } = this.selection;
    let certain = 0;
    const slice = slices();
    for (let place = 0; place < shown.length; place++) {
      if (place % 1024 === 1023 && slice.over()) {
        await slice.rest();
        if (run !== this.run) return;
      }
      const item = shown[place];
      facets.forEach((facet, at) => counts[at][facet.column[item]]++);
      if (confidence[item] !== NO_CONFIDENCE) {
        certain++;
        bins[Math.min(BINS - 1, Math.floor((confidence[item] / CONFIDENCE_STEPS) * BINS))]++;
      }
    }
    const charts = [];
    if (certain) charts.push(this.histogram(bins));
    if (this.items.index.timeline) charts.push(this.rate(this.items.index.timeline));
    facets.forEach((facet, at) => {
      const drawn = this.values(facet, counts[at]);
      if (drawn) charts.push(drawn);
    });
    this.place.replaceChildren(...charts);
    if (!charts.length) this.place.append(make("p.muted", "Nothing to draw."));
  }

  histogram(bins) {
    const most = Math.max(...bins);
    const fullest = bins.indexOf(most);
    const [from, to] = [fullest / BINS, (fullest + 1) / BINS].map((share) => share.toFixed(2));
    const name = `Confidence in ${BINS} steps; most items, ${thousands(most)}, lie between ${from} and ${to}`;
    const top = `${thousands(most)} items`;
    return chart("Confidence", columnsChart([...bins], { name, left: "0.00", right: "1.00", top }));
  }

  values(facet, counts) {
    const isError = facet.name === ERROR && !facet.attribute;
    const there = facet.order.filter((value) => counts[value] && (value !== NO_ANSWER || !facet.attribute));
    if (!there.length) return null;
    there.sort((one, other) => (one === OTHER && facet.attribute) - (other === OTHER && facet.attribute) || counts[other] - counts[one]);
    const most = Math.max(...there.map((value) => counts[value]));
    const line = (value) =>
      barLine(facet.labels[value] || "(empty)", counts[value] / most, thousands(counts[value]), isError ? ".bad" : "");
    const list = make("ul.bars", null, ...there.slice(0, CHART_VALUES).map(line));
    const left = there.length - CHART_VALUES;
    const note = left > 0 ? [make("p.muted", `and ${counted(left, "more value")}`)] : [];
    return chart(isError ? "Errors" : facet.name, list, ...note);
  }

  /** Returns how fast all of the job was answered: a point for each part that was written. */
  rate(points) {
    const total = points.at(-1)[0];
    const span = total / RATE_BINS;
    const done = new Float64Array(RATE_BINS);
    let before = points[0][1];
    // What the first part took is not known: it counts from its end.
    for (const [at, items] of points.slice(1)) {
      done[Math.min(RATE_BINS - 1, Math.floor(at / span))] += items - before;
      before = items;
    }
    const rates = Array.from(done, (items) => items / span);
    const most = Math.max(...rates);
    const mean = (points.at(-1)[1] - points[0][1]) / total;
    const name = `Items a second over ${duration(total)}: ${rate(mean)} in the mean, ${rate(most)} at most`;
    const drawn = columnsChart(rates, { name, left: "0 s", right: duration(total), top: `${rate(most)} a second` });
    return chart("Speed", drawn, make("p.muted", `${rate(mean)} items a second in the mean, by when result files were written; of the whole job.`));
  }
}

const rate = (items) => items.toLocaleString("en", { maximumFractionDigits: items < 100 ? 1 : 0 });

function duration(seconds) {
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
