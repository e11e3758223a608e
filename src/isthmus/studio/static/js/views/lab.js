/** Reconstruct and denoise: own data through the model, noise on it, its sparse features, and the chain it makes. */

import { el } from "isthmus/parts/dom.js";
import { labServer } from "isthmus/views/lab_api.js";
import { ChainPanel } from "isthmus/views/lab_chain.js";
import { FeaturesPanel } from "isthmus/views/lab_features.js";
import { InputPanel } from "isthmus/views/lab_input.js";
import { NoisePanel } from "isthmus/views/lab_noise.js";
import { ResultPanel } from "isthmus/views/lab_result.js";

export const title = "Reconstruct and denoise";

/**
 * @typedef {Object} Lab what the panels share
 * @property {Object} about of the model: kind, shape, columns, noise, chain, sparse
 * @property {ReturnType<typeof labServer>} server
 * @property {import("isthmus/state.js").State} state
 * @property {import("isthmus/backend.js").Backend} backend
 * @property {string} run
 * @property {(result: Object) => void} tried tells every panel of a new sample
 */

export async function mount(root, { backend, route, state, toast }) {
  const run = route.params.run;
  const server = labServer(run);
  const about = await server.about();
  const lab = { about, server, state, backend, run, toast, tried };
  const input = new InputPanel(lab);
  const others = [
    new ResultPanel(lab),
    about.noise && new NoisePanel(lab),
    about.sparse && new FeaturesPanel(lab),
    about.chain && new ChainPanel(lab),
  ].filter(Boolean);

  function tried(result, { edited = false } = {}) {
    if (!edited) input.show(result);
    for (const panel of others) panel.show(result, { edited });
  }

  root.append(
    el("h1", { class: "sr-only" }, `${title}: ${run}`),
    el(
      "div",
      { class: "lab" },
      input.node,
      others.map((panel) => panel.node),
    ),
  );
  await input.start();
  return () => {
    for (const panel of [input, ...others]) panel.stop?.();
  };
}
