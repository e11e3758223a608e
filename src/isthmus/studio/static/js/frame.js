/**
 * The binary format between server and page, `application/x-isthmus-frame`.
 *
 * A little-endian uint32 says how long the JSON header is; the header is padded with spaces so that what
 * follows starts at a multiple of 8; then come the arrays, each padded to a multiple of 8. Offsets count from
 * the start of the arrays.
 */

const TYPES = {
  float32: Float32Array,
  float64: Float64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  int16: Int16Array,
  int32: Int32Array,
  bool: Uint8Array,
};

/**
 * @param {ArrayBuffer} buffer
 * @returns {{header: Object, arrays: Object<string, {shape: number[], dtype: string, values: TypedArray}>}}
 */
export function unpack(buffer) {
  if (buffer.byteLength < 4) throw new Error("the server sent an answer that is cut off");
  const length = new DataView(buffer).getUint32(0, true);
  if (4 + length > buffer.byteLength) throw new Error("the server sent an answer that is cut off");
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  for (const { name, dtype, shape, offset, bytes } of header.arrays ?? []) {
    arrays[name] = { shape, dtype, values: view(buffer, dtype, 4 + length + offset, bytes) };
  }
  return { header, arrays };
}

function view(buffer, dtype, start, bytes) {
  const Type = TYPES[dtype];
  if (!Type) throw new Error(`the server sent values of the type ${dtype}, which this page does not know`);
  if (start + bytes > buffer.byteLength) throw new Error("the server sent an answer that is cut off");
  return new Type(buffer, start, bytes / Type.BYTES_PER_ELEMENT);
}
