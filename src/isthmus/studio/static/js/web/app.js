/** Boots an exported page. */

import { onnxBackend } from "isthmus/onnx_backend.js";
import { el } from "isthmus/parts/dom.js";
import { href } from "isthmus/router.js";
import { startShell } from "isthmus/shell.js";
import { asset } from "isthmus/web/assets.js";

let licences = null;

/** A text of others: it may be long, and is unpacked only if somebody wants to read it. */
async function showLicences() {
  licences ??= asset("licences").then((text) =>
    URL.createObjectURL(new Blob([text], { type: "text/plain; charset=utf-8" })),
  );
  window.open(await licences, "_blank", "noopener");
}

function foot(version) {
  return el(
    "footer",
    { class: "page-foot small muted" },
    el(
      "span",
      {},
      `Written by isthmus ${version}. The model runs in this page, and nothing is sent anywhere.`,
    ),
    el("button", { type: "button", onclick: showLicences }, "Licences"),
  );
}

try {
  const backend = await onnxBackend();
  document
    .getElementById("main")
    .after(foot(document.querySelector("meta[name=generator]").content.split(" ")[1]));
  const home = href("run", backend.info.name, "explore");
  // Views write what they remember behind the path in the address, which has to be there for that.
  if (!location.hash) history.replaceState(null, "", home);
  startShell({ backend, home });
} catch (error) {
  document.getElementById("main").textContent = error.message;
}
