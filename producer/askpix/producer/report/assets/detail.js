// One item with all that is known of it.

const CHOICES_SHOWN = 20;

class Detail {
  constructor(items, closed) {
    this.items = items;
    this.shown = null;
    this.place = 0;
    this.dialog = byId("detail");
    this.body = byId("detail-body");
    byId("detail-close").addEventListener("click", () => this.dialog.close());
    byId("detail-previous").addEventListener("click", () => guarded(() => this.go(-1)));
    byId("detail-next").addEventListener("click", () => guarded(() => this.go(1)));
    this.dialog.addEventListener("close", () => closed(this.place));
    // A click beside it, on what it covers.
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      guarded(() => this.go(event.key === "ArrowLeft" ? -1 : 1));
    });
  }

  /** Opens the so-many-th of the items that are shown. */
  async open(shown, place) {
    this.shown = shown;
    await this.draw(place);
    if (!this.dialog.open) this.dialog.showModal();
    byId("detail-close").focus();
  }

  go(by) {
    const to = this.place + by;
    return to >= 0 && to < this.shown.length ? this.draw(to) : null;
  }

  async draw(place) {
    this.place = place;
    const item = this.shown[place];
    const [detail, card] = await Promise.all([this.items.detail(item), this.items.card(item)]);
    // Another was wanted while this one was read.
    if (place !== this.place) return;
    byId("detail-id").textContent = detail.id;
    byId("detail-place").textContent = `${thousands(place + 1)} of ${thousands(this.shown.length)}`;
    byId("detail-previous").disabled = place === 0;
    byId("detail-next").disabled = place === this.shown.length - 1;
    const main = make("div.detail-main");
    if (this.items.codeOf(item)) main.append(this.error(detail, this.items.codeOf(item)));
    main.append(...(detail.answers ?? []).map((answer) => this.answer(answer)));
    const pictures = this.items.index.pictures ? [picture(card.picture, detail.code ?? null, "div.large")] : [];
    // In this order on a phone, where they stand below each other.
    this.body.replaceChildren(...pictures, main, this.facts(detail));
    this.body.scrollTop = 0;
  }

  error(detail, code) {
    const again = { true: "Trying again can help.", false: "Trying again does not help." }[detail.retryable] ?? "";
    const message = detail.message ? [foreign("p.whole", detail.message)] : [];
    return make("section.error", null, make("h3", code), ...message, make("p.muted", again));
  }

  answer(answer) {
    const asked = answer.question ?? (answer.kind === "caption" ? "Caption" : answer.name);
    const section = make("section.answer", null, foreign("h3", asked || "Answer"));
    if (answer.name && answer.name !== asked && answer.kind !== "caption") section.append(foreign("p.named", answer.name));
    section.append(foreign(answer.kind === "json" ? "pre.said-text" : "p.said-text", answer.text));
    if (answer.said !== undefined) section.append(make("p.named", "The model said: ", foreign("bdi", answer.said || "none of them")));
    if (answer.choices) section.append(this.choices(answer));
    else {
      const line = barLine(answer.kind === "match" ? "fits" : "confidence", answer.confidence, shownConfidence(answer.confidence), ".chosen");
      section.append(make("ul.bars", null, line));
    }
    if (answer.cutOff) section.append(make("p.muted", "Cut off: it came to the most tokens that were allowed."));
    if (answer.alternatives) {
      section.append(make("h4", "Other texts"));
      const lines = answer.alternatives.map(([text, confidence]) => barLine(text, confidence, shownConfidence(confidence)));
      section.append(make("ul.bars", null, ...lines));
    }
    const made = [
      answer.tokens ? counted(answer.tokens, "token") : "",
      answer.promptTokens ? `a prompt of ${counted(answer.promptTokens, "token")}` : "",
      answer.cached ? "said before of the same image" : "",
    ].filter(Boolean);
    if (made.length) section.append(make("p.named", made.join(", ")));
    return section;
  }

  choices(answer) {
    const chosen = new Set(answer.chosen);
    const choices = answer.choices
      .map(([text, probability], at) => [text, probability, answer.raw?.[at]])
      .sort(([, one], [, other]) => (other ?? 0) - (one ?? 0));
    const line = ([text, probability, raw]) => {
      const made = barLine(text, probability, shownConfidence(probability), chosen.has(text) ? ".chosen" : "");
      if (answer.raw) made.append(make("span.named", `${shownConfidence(raw)} before calibration`));
      return made;
    };
    const list = make("ul.bars", null, ...choices.slice(0, CHOICES_SHOWN).map(line));
    const left = choices.slice(CHOICES_SHOWN);
    if (left.length) {
      const all = button(".plain", `Show ${counted(left.length, "more choice")}`, () => {
        all.parentElement.remove();
        list.append(...left.map(line));
        this.body.focus();
      });
      list.append(make("li", null, all));
    }
    return list;
  }

  facts(detail) {
    const facts = make("dl.facts");
    const add = (name, value) => {
      if (value === null || value === undefined || value === "") return;
      facts.append(make("dt", name), make("dd", null, value instanceof Node ? value : foreign("bdi", value)));
    };
    add("Image", this.reference(detail.image));
    add("Group", detail.group);
    if (detail.width && detail.height) add("Size", `${detail.width} × ${detail.height}`);
    add("Model", detail.model);
    add("Computed", [detail.device, detail.precision].filter(Boolean).join(", "));
    if (detail.seconds !== undefined) add("Seconds", detail.seconds.toFixed(2));
    if (detail.attempts > 1) add("Attempts", String(detail.attempts));
    for (const [name, value] of detail.extra ?? []) {
      facts.append(foreign("dt.own", name), make("dd", null, foreign("bdi", value)));
    }
    add("SHA-256", detail.sha256);
    add("Fingerprint", detail.fingerprint);
    return facts;
  }

  /** Returns an image's reference: a link where that leads to the web and nowhere else. */
  reference(text) {
    if (!/^https?:\/\//i.test(text)) return foreign("bdi", text);
    let address;
    try {
      address = new URL(text);
    } catch {
      return foreign("bdi", text);
    }
    if (address.protocol !== "https:" && address.protocol !== "http:") return foreign("bdi", text);
    const link = foreign("a", text);
    Object.assign(link, { href: address.href, target: "_blank", rel: "noopener noreferrer" });
    return link;
  }
}
