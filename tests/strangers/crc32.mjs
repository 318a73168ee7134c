// CRC-32 (IEEE) of ASCII text. `zlib.crc32` came with Node 20.15; this also runs on 18.

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

export function crc32(text) {
  let crc = ~0;
  for (const byte of Buffer.from(text)) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}
