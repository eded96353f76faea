// A page of cards at a time: so the browser holds few, however many items there are.

const PAGE_ITEMS = 60;
const CARD_ANSWERS = 4;

class Grid {
  constructor(items, opened) {
    this.items = items;
    this.opened = opened;
    this.shown = new Uint32Array(0);
    this.page = 0;
    this.at = 0;
    this.list = byId("grid");
    this.list.addEventListener("keydown", (event) => guarded(() => this.key(event)));
    byId("previous").addEventListener("click", () => guarded(() => this.turn(this.page - 1)));
    byId("next").addEventListener("click", () => guarded(() => this.turn(this.page + 1)));
  }

  get pages() {
    return Math.max(1, Math.ceil(this.shown.length / PAGE_ITEMS));
  }

  /** Shows other items, from the first. */
  show(shown) {
    this.shown = shown;
    this.at = 0;
    return this.draw(0);
  }

  /** Shows more items of those that are wanted, at the page and the card where one is. */
  async stay(shown) {
    this.shown = shown;
    const focused = this.list.contains(document.activeElement);
    await this.draw(Math.min(this.page, this.pages - 1));
    if (focused) this.move(this.at);
  }

  /** Shows the page of an item that is the so-many-th of those that are shown, and gives its card the focus. */
  async focus(place) {
    const page = Math.floor(place / PAGE_ITEMS);
    this.at = place % PAGE_ITEMS;
    if (page !== this.page) await this.draw(page);
    this.move(this.at);
  }

  async turn(page) {
    if (page < 0 || page >= this.pages) return;
    this.at = 0;
    await this.draw(page);
    window.scrollTo({ top: 0 });
  }

  async draw(page) {
    this.page = page;
    const first = page * PAGE_ITEMS;
    const items = this.shown.subarray(first, first + PAGE_ITEMS);
    const drawn = (this.drawn = Symbol("a drawing"));
    const cards = await Promise.all(Array.from(items, (item) => this.items.card(item)));
    // Another page was wanted while this one was read.
    if (drawn !== this.drawn) return;
    this.list.replaceChildren(...cards.map((card, at) => this.card(card, items[at], first + at)));
    this.list.hidden = !cards.length;
    byId("empty").hidden = cards.length > 0;
    byId("page").textContent = `Page ${thousands(page + 1)} of ${thousands(this.pages)}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page >= this.pages - 1;
    document.querySelector(".pages").hidden = this.pages === 1;
    this.reach(this.at);
  }

  card(card, item, place) {
    const code = this.items.codeOf(item);
    const open = button(".card", null, () => {
      this.at = place % PAGE_ITEMS;
      this.reach(this.at);
      this.opened(place);
    });
    open.append(...(this.items.index.pictures ? [picture(card.picture, code)] : []), this.said(card.answers, code));
    const foot = make("span.foot", null, foreign("bdi.id", card.id));
    const confidence = confidenceOf(this.items.confidence[item]);
    if (confidence !== null) foot.append(make("span.confidence", shownConfidence(confidence)));
    open.append(foot);
    return make("li", null, open);
  }

  said(answers, code) {
    const said = make("span.said");
    if (code) said.append(make("span.code", code));
    const { names } = this.items.index;
    for (let at = 0; at < Math.min(answers.length, 2 * CARD_ANSWERS); at += 2) {
      const name = names[answers[at]];
      const text = foreign("bdi", answers[at + 1]);
      if (answers.length === 2) said.append(make("span.caption", null, text));
      else said.append(make("span.line", null, foreign("bdi.name", name ?? ""), text));
    }
    const left = answers.length / 2 - CARD_ANSWERS;
    if (left > 0) said.append(make("span.muted", `and ${counted(left, "more answer")}`));
    return said;
  }

  /** Has one card be reached by the Tab key; arrows lead to the others. */
  reach(at) {
    this.list.querySelectorAll(".card").forEach((card, number) => (card.tabIndex = number === at ? 0 : -1));
  }

  move(at) {
    const cards = this.list.querySelectorAll(".card");
    if (!cards.length) return;
    this.at = Math.max(0, Math.min(at, cards.length - 1));
    this.reach(this.at);
    cards[this.at].focus();
    cards[this.at].scrollIntoView({ block: "nearest" });
  }

  columns() {
    const cards = [...this.list.children];
    const top = cards[0]?.offsetTop;
    const second = cards.findIndex((card) => card.offsetTop > top);
    return second < 0 ? cards.length : second;
  }

  async key(event) {
    const count = this.list.children.length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns(), ArrowDown: this.columns() };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const focused = [...this.list.querySelectorAll(".card")].indexOf(document.activeElement);
    if (focused >= 0) this.at = focused;
    if (event.key in steps) {
      event.preventDefault();
      const to = this.at + steps[event.key];
      const isSide = Math.abs(steps[event.key]) === 1 && event.key !== "ArrowUp" && event.key !== "ArrowDown";
      if (to >= 0 && to < count) this.move(to);
      else if (isSide || to < 0 || this.at + steps[event.key] >= count) await this.over(to, count, isSide);
    } else if (event.key === "Home" || event.key === "End") {
      event.preventDefault();
      this.move(event.key === "Home" ? 0 : count - 1);
    } else if (event.key === "PageDown" || event.key === "PageUp") {
      event.preventDefault();
      await this.turn(this.page + (event.key === "PageDown" ? 1 : -1));
      this.move(this.at);
    }
  }

  /** Goes on to the page before or behind. */
  async over(to, count, isSide) {
    const isOn = to >= count;
    if (isOn ? this.page >= this.pages - 1 : this.page === 0) {
      // A last row that is shorter is reached from above all the same.
      if (isOn && !isSide) this.move(count - 1);
      return;
    }
    await this.turn(this.page + (isOn ? 1 : -1));
    this.move(isOn ? 0 : PAGE_ITEMS - 1);
  }
}

/** Returns an item's thumbnail, or what stands in its place. */
function picture(key, code, tag = "span.picture") {
  const frame = make(tag);
  const address = key.startsWith("!") ? "" : pictureAddress(key);
  if (address) {
    const image = make("img");
    Object.assign(image, { alt: "", loading: "lazy", decoding: "async", src: address });
    image.onerror = () => image.replaceWith(make("span.absent", "picture missing"));
    frame.append(image);
  } else frame.append(make("span.absent", (key.startsWith("!") ? key.slice(1) : code) || "no picture"));
  return frame;
}
