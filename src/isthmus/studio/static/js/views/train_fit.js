/** One fit as it happens: losses, time left, reconstructions; stop it, go on, see what has become of it. */

import { button, el, liveRegion, replace } from "isthmus/parts/dom.js";
import { short } from "isthmus/parts/numbers.js";
import { href } from "isthmus/router.js";
import { ask } from "isthmus/server.js";
import { Follower, isOver } from "isthmus/views/train_follow.js";
import { FitCurves } from "isthmus/views/train_curves.js";
import { badge } from "isthmus/views/train_list.js";
import { choiceList, commandCard } from "isthmus/views/train_outlook.js";
import { ShownSamples } from "isthmus/views/train_shown.js";

export const title = "Training";

export async function mount(root, { route, toast }) {
  const id = route.params.fit;
  // A fit that does not exist is told as a sentence, not followed for ever.
  const first = await (await ask(`/api/fits/${encodeURIComponent(id)}`)).json();
  const view = new FitView(id, toast);
  root.append(view.node);
  view.progress(first, first.epochs);
  const follower = new Follower(id, {
    onprogress: (fit, epochs) => view.progress(fit, epochs),
    onframe: (frame) => view.samples.show(frame),
    onerror: (sentence) => toast(sentence, { problem: true }),
  });
  view.again = () => follower.again();
  return () => {
    follower.close();
    view.close();
  };
}

class FitView {
  constructor(id, toast) {
    Object.assign(this, { id, toast });
    this.heading = el("h1", {});
    this.badge = el("span", {});
    this.facts = el("p", { class: "muted" });
    this.buttons = el("div", { class: "row" });
    this.bar = el("progress", { class: "fit-bar", max: 1, value: 0, "aria-label": "Epochs" });
    this.numbers = el("dl", { class: "fit-numbers number" });
    this.notes = el("div", { class: "fit-notes" });
    this.curves = new FitCurves();
    this.samples = new ShownSamples();
    this.choices = el("section", { class: "card", hidden: true, "aria-label": "Choices" });
    this.command = commandCard();
    this.speaker = liveRegion();
    this.again = () => {};
    this.frame = 0;
    this.node = el(
      "div",
      { class: "fit" },
      el(
        "header",
        { class: "fit-head" },
        el("div", {}, el("div", { class: "row" }, this.heading, this.badge), this.facts),
        this.buttons,
      ),
      el(
        "section",
        { class: "card fit-progress", "aria-label": "Progress" },
        this.bar,
        this.numbers,
        this.notes,
      ),
      el(
        "div",
        { class: "fit-columns" },
        this.curves.node,
        el("div", { class: "fit-column" }, this.samples.node, this.choices, this.command.node),
      ),
      this.speaker.node,
    );
  }

  /** Draw once a frame at most, whatever comes. */
  progress(fit, epochs) {
    this.latest = [fit, epochs];
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.#draw(...this.latest);
    });
  }

  close() {
    cancelAnimationFrame(this.frame);
  }

  #draw(fit, epochs) {
    this.heading.textContent = fit.run;
    replace(this.badge, badge(fit));
    this.facts.textContent = [
      fit.title,
      fit.data,
      fit.n_parameters ? `${short(fit.n_parameters)} parameters` : null,
    ]
      .filter(Boolean)
      .join(" · ");
    this.#buttons(fit);
    this.#bar(fit);
    replace(
      this.numbers,
      numbersOf(fit).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
    );
    replace(this.notes, notesOf(fit));
    this.curves.show(fit, epochs);
    this.choices.hidden = !fit.choices.length;
    replace(this.choices, el("h2", {}, "What was chosen"), choiceList(fit.choices));
    this.command.show(fit.command);
    if (this.state !== fit.state) this.speaker.say(`${fit.run}: ${fit.state}`);
    this.state = fit.state;
  }

  #bar(fit) {
    const waits = ["waiting", "starting"].includes(fit.state);
    if (waits) this.bar.removeAttribute("value");
    else this.bar.value = fit.state === "done" ? 1 : fit.epoch / (fit.n_epochs || 1);
    this.bar.classList.toggle("over", isOver(fit));
  }

  #buttons(fit) {
    const key = JSON.stringify([fit.state, fit.saved, fit.can_resume]);
    if (this.shown === key) return;
    this.shown = key;
    const found = [];
    if (!isOver(fit)) {
      const name = fit.state === "waiting" ? "Take out of the queue" : "Stop and keep the best";
      found.push(
        button(name, {
          disabled: ["stopping", "saving"].includes(fit.state),
          onclick: () => this.#post("stop"),
        }),
      );
    }
    if (fit.can_resume) found.push(button("Go on", { icon: "play", onclick: () => this.#post("resume") }));
    if (fit.saved && isOver(fit)) {
      found.push(el("a", { class: "button primary", href: href("run", fit.run, "explore") }, "Explore it"));
    }
    if (isOver(fit)) found.push(el("a", { class: "button", href: href("train") }, "Train another"));
    replace(this.buttons, found);
  }

  async #post(verb) {
    try {
      const fit = await (
        await ask(`/api/fits/${encodeURIComponent(this.id)}/${verb}`, { method: "POST" })
      ).json();
      this.progress(fit, this.latest[1]);
      if (verb === "resume") this.again();
    } catch (error) {
      this.toast(error.message, { problem: true });
    }
  }
}

function numbersOf(fit) {
  const found = [];
  if (fit.n_epochs) found.push([fit.stage || "epoch", `${fit.epoch} of ${fit.n_epochs}`]);
  if (fit.best) {
    const loss = fit.best.val_loss ?? fit.best.train_loss;
    found.push([
      fit.best.val_loss === undefined ? "best training loss" : "best validation loss",
      `${short(loss)} nats`,
    ]);
    found.push(["best epoch", String(fit.best.epoch)]);
  }
  const { active_units: active, latent_dim: width } = fit.figures;
  if (active !== undefined) found.push(["active latents", `${active} of ${width}`]);
  if (fit.seconds_per_epoch) found.push(["per epoch", duration(fit.seconds_per_epoch)]);
  if (fit.seconds_left !== null) found.push(["left at most", duration(fit.seconds_left)]);
  if (fit.seconds) found.push(["so far", duration(fit.seconds)]);
  return found.map(([name, value]) => [isOver(fit) && name === "so far" ? "took" : name, value]);
}

function notesOf(fit) {
  const found = [];
  if (fit.error) found.push(el("p", { class: "fit-error", role: "alert" }, fit.error));
  if (fit.state === "waiting")
    found.push(el("p", { class: "muted" }, "It starts when the fits before it are over."));
  if (fit.state === "starting")
    found.push(el("p", { class: "muted" }, "Reading the data and laying out the model."));
  if (fit.state === "saving")
    found.push(el("p", { class: "muted" }, "Saving the model and writing its report."));
  if (fit.state === "stopping")
    found.push(el("p", { class: "muted" }, "The step under way is finished, and the best model saved."));
  if (fit.state === "stopped" && fit.saved) {
    const kept = fit.best
      ? `Stopped; the best model so far, of epoch ${fit.best.epoch}, is kept.`
      : "Stopped within the first epoch; the model is kept as it was then.";
    found.push(el("p", {}, kept));
  }
  if (fit.state === "stopped" && !fit.saved)
    found.push(el("p", {}, "Stopped before there was a model to keep."));
  if (fit.state === "failed" && fit.saved) found.push(el("p", {}, "The last good model is kept."));
  found.push(...fit.warnings.map((text) => el("p", { class: "fit-warning" }, text)));
  return found;
}

/** Seconds as people say them. */
export function duration(seconds) {
  if (seconds < 1) return `${Math.max(1, Math.round(1000 * seconds))} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}
