// Which items are shown, in which order. All of them are looked at for each question, in slices of time.

const STATUS = "Status";
const ERROR = "Error";
const NO_ANSWER = 0;
const OTHER = 1;
const FIRST_VALUE = 2;

/** Returns what items can be told apart by: for each, a number of every item, and what the numbers mean. */
function facetsOf(items) {
  const { codes } = items.index;
  const facets = [];
  if (codes.length) {
    const status = Uint8Array.from(items.code, (code) => (code ? 1 : 0));
    facets.push({ name: STATUS, labels: ["answered", "failed"], column: status, order: [0, 1] });
    const order = codes.map((_, at) => at + 1);
    facets.push({ name: ERROR, labels: ["none", ...codes], column: items.code, order, byCount: true });
  }
  for (const attribute of items.attributes) {
    // Texts that are all different can be searched.
    if (!attribute.values.length) continue;
    const labels = ["no answer", `other (${thousands(attribute.others)} more)`];
    labels.push(...attribute.values);
    const order = attribute.values.map((_, at) => at + FIRST_VALUE);
    if (attribute.others) order.push(OTHER);
    facets.push({ name: attribute.name, labels, column: attribute.value, order, attribute });
  }
  for (const facet of facets) {
    facet.totals = countsOf(facet);
    if (facet.byCount) facet.order.sort((one, other) => facet.totals[other] - facet.totals[one]);
    if (facet.attribute && facet.totals[NO_ANSWER]) facet.order.push(NO_ANSWER);
  }
  return facets;
}

function countsOf(facet) {
  const counts = new Uint32Array(facet.labels.length);
  for (const value of facet.column) counts[value]++;
  return counts;
}

class Selection {
  constructor(items) {
    this.items = items;
    this.facets = facetsOf(items);
    this.chosen = this.facets.map(() => new Set());
    this.query = "";
    this.words = [];
    this.from = 0;
    this.to = CONFIDENCE_STEPS;
    this.confidence = items.confidence;
    this.sort = "job";
    this.orders = new Map();
    this.run = 0;
  }

  get isAll() {
    return !this.words.length && !this.isNarrow && this.chosen.every((values) => !values.size);
  }

  get isNarrow() {
    return this.from > 0 || this.to < CONFIDENCE_STEPS;
  }

  search(text) {
    this.query = text;
    this.words = text.toLowerCase().split(/\s+/).filter(Boolean);
  }

  /** Counts confidence by one attribute's answers from now on, or by the lowest of an item's. */
  weigh(attribute) {
    this.confidence = attribute ? attribute.confidence : this.items.confidence;
    this.orders.delete("low");
    this.orders.delete("high");
  }

  clear() {
    this.search("");
    this.from = 0;
    this.to = CONFIDENCE_STEPS;
    this.chosen.forEach((values) => values.clear());
  }

  /**
   * Returns the items that fit, and how many there would be for each value of each facet if nothing else of that
   * facet were chosen; null where another question came meanwhile.
   */
  async select() {
    const run = ++this.run;
    const order = this.order();
    const tests = this.tests();
    const counts = this.facets.map((facet) => new Uint32Array(facet.labels.length));
    const columns = this.facets.map((facet) => facet.column);
    const found = new Uint32Array(this.items.count);
    let length = 0;
    const slice = slices();
    for (let place = 0; place < order.length; place++) {
      if (place % 1024 === 1023 && slice.over()) {
        await slice.rest();
        if (run !== this.run) return null;
      }
      const item = order[place];
      let failed = 0;
      let facet = -1;
      for (const test of tests) {
        if (!test.fits(item)) {
          facet = test.facet;
          // An item that one facet alone keeps out counts for that facet's other values.
          if (++failed > 1 || facet < 0) break;
        }
      }
      if (!failed) {
        found[length++] = item;
        for (let at = 0; at < columns.length; at++) counts[at][columns[at][item]]++;
      } else if (failed === 1 && facet >= 0) counts[facet][columns[facet][item]]++;
    }
    return { items: found.subarray(0, length), counts };
  }

  /** Returns what an item must be; what is quickly told comes first. */
  tests() {
    const tests = [];
    if (this.isNarrow) {
      const { confidence, from, to } = this;
      tests.push({ facet: -1, fits: (item) => confidence[item] >= from && confidence[item] <= to });
    }
    this.chosen.forEach((values, facet) => {
      if (!values.size) return;
      const { column, labels } = this.facets[facet];
      const wanted = new Uint8Array(labels.length);
      for (const value of values) wanted[value] = 1;
      tests.push({ facet, fits: (item) => wanted[column[item]] === 1 });
    });
    if (this.words.length) {
      const { words } = this;
      const { texts } = this.items;
      const fits = (item) => texts[item] !== null && words.every((word) => texts[item].includes(word));
      tests.push({ facet: -1, fits });
    }
    return tests;
  }

  order() {
    if (!this.orders.has(this.sort)) this.orders.set(this.sort, this.newOrder());
    return this.orders.get(this.sort);
  }

  newOrder() {
    const { items, confidence } = this;
    const last = NO_CONFIDENCE;
    switch (this.sort) {
      case "id":
        return items.byId ?? this.sorted(() => 0);
      case "low":
        return this.sorted((item) => confidence[item]);
      case "high":
        return this.sorted((item) => (confidence[item] === last ? last : CONFIDENCE_STEPS - confidence[item]));
      case "slow":
        return this.sorted((item) => 0xffffffff - items.milliseconds[item]);
      case "failed":
        return this.sorted((item) => (items.code[item] ? items.code[item] : 256));
      default:
        return this.sorted(() => 0);
    }
  }

  /** Returns the items by a number of each; those with the same stay in their order. */
  sorted(key) {
    // In one number: so that the browser's own sorting of numbers does it, which asks nobody back.
    const room = 2 ** 18;
    const keys = new Float64Array(this.items.count);
    for (let item = 0; item < keys.length; item++) keys[item] = key(item) * room + item;
    keys.sort();
    return Uint32Array.from(keys, (value) => value % room);
  }
}
