// LZF as h5py's filter 32000 writes it: runs of literal bytes and references to earlier output.
// A byte below 32 starts a run of that many and one more. Else its upper three bits are the length
// of a reference less 2 (7: more in the next byte), its lower five and the byte after these the
// distance less 1.
#include "engine/io/hdf5_filters.h"

namespace canal::io {

namespace {

constexpr unsigned first_reference = 32;
constexpr unsigned long_reference = 7;

// One instruction at `at`. length: of the output, 0 where the input ends within the instruction.
struct Step {
  bool literal;
  size_t length;
  size_t distance;
  size_t next;
};

Step step_at(const uint8_t* bytes, size_t count, size_t at) {
  const unsigned control = bytes[at++];
  if (control < first_reference) {
    const size_t length = control + 1;
    return {true, count - at < length ? 0 : length, 0, at + length};
  }
  size_t length = control >> 5;
  if (length == long_reference) {
    if (at == count) return {false, 0, 0, at};
    length += bytes[at++];
  }
  if (at == count) return {false, 0, 0, at};
  const size_t distance = ((control & 31) << 8 | bytes[at]) + 1;
  return {false, length + 2, distance, at + 1};
}

}  // namespace

std::optional<size_t> lzf_size(const uint8_t* bytes, size_t count) {
  size_t size = 0;
  for (size_t at = 0; at < count;) {
    const Step step = step_at(bytes, count, at);
    if (step.length == 0 || step.distance > size) return {};
    size += step.length;
    at = step.next;
  }
  return size;
}

void lzf_decompress(const uint8_t* bytes, size_t count, uint8_t* out) {
  for (size_t at = 0; at < count;) {
    const Step step = step_at(bytes, count, at);
    const uint8_t* from = step.literal ? bytes + step.next - step.length : out - step.distance;
    // Byte by byte, as a reference may reach into what it writes.
    for (size_t i = 0; i < step.length; ++i) *out++ = from[i];
    at = step.next;
  }
}

}  // namespace canal::io
