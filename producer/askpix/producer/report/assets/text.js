// Words, numbers and elements. What comes from a job is set as text and never as markup.

const byId = (id) => document.getElementById(id);

// Characters that turn the direction of what stands after them; elements are isolated, labels cannot be.
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

const label = (text) => String(text ?? "").replace(TURNING, "");

const thousands = (number) => number.toLocaleString("en");

const counted = (number, noun) => `${thousands(number)} ${noun}${number === 1 ? "" : "s"}`;

const shownConfidence = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));

/**
 * Returns a new element.
 * @param {string} tag its name, and classes behind dots
 * @param {string|null} text its text; null for none
 * @param {...Node} children what it holds beside that
 */
function make(tag, text = null, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  if (text !== null && text !== undefined) element.textContent = String(text);
  element.append(...children);
  return element;
}

/** Returns an element with a stranger's text, whose direction does not reach what is around it. */
function foreign(tag, text) {
  const element = make(tag, text);
  element.dir = "auto";
  return element;
}

function button(tag, text, act) {
  const element = make(`button${tag}`, text);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}

/** Returns a bar that is so full, from 0 to 1. Numbers stand beside it, so readers aloud leave it out. */
function bar(share, tag = "") {
  const fill = make("span.fill");
  fill.style.width = `${Math.max(0, Math.min(1, share || 0)) * 100}%`;
  const track = make(`span.track${tag}`, null, fill);
  track.setAttribute("aria-hidden", "true");
  return track;
}

const WIDE = 40;

/** Returns a line of a list of bars: a text, a bar and what it stands for. */
function barLine(text, share, shown, tag = "") {
  const wide = String(text ?? "").length > WIDE ? ".wide" : "";
  return make(`li.bar-line${wide}${tag}`, null, foreign("bdi.bar-text", text), bar(share), make("span.bar-number", shown));
}

// Says that something else may have its turn; what is waited for is drawn and typed meanwhile.
const turns = new MessageChannel();
const waitingTurns = [];
turns.port1.onmessage = () => waitingTurns.shift()();

function nextTurn() {
  return new Promise((resolve) => {
    waitingTurns.push(resolve);
    turns.port2.postMessage(null);
  });
}

const SLICE_MS = 8;

/** Gives others a turn whenever one's own slice of time is over: `if (slice.over()) await slice.rest()`. */
function slices() {
  let ends = performance.now() + SLICE_MS;
  return {
    over: () => performance.now() > ends,
    rest: async () => {
      await nextTurn();
      ends = performance.now() + SLICE_MS;
    },
  };
}

function trouble(text) {
  const place = byId("trouble");
  place.textContent = text;
  place.hidden = false;
}
