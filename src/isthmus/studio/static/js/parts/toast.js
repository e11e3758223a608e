/** Short messages at the foot of the page: they say what happened, and go away by themselves. */

import { button, el } from "isthmus/parts/dom.js";

/**
 * @param {HTMLElement} root a live region
 * @returns {(text: string, options?: {problem?: boolean}) => void}
 */
export function toaster(root) {
  return function toast(text, { problem = false } = {}) {
    for (const old of root.children) if (old.dataset.text === text) old.remove();
    const message = el(
      "div",
      { class: problem ? "toast problem" : "toast", dataset: { text } },
      el("span", {}, text),
      button("", { icon: "close", label: "Close the message", quiet: true, onclick: () => message.remove() }),
    );
    root.append(message);
    setTimeout(() => message.remove(), problem ? 12_000 : 4_000);
  };
}
