/** A sample of one's own through the model, in a page without a server: its code and its reconstruction. */

import { Latest } from "isthmus/latest.js";
import { el, liveRegion } from "isthmus/parts/dom.js";
import { runHead } from "isthmus/parts/run_head.js";
import { PictureInput } from "isthmus/views/own/picture_input.js";
import { OwnResult } from "isthmus/views/own/result.js";
import { RowInput } from "isthmus/views/own/row_input.js";

export const title = "Your own";

export async function mount(root, { backend, route, toast }) {
  const info = await backend.run(route.params.run);
  const live = liveRegion();
  const result = new OwnResult({ info, errors: backend.errors() });
  const work = new Latest(
    (values) => backend.own(values),
    (found) => {
      result.show(found);
      live.say(`Reconstructed. ${result.said}`);
    },
    (error) => toast(error.message, { problem: true }),
  );
  const Input = info.kind === "picture" ? PictureInput : RowInput;
  const input = new Input({
    info,
    backend,
    ontake: (values) => work.push(values),
    onproblem: (text) => toast(text, { problem: true }),
  });
  root.append(runHead(info), el("div", { class: "own" }, input.node, result.node), live.node);
  await input.start();
  return () => {
    work.stop();
    input.stop();
  };
}
