/**
 * Pointer, wheel and keys on the map, turned into what they mean.
 *
 * Drag moves, wheel and pinch enlarge, shift-drag (or drag while the lasso is on) draws around points, a
 * click selects. Keys: arrows move a cursor, Enter selects there, shift with arrows spans a box, + and -
 * enlarge, 0 shows everything.
 */

const CLICK_REACH = 4;
const KEY_STEP = 12;

/**
 * @param {HTMLElement} stage takes the focus and all events
 * @param {Object} map with `camera`, `lassoOn`, and the callbacks `moved`, `hovered`, `left`, `clicked`,
 *   `drawing`, `drawn`, `cursor`
 */
export function listen(stage, map) {
  pointers(stage, map);
  stage.addEventListener("wheel", (event) => wheel(event, stage, map), { passive: false });
  keys(stage, map);
}

function place(event, stage) {
  const box = stage.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function pointers(stage, map) {
  const down = new Map();
  let start = null;
  let still = true;
  let line = null;

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    const at = place(event, stage);
    down.set(event.pointerId, at);
    start = at;
    still = down.size === 1;
    line = down.size === 1 && (event.shiftKey || map.lassoOn) ? [map.camera.toData(...at)] : null;
    map.left();
  });

  stage.addEventListener("pointermove", (event) => {
    const at = place(event, stage);
    const before = down.get(event.pointerId);
    if (!before) return map.hovered(at);
    if (distance(at, start) >= CLICK_REACH) still = false;
    if (down.size === 2) pinch(down, event.pointerId, at, map);
    else if (line) {
      line.push(map.camera.toData(...at));
      map.drawing(line);
    } else {
      map.camera.pan(at[0] - before[0], at[1] - before[1]);
      map.moved();
    }
    down.set(event.pointerId, at);
    return undefined;
  });

  const end = (event) => {
    if (!down.delete(event.pointerId)) return;
    const at = place(event, stage);
    if (still && event.type === "pointerup") {
      if (line) map.drawing(null);
      map.clicked(at);
    } else if (line) map.drawn(line);
    line = null;
  };
  stage.addEventListener("pointerup", end);
  stage.addEventListener("pointercancel", end);
  stage.addEventListener("pointerleave", () => map.left());
}

function pinch(down, moving, at, map) {
  const [other] = [...down].filter(([id]) => id !== moving).map(([, where]) => where);
  const before = down.get(moving);
  const factor = distance(at, other) / Math.max(1, distance(before, other));
  map.camera.zoomAt(factor, (at[0] + other[0]) / 2, (at[1] + other[1]) / 2);
  map.camera.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
  map.moved();
}

function distance([ax, ay], [bx, by]) {
  return Math.hypot(ax - bx, ay - by);
}

function wheel(event, stage, map) {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 16 : 1;
  map.camera.zoomAt(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), ...place(event, stage));
  map.moved();
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function keys(stage, map) {
  let cursor = null;
  let corner = null;

  const middle = () => [map.camera.width / 2, map.camera.height / 2];
  const inView = ([x, y]) => [
    Math.min(map.camera.width - 2, Math.max(2, x)),
    Math.min(map.camera.height - 2, Math.max(2, y)),
  ];

  function arrow(event, [dx, dy]) {
    const from = cursor ? map.camera.toPixels(...cursor) : middle();
    if (event.shiftKey && !corner) corner = map.camera.toData(...from);
    const at = inView([from[0] + dx * KEY_STEP, from[1] + dy * KEY_STEP]);
    cursor = map.camera.toData(...at);
    map.cursor(cursor);
    if (corner) map.drawing(box(corner, cursor));
    else map.hovered(at);
  }

  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = cursor ? map.camera.toPixels(...cursor) : middle();
    if (ARROWS[event.key]) arrow(event, ARROWS[event.key]);
    else if (event.key === "Enter" || event.key === " ") map.clicked(at);
    else if (event.key === "+" || event.key === "=") zoom(1.25, at);
    else if (event.key === "-") zoom(0.8, at);
    else if (event.key === "0") {
      map.camera.reset();
      map.moved();
    } else if (event.key === "Escape") {
      corner = null;
      map.drawing(null);
      map.escaped();
    } else return;
    event.preventDefault();
  });

  function zoom(factor, at) {
    map.camera.zoomAt(factor, ...at);
    map.moved();
  }

  stage.addEventListener("keyup", (event) => {
    if (event.key !== "Shift" || !corner) return;
    map.drawn(box(corner, cursor));
    corner = null;
  });
  stage.addEventListener("blur", () => {
    cursor = null;
    corner = null;
    map.cursor(null);
    map.drawing(null);
    map.left();
  });
}

function box([ax, ay], [bx, by]) {
  return [
    [ax, ay],
    [bx, ay],
    [bx, by],
    [ax, by],
  ];
}
