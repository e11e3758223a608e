import { el } from "isthmus/parts/dom.js";

export const title = "Paths";

export async function mount(root, { route }) {
  root.append(el("h1", {}, route.params.run ?? title));
}
