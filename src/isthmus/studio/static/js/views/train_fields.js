/** Fields of the form: each made from what the server says of an option, and read back as a plain value. */

import { el, replace } from "isthmus/parts/dom.js";

let count = 0;

/** A row of the form: name, control, what "auto" comes to, error, help. */
export class Field {
  /**
   * @param {Object} option as the server describes it
   * @param {Object} values what was said before, by name
   * @param {() => void} onchange
   */
  constructor(option, values, onchange) {
    Object.assign(this, { option, onchange });
    this.id = `field-${(count += 1)}`;
    this.own = new Map();
    this.error = el("p", { class: "form-error", id: `${this.id}-error`, hidden: true });
    this.chosen = el("p", { class: "form-chosen", hidden: true });
    this.inner = el("div", { class: "form-inner", hidden: true });
    this.control = this.#control();
    this.control.id = this.id;
    this.control.setAttribute("aria-describedby", `${this.id}-error ${this.id}-help`);
    this.node = el(
      "div",
      { class: `form-field kind-${option.kind}`, dataset: { name: option.name } },
      el("label", { class: "form-name", for: this.id }, plainName(option.name)),
      this.control,
      this.error,
      this.chosen,
      help(option, `${this.id}-help`),
      this.inner,
    );
    if (option.name in values) this.#write(values[option.name]);
    if (option.kind === "part") this.#open(values);
  }

  /** What differs from the defaults, of this option and of those below it. */
  values() {
    const found = {};
    const value = this.#read();
    if (value !== undefined) found[this.option.name] = value;
    for (const field of this.own.values()) Object.assign(found, field.values());
    return found;
  }

  /** @param {Object<string, string>} errors by name */
  complain(errors) {
    const sentence = errors[this.option.name] ?? "";
    this.error.textContent = sentence;
    this.error.hidden = !sentence;
    if (sentence) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
    for (const field of this.own.values()) field.complain(errors);
  }

  /** @param {Map<string, {value: string, reason: string}>} choices what "auto" comes to, by name */
  foresee(choices) {
    const { name, default: usual } = this.option;
    const found =
      usual === "auto" && (this.#read() ?? "auto") === "auto" ? choices.get(plainName(name)) : null;
    this.chosen.hidden = !found;
    replace(this.chosen, found ? [el("span", {}, "auto: "), shortened(found.value)] : null);
    if (found) this.chosen.title = found.reason;
  }

  /** Put a value in, as if it had been typed. */
  set(value) {
    this.#write(value);
    if (this.option.kind === "part") this.#open({});
  }

  #control() {
    const { kind, choices } = this.option;
    const changed = () => this.onchange();
    if (kind === "bool") {
      return el("input", {
        type: "checkbox",
        class: "form-check",
        onchange: changed,
        ...(this.option.default ? { checked: true } : {}),
      });
    }
    if (kind === "choice")
      return this.#select(
        choices.map((value) => [value, said(value)]),
        changed,
      );
    if (kind === "part") return this.#partSelect();
    const whole = kind === "number" && this.option.whole;
    return el("input", {
      type: "text",
      inputmode:
        kind !== "number" || choices.some((value) => value !== null) ? null : whole ? "numeric" : "decimal",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: said(this.option.default),
      oninput: changed,
    });
  }

  #select(entries, onchange) {
    const select = el("select", { onchange });
    select.append(...entries.map(([value, text]) => el("option", { value: JSON.stringify(value) }, text)));
    select.value = JSON.stringify(this.option.default);
    return select;
  }

  #partSelect() {
    const { choices, parts, about } = this.option;
    const select = this.#select(
      choices.map((value) => [value, said(value)]),
      () => {
        this.#open({});
        this.onchange();
      },
    );
    const classes = Object.keys(parts);
    if (classes.length) {
      const options = classes.map((name) =>
        el("option", { value: JSON.stringify(name), title: about[name] }, name),
      );
      select.append(el("optgroup", { label: "with options of its own" }, options));
    }
    select.value = JSON.stringify(this.option.default);
    return select;
  }

  /** Show the options of the part that is chosen. */
  #open(values) {
    const part = JSON.parse(this.control.value);
    const options = this.option.parts[part] ?? [];
    this.own = new Map(options.map((option) => [option.name, new Field(option, values, this.onchange)]));
    this.inner.hidden = !options.length;
    replace(
      this.inner,
      options.length ? el("p", { class: "small muted" }, this.option.about[part]) : null,
      [...this.own.values()].map((field) => field.node),
    );
  }

  #read() {
    const { kind, default: usual } = this.option;
    if (kind === "bool") return this.control.checked === usual ? undefined : this.control.checked;
    if (kind === "choice" || kind === "part") {
      return this.control.value === JSON.stringify(usual) ? undefined : JSON.parse(this.control.value);
    }
    const text = this.control.value.trim();
    if (!text || text === said(usual)) return undefined;
    return text === "none" && this.option.choices.includes(null) ? null : text;
  }

  #write(value) {
    const { kind } = this.option;
    if (kind === "bool") this.control.checked = value;
    else if (kind === "choice" || kind === "part") {
      const text = JSON.stringify(value);
      if (Array.from(this.control.options).some((option) => option.value === text)) this.control.value = text;
    } else this.control.value = value === this.option.default ? "" : said(value);
  }
}

/** "trainer.batch_size" is shown as "batch_size", "network.channels" as "channels". */
export function plainName(name) {
  return name.slice(name.lastIndexOf(".") + 1);
}

/** A value as it is typed and read. */
export function said(value) {
  if (value === null || value === undefined) return "none";
  if (Array.isArray(value)) return value.join(", ");
  if (value === true) return "yes";
  if (value === false) return "no";
  return String(value);
}

/** `Conv(channels=(16, 32), pool=None, ...)` without what is None. */
export function shortened(text) {
  return text.replace(/, \w+=None(?=[,)])/g, "").replace(/\(\w+=None, /g, "(");
}

const SHORT = 120;

/** The start of the help, and the rest if it is asked for; between backquotes is code. */
function help({ help: text, low, high, low_open: lowOpen, high_open: highOpen, kind, choices }, id) {
  const domain = kind === "number" ? domainOf(low, high, lowOpen, highOpen, choices) : "";
  const [start, rest] = halves(text);
  const dots = el("span", {}, rest && !start.endsWith(".") ? " …" : "");
  const more = rest ? el("span", { hidden: true }, " ", marked(rest)) : null;
  const toggle = rest
    ? el(
        "button",
        { type: "button", class: "form-more", "aria-expanded": "false", onclick: () => open(more.hidden) },
        "more",
      )
    : null;
  const open = (on) => {
    more.hidden = !on;
    dots.hidden = on;
    toggle.setAttribute("aria-expanded", String(on));
    toggle.textContent = on ? "less" : "more";
  };
  const pieces = [marked(start), dots, more, domain ? ` ${domain}` : null, toggle ? " " : null, toggle];
  return el("p", { class: "form-help", id }, pieces);
}

/** The first sentence if it is short, or the first words. */
function halves(text) {
  if (text.length <= SHORT) return [text, ""];
  const end = text.search(/\.(?= )/) + 1;
  if (end > 0 && end <= SHORT) return [text.slice(0, end), text.slice(end + 1)];
  const cut = text.lastIndexOf(" ", SHORT - 20);
  // Code stays in one piece.
  const even =
    text.slice(0, cut).replace(/``/g, "`").split("`").length % 2 ? cut : text.indexOf("`", cut) + 1;
  return [text.slice(0, even), text.slice(even).trim()];
}

function domainOf(low, high, lowOpen, highOpen, choices) {
  const words = choices.map(said).join(" or ");
  const ends = [];
  if (low !== null) ends.push(`${lowOpen ? "above" : "from"} ${low}`);
  if (high !== null) ends.push(`${highOpen ? "below" : "to"} ${high}`);
  if (!ends.length && !words) return "";
  return `(${[ends.join(" "), words].filter(Boolean).join(", or ")})`;
}

function marked(text) {
  return text
    .replace(/``/g, "`")
    .split("`")
    .map((piece, i) => (i % 2 ? el("code", {}, piece) : piece));
}
