/** Elements without innerHTML: names that come from data stay text. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 * @param {string} tag
 * @param {Object<string, any>} [props] `dataset` and `style` as objects (a style in the markup would be
 *   refused by the page's policy), listeners as `on...`, or else attributes; null, undefined and false are
 *   left out.
 * @param {...(Node|string|number|null|undefined|Array)} children
 * @returns {HTMLElement}
 */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG, where everything is an attribute. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "dataset") Object.assign(node.dataset, value);
    else if (name === "style")
      for (const [key, what] of Object.entries(value)) node.style.setProperty(key, what);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2).toLowerCase(), value);
    else if (name === "value" && "value" in node) node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

/** Replace everything inside an element. */
export function replace(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

/** An icon of lines on a grid of 16, drawn in the colour of the text. */
export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: ICONS[name] }),
  );
}

const ICONS = {
  undo: "M5.5 3 2.5 6l3 3M3 6h6.5a4 4 0 0 1 0 8H6",
  reset: "M3 8a5 5 0 1 0 1.6-3.7M3 2.5v3h3",
  draw: "M3 3h10v10H3zM6 6h.01M10 6h.01M8 8h.01M6 10h.01M10 10h.01",
  lasso: "M8 3c3.3 0 6 1.5 6 3.6s-2.7 3.6-6 3.6-6-1.5-6-3.6S4.7 3 8 3zM4.5 9.5C4 11.5 5 13 3.5 14.5",
  fit: "M2.5 6v-3.5h3.5M10 2.5h3.5v3.5M13.5 10v3.5h-3.5M6 13.5h-3.5v-3.5",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  play: "M5 3l8 5-8 5z",
  pause: "M5 3v10M11 3v10",
  save: "M8 2.5v7.5M5 7.5l3 3 3-3M3 13.5h10",
  light:
    "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1.5v1.5M8 13v1.5M1.5 8h1.5M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1",
  dark: "M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z",
  auto: "M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11z",
  next: "M6 3l5 5-5 5",
  previous: "M10 3L5 8l5 5",
  random: "M2 4.5h2.5l6 7H14M2 11.5h2.5l1.5-1.8M9 6.3l1.5-1.8H14M12 2.5l2 2-2 2M12 9.5l2 2-2 2",
};

/** A button with an icon, a text, or both; an icon alone gets its name as a label. */
export function button(text, { icon: name, onclick, quiet = false, primary = false, label, ...rest } = {}) {
  const kind = `button${primary ? " primary" : ""}${quiet ? " quiet" : ""}${text ? "" : " only-icon"}`;
  return el(
    "button",
    { type: "button", class: kind, onclick, "aria-label": label, title: text ? rest.title : label, ...rest },
    name ? icon(name) : null,
    text ? el("span", {}, text) : null,
  );
}

/** A select with its label; `options` are `{id, name}`. */
export function choice(label, options, value, onchange) {
  const select = el("select", { onchange: (event) => onchange(event.target.value) });
  select.append(...options.map((option) => el("option", { value: option.id }, option.name)));
  select.value = value;
  return el("label", { class: "field" }, el("span", { class: "field-name" }, label), select);
}

/** Hidden text that a screen reader says when it changes. */
export function liveRegion() {
  const node = el("div", { class: "sr-only", role: "status", "aria-live": "polite" });
  return {
    node,
    say(text) {
      node.textContent = text;
    },
  };
}
