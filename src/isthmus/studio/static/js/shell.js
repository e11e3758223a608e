/** The frame around the views: bar, routes, and the coming and going of views. */

import { el, icon, replace, svg } from "isthmus/parts/dom.js";
import { toaster } from "isthmus/parts/toast.js";
import { href, match, parse } from "isthmus/router.js";
import { State } from "isthmus/state.js";
import { views as allViews } from "isthmus/views/index.js";

const THEMES = { auto: "light", light: "dark", dark: "auto" };
const THEME_NAMES = { auto: "as the system", light: "light", dark: "dark" };

/**
 * @param {{backend: import("isthmus/backend.js").Backend, home?: string}} options `home` is the first address
 */
export function startShell({ backend, home = "#/runs" }) {
  const views = allViews.filter((view) => !view.needs || backend.can[view.needs]);
  const bar = document.getElementById("bar");
  const main = document.getElementById("main");
  // A link to #main would be taken for the address of a view.
  document.querySelector(".skip")?.addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  const toast = toaster(document.getElementById("toasts"));
  let current = { path: null, state: null, unmount: () => {} };
  let turn = 0;

  async function show() {
    const address = parse(location.hash || home);
    const { path, segments, query } = address;
    const mine = ++turn;
    const found = match(views, segments);
    if (!found) return location.replace(home);
    current.state?.flush();
    current.unmount();
    current = { path, state: new State(scopeOf(found, segments), address), unmount: () => {} };
    const route = { name: found.view.name, params: found.params, query };
    drawBar(bar, { views, route, home });
    const root = el("div", { class: `view view-${route.name}` });
    replace(main, el("p", { class: "loading", role: "status" }, "Loading"));
    try {
      const module = await found.view.load();
      const unmount = await module.mount(root, { backend, route, state: current.state, toast, views });
      if (mine !== turn) return unmount?.();
      current.unmount = unmount ?? (() => {});
      document.title = [found.params.run, module.title, "isthmus"].filter(Boolean).join(" · ");
      replace(main, root);
      // Who came here by a link goes on reading here, and not at the bar.
      if (mine > 1) main.focus({ preventScroll: true });
    } catch (error) {
      if (mine !== turn) return undefined;
      replace(main, trouble(error, home));
    }
    return undefined;
  }

  window.addEventListener("hashchange", () => {
    // What a view writes into the query is its own; only another path is another view.
    if (parse(location.hash || home).path !== current.path) show();
  });
  window.addEventListener("pagehide", () => current.state?.flush());
  return show();
}

/** The views of a run share what they remember, such as the axes of its map. */
function scopeOf({ params }, segments) {
  return params.run === undefined ? segments.join("/") : `run/${params.run}`;
}

function drawBar(bar, { views, route, home }) {
  const link = (text, to, here) =>
    el("a", { class: "link", href: to, "aria-current": here ? "page" : null }, text);
  const run = route.params.run;
  const tabs = run ? views.filter((view) => view.tab) : [];
  replace(
    bar,
    el(
      "a",
      { class: "mark", href: home, "aria-label": "isthmus studio, start" },
      mark(),
      el("span", {}, "isthmus"),
    ),
    el(
      "nav",
      { class: "nav", "aria-label": "Studio" },
      views
        .filter((view) => view.nav)
        .map((view) => link(view.nav, href(view.pattern), view.name === route.name)),
    ),
    run
      ? el(
          "nav",
          { class: "nav tabs", "aria-label": `Run ${run}` },
          el("span", { class: "run-name", title: run }, run),
          tabs.map((view) =>
            link(view.tab, href("run", run, view.pattern.split("/")[2]), view.name === route.name),
          ),
        )
      : null,
    themeButton(),
  );
}

function mark() {
  return svg(
    "svg",
    { viewBox: "0 0 32 32", class: "mark-shape", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: "M2 4c8 0 9 8 14 8s6-8 14-8v24c-8 0-9-8-14-8s-6 8-14 8z" }),
  );
}

function themeButton() {
  const theme = window.isthmusTheme;
  const node = el("button", { type: "button", class: "button quiet only-icon theme" });
  const draw = () => {
    replace(node, icon(theme.choice));
    node.setAttribute("aria-label", `Theme: ${THEME_NAMES[theme.choice]}. Change it`);
    node.title = `Theme: ${THEME_NAMES[theme.choice]}`;
  };
  node.addEventListener("click", () => {
    theme.choose(THEMES[theme.choice] ?? "auto");
    draw();
  });
  draw();
  return node;
}

function trouble(error, home) {
  console.warn(error);
  return el(
    "div",
    { class: "trouble", role: "alert" },
    el("h1", {}, "This cannot be shown"),
    el("p", {}, error.message),
    el("p", {}, el("a", { href: home }, "Back to the start")),
  );
}
