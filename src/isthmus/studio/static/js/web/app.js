/** Boots an exported page. */

import { onnxBackend } from "isthmus/onnx_backend.js";
import { href } from "isthmus/router.js";
import { startShell } from "isthmus/shell.js";

const backend = await onnxBackend();
startShell({ backend, home: href("run", backend.info.name, "explore") });
