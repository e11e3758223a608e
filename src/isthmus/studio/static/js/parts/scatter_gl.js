/** Points by WebGL 2: positions and colours lie on the card, and a move of the camera changes one uniform. */

const VERTEX = `#version 300 es
precision highp float;
in vec2 place;
in vec4 colour;
uniform vec2 scale;
uniform vec2 shift;
uniform float size;
out vec4 tint;
void main() {
  gl_Position = vec4(place * scale + shift, 0.0, 1.0);
  gl_PointSize = size;
  tint = colour;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec4 tint;
uniform float size;
uniform float opacity;
out vec4 result;
void main() {
  float distance = length(gl_PointCoord - 0.5) * size;
  float cover = clamp(size * 0.5 - distance, 0.0, 1.0) * tint.a * opacity;
  if (cover <= 0.0) discard;
  result = vec4(tint.rgb * cover, cover);
}`;

const IN_SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{software?: boolean}} [options] whether WebGL that runs in software will do
 * @returns {WebGLPoints|null} null where there is no WebGL 2, or only a slow one
 */
export function webglPoints(canvas, { software = false } = {}) {
  const gl = canvas.getContext("webgl2", { antialias: false, failIfMajorPerformanceCaveat: !software });
  if (!gl || (!software && inSoftware(gl))) return null;
  try {
    return new WebGLPoints(canvas, gl);
  } catch (error) {
    console.warn(error.message);
    return null;
  }
}

/** Not every browser owns up when it is asked for a fast context only. */
function inSoftware(gl) {
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  return Boolean(names) && IN_SOFTWARE.test(gl.getParameter(names.UNMASKED_RENDERER_WEBGL));
}

class WebGLPoints {
  constructor(canvas, gl) {
    Object.assign(this, { canvas, gl, n: 0, centre: [0, 0] });
    this.kind = "webgl";
    this.#prepare();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.#prepare();
      if (this.map) this.load(this.map, this.colours);
      this.onrestored?.();
    });
  }

  #prepare() {
    const { gl } = this;
    this.program = link(gl);
    gl.useProgram(this.program);
    this.uniforms = Object.fromEntries(
      ["scale", "shift", "size", "opacity"].map((name) => [name, gl.getUniformLocation(this.program, name)]),
    );
    this.places = attribute(gl, this.program, "place", 2, gl.FLOAT, false);
    this.tints = attribute(gl, this.program, "colour", 4, gl.UNSIGNED_BYTE, true);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  load(map, colours) {
    const { gl } = this;
    this.map = map;
    this.n = map.x.length;
    const places = new Float32Array(2 * this.n);
    for (let i = 0; i < this.n; i += 1) {
      places[2 * i] = map.x[i];
      places[2 * i + 1] = map.y[i];
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.places);
    gl.bufferData(gl.ARRAY_BUFFER, places, gl.STATIC_DRAW);
    this.paint(colours);
  }

  paint(colours) {
    const { gl } = this;
    this.colours = colours;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.tints);
    gl.bufferData(gl.ARRAY_BUFFER, colours, gl.STATIC_DRAW);
  }

  /**
   * @param {import("isthmus/parts/camera.js").Camera} camera
   * @param {{radius: number, opacity: number, ratio: number}} look in CSS pixels; `ratio` is that of the
   *   screen
   */
  draw(camera, { radius, opacity, ratio }) {
    const { gl, uniforms } = this;
    const [sx, sy] = [(2 * camera.scale[0]) / camera.width, (2 * camera.scale[1]) / camera.height];
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(uniforms.scale, sx, sy);
    gl.uniform2f(uniforms.shift, -camera.centre[0] * sx, -camera.centre[1] * sy);
    gl.uniform1f(uniforms.size, 2 * radius * ratio + 1);
    gl.uniform1f(uniforms.opacity, opacity);
    gl.drawArrays(gl.POINTS, 0, this.n);
  }

  /** Wait until what was drawn is there: for measuring only, as reading stops the pipeline. */
  finish() {
    this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  destroy() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

function link(gl) {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(`WebGL refuses to draw the map: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}

function attribute(gl, program, name, size, type, normalised) {
  const buffer = gl.createBuffer();
  const at = gl.getAttribLocation(program, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.enableVertexAttribArray(at);
  gl.vertexAttribPointer(at, size, type, normalised, 0, 0);
  return buffer;
}
