// What the page shows: blocks of JSON, in the page itself or in files beside it.

const about = document.documentElement.dataset;

const BLOCK = /^(index|(cards|details)-\d{1,6})$/;

function addressOf(name) {
  if (!BLOCK.test(name)) throw new TypeError(`there is no block ${name}`);
  return `data/${name}.js?${about.build}`;
}

// Files of these names are all that may be loaded, whatever else goes wrong.
const addresses =
  about.form === "folder" && window.trustedTypes
    ? window.trustedTypes.createPolicy("askpix", { createScriptURL: addressOf })
    : { createScriptURL: addressOf };

const awaited = new Map();

if (about.form === "folder") {
  // A page that is opened from a disk may not read files, but it may run those beside it: each calls this.
  window.askpixData = (name, text) => awaited.get(name)?.(text);
}

/** Returns a block, read anew. */
async function read(name) {
  if (about.form === "file") return JSON.parse(byId(`data-${name}`).textContent);
  const text = await new Promise((resolve, reject) => {
    const script = document.createElement("script");
    awaited.set(name, resolve);
    script.onload = () => {
      script.remove();
      // It has called by now, or never will.
      reject(new Error(`data/${name}.js holds something else`));
    };
    script.onerror = () => reject(new Error(`data/${name}.js cannot be read`));
    script.src = addresses.createScriptURL(name);
    document.head.append(script);
  }).finally(() => awaited.delete(name));
  return JSON.parse(text);
}

/** Returns where a thumbnail is, by its key. */
function pictureAddress(key) {
  if (!/^[0-9a-f]{24}$/.test(key)) return "";
  if (about.form === "folder") return `thumbs/${key.slice(0, 2)}/${key}.webp`;
  return byId(`picture-${key}`)?.textContent ?? "";
}

/** Returns the numbers of a column: base64 of their bytes, the lowest first, as all of today's machines have them. */
function numbers(text, kind) {
  const bytes = atob(text);
  const column = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at++) column[at] = bytes.charCodeAt(at);
  return new kind(column.buffer);
}

/** Returns the promise that is kept under a key, made where there is none; one that fails is not kept. */
function kept(promises, key, make) {
  if (!promises.has(key)) {
    const made = make();
    made.catch(() => promises.delete(key));
    promises.set(key, made);
  }
  return promises.get(key);
}

const NO_CONFIDENCE = 0xffff;
const CONFIDENCE_STEPS = 10000;

const confidenceOf = (steps) => (steps === NO_CONFIDENCE ? null : steps / CONFIDENCE_STEPS);

/** Of all items: columns of numbers. Of some: what their cards say, by block. */
class Items {
  constructor(index) {
    this.index = index;
    this.count = index.count;
    this.code = numbers(index.code, Uint8Array);
    this.confidence = numbers(index.confidence, Uint16Array);
    this.milliseconds = numbers(index.milliseconds, Uint32Array);
    this.byId = index.byId === null ? null : numbers(index.byId, Uint32Array);
    this.attributes = index.attributes.map((attribute) => ({
      ...attribute,
      value: numbers(attribute.value, Uint8Array),
      confidence: numbers(attribute.confidence, Uint16Array),
    }));
    this.texts = new Array(this.count).fill(null);
    this.textsRead = 0;
    this.blocks = new Map();
    this.details = new Map();
  }

  codeOf(item) {
    return this.code[item] ? this.index.codes[this.code[item] - 1] : null;
  }

  /** Returns what the card of an item says. */
  async card(item) {
    const size = this.index.blocks.cards;
    const block = await this.block(Math.floor(item / size));
    const at = item % size;
    return { id: block.ids[at], answers: block.answers[at], picture: block.pictures[at] };
  }

  block(number) {
    // The promise is kept: whoever asks while it is being read waits for the same.
    return kept(this.blocks, number, () => this.readBlock(number));
  }

  async readBlock(number) {
    const block = await read(`cards-${number}`);
    const first = number * this.index.blocks.cards;
    block.more.forEach((more, at) => {
      const said = block.answers[at].filter((_, place) => place % 2).join("\n");
      this.texts[first + at] = `${block.ids[at]}\n${said}\n${more}`.toLowerCase();
    });
    this.textsRead += block.more.length;
    delete block.more;
    return block;
  }

  /** Reads the texts of all items, block by block; tells after each how many are read. */
  async readAll(told) {
    for (let number = 0; number * this.index.blocks.cards < this.count; number++) {
      await this.block(number);
      told(this.textsRead);
      await nextTurn();
    }
  }

  /** Returns all that is known of an item. */
  async detail(item) {
    const size = this.index.blocks.details;
    const number = Math.floor(item / size);
    if (!this.details.has(number)) {
      // Some blocks are enough to look at one after the other.
      if (this.details.size >= 8) this.details.delete(this.details.keys().next().value);
    }
    const block = await kept(this.details, number, () => read(`details-${number}`));
    const detail = block.items[item % size];
    const [model, fingerprint, precision, device] = block.makers[detail.maker];
    return { ...detail, model, fingerprint, precision, device };
  }
}
