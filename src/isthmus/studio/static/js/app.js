/** Boots the studio on a server. */

import { serverBackend } from "isthmus/server.js";
import { startShell } from "isthmus/shell.js";

startShell({ backend: serverBackend() });
