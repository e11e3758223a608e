/** A form for a fit: data, model, options; what "auto" will choose; and the start. */

import { button, el, replace } from "isthmus/parts/dom.js";
import { href } from "isthmus/router.js";
import { ask, send } from "isthmus/server.js";
import { Field } from "isthmus/views/train_fields.js";
import { FitList } from "isthmus/views/train_list.js";
import { Outlook, commandCard } from "isthmus/views/train_outlook.js";
import { Sources } from "isthmus/views/train_sources.js";

export const title = "Train";

const PAUSE = 300;
const GROUPS = [
  ["model", false, "Model"],
  ["training", false, "Training"],
];
const FOLDED = [
  ["data", "Reading the data"],
  ["model", "More of the model"],
  ["training", "More of the training"],
];
const FIRST = "vae";

export async function mount(root, { state, toast }) {
  const { models, data } = await (await ask("/api/form")).json();
  const view = new TrainView({ models, data, state, toast });
  root.append(view.node);
  await view.choose(view.model.value);
  view.fits.start();
  return () => view.close();
}

class TrainView {
  constructor({ models, data, state, toast }) {
    Object.assign(this, { models, state, toast });
    this.turn = 0;
    this.fields = [];
    this.outlook = new Outlook();
    this.command = commandCard();
    this.fits = new FitList();
    this.sources = new Sources(data, state, (options) => this.#dataChosen(options));
    this.summary = el("p", { class: "form-help" });
    this.model = el(
      "select",
      { id: "train-model", onchange: () => this.choose(this.model.value) },
      models.map(({ name, title: text }) => el("option", { value: name }, `${name}  (${text})`)),
    );
    const wish = state.get("model", FIRST);
    this.model.value = models.some(({ name }) => name === wish) ? wish : FIRST;
    this.name = el("input", {
      type: "text",
      id: "train-name",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.#changed(),
    });
    this.name.setAttribute("aria-describedby", "train-name-error");
    this.nameError = el("p", { class: "form-error", id: "train-name-error", hidden: true });
    this.groups = el("div", { class: "form-groups" });
    this.go = button("Start the fit", { primary: true, onclick: () => this.#start() });
    this.problem = el("p", { class: "form-error", role: "alert", hidden: true });
    this.node = this.#layOut();
  }

  #layOut() {
    const first = el(
      "section",
      { class: "card form-first", "aria-label": "Data and model" },
      this.sources.node,
      el(
        "div",
        { class: "form-field" },
        el("label", { class: "form-name", for: "train-model" }, "Model"),
        this.model,
        this.summary,
      ),
    );
    const last = el(
      "section",
      { class: "card form-last", "aria-label": "Start" },
      el(
        "div",
        { class: "form-field" },
        el("label", { class: "form-name", for: "train-name" }, "Name of the run"),
        this.name,
        this.nameError,
        el("p", { class: "form-help" }, "A folder of that name will hold it. No run is ever written over."),
      ),
      el(
        "div",
        { class: "row" },
        this.go,
        button("All defaults", { quiet: true, onclick: () => this.#reset() }),
      ),
      this.problem,
    );
    const side = el(
      "div",
      { class: "train-side" },
      last,
      this.outlook.node,
      this.command.node,
      this.fits.node,
    );
    return el(
      "form",
      { novalidate: true, onsubmit: (event) => this.#submitted(event) },
      el("h1", { class: "train-title" }, "Train a model"),
      el("div", { class: "train" }, el("div", { class: "train-form" }, first, this.groups), side),
    );
  }

  /** Show the form of a model, with what was said for it before. */
  async choose(model) {
    const mine = ++this.turn;
    this.state.set("model", model === FIRST ? null : model);
    const form = await (await ask(`/api/form/${encodeURIComponent(model)}`)).json();
    if (mine !== this.turn) return;
    this.form = form;
    this.summary.textContent = form.summary;
    this.#fill(this.state.getJSON(`values:${model}`) ?? {});
    this.#check();
  }

  close() {
    this.turn += 1;
    clearTimeout(this.timer);
    this.fits.close();
  }

  #fill(values) {
    const changed = () => this.#changed();
    this.fields = this.form.fields.map((option) => new Field(option, values, changed));
    const of = (group, folded) =>
      this.fields.filter(({ option }) => option.group === group && option.folded === folded);
    const target = of("data", false);
    const grid = (fields) =>
      el(
        "div",
        { class: "form-grid" },
        fields.map((field) => field.node),
      );
    replace(
      this.groups,
      target.length ? el("section", { class: "card" }, el("h2", {}, "Pairs"), grid(target)) : null,
      GROUPS.map(([group, folded, name]) =>
        el("section", { class: "card" }, el("h2", {}, name), grid(of(group, folded))),
      ),
      el(
        "details",
        {
          class: "card form-folded",
          open: FOLDED.some(([group]) => of(group, true).some((field) => Object.keys(field.values()).length)),
        },
        el("summary", {}, el("h2", {}, "Advanced")),
        FOLDED.map(([group, name]) => el("section", {}, el("h3", {}, name), grid(of(group, true)))),
      ),
    );
  }

  #reset() {
    this.#fill({});
    this.name.value = "";
    this.#changed();
  }

  #dataChosen(options) {
    this.outlook.forget(
      this.sources.value ? "Looking at the data." : "Name the data to see what will be chosen for them.",
    );
    if (options) {
      for (const field of this.fields) {
        const { name } = field.option;
        if (["resize", "grey", "label", "columns"].includes(name))
          field.set(options[name] ?? field.option.default);
      }
    }
    this.#changed();
  }

  #values() {
    return Object.assign({}, ...this.fields.map((field) => field.values()));
  }

  #changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#check(), PAUSE);
  }

  async #check() {
    const mine = ++this.turn;
    const model = this.model.value;
    const values = this.#values();
    this.state.setJSON(`values:${model}`, Object.keys(values).length ? values : null, { address: false });
    try {
      const wishes = { data: this.sources.value, name: this.name.value.trim(), values };
      const found = await (await send(`/api/form/${encodeURIComponent(model)}`, wishes)).json();
      if (mine === this.turn) this.#show(found);
    } catch (error) {
      if (mine === this.turn) this.#say(error.message);
    }
  }

  #show(found) {
    const { errors } = found;
    const choices = new Map((found.outlook?.choices ?? []).map((choice) => [choice.name, choice]));
    for (const field of this.fields) {
      field.complain(errors);
      field.foresee(choices);
    }
    this.sources.complain(errors.data);
    this.name.placeholder = found.name;
    this.nameError.textContent = errors.name ?? "";
    this.nameError.hidden = !errors.name;
    if (errors.data) this.outlook.forget("These data cannot be used.");
    this.outlook.show(found);
    this.command.show(found.command);
    this.errors = errors;
    this.#say("");
    this.node.dispatchEvent(new CustomEvent("checked", { bubbles: true }));
  }

  #say(sentence) {
    this.problem.textContent = sentence;
    this.problem.hidden = !sentence;
  }

  #submitted(event) {
    event.preventDefault();
    this.#start();
  }

  async #start() {
    clearTimeout(this.timer);
    await this.#check();
    const wrong = this.node.querySelector('[aria-invalid="true"]');
    if (wrong) {
      wrong.closest("details")?.setAttribute("open", "");
      wrong.focus();
      return;
    }
    this.go.disabled = true;
    try {
      const order = {
        model: this.model.value,
        data: this.sources.value,
        name: this.name.value.trim(),
        values: this.#values(),
      };
      const fit = await (await send("/api/fits", order)).json();
      location.hash = href("train", fit.id);
    } catch (error) {
      this.#say(error.message);
      this.go.disabled = false;
    }
  }
}
