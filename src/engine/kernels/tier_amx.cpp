// The tier of CPUs with AMX, in bfloat16.
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/kernels/plain.h"

namespace canal {

namespace {

// Linux gives a process the tiles' registers only when asked.
bool is_granted() {
  constexpr int request_permission = 0x1023, tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

bool has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  const bool bfloat16 = (d >> 22 & 1) != 0, tiles = (d >> 24 & 1) != 0;
  return bfloat16 && tiles && avx512_bf16_tier().runs_here() && is_granted();
}

}  // namespace

}  // namespace canal

CANAL_TARGET_BEGIN("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16")
#include "engine/kernels/simd_avx512.h"
//
#include "engine/kernels/templates.h"
//
#include "engine/kernels/format_bfloat16.h"
//
#include "engine/kernels/format_amx.h"

namespace canal {

namespace {

// Tiles 0 to 3 hold sums, 4 and 5 rows, 6 and 7 columns.
struct AmxTiles {
  // The shape of the tiles belongs to the thread.
  struct Session {
    Session() {
      alignas(vector_alignment) struct {
        uint8_t palette = 1, start_row = 0, reserved[14] = {};
        uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
      } shape;
      _tile_loadconfig(&shape);
    }
    ~Session() { _tile_release(); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
  };

  template <int V>
  static void multiply(const uint32_t* a, int64_t row_stride, const uint32_t* b, int64_t b_stride,
                       int64_t steps, float* to, int64_t to_stride) {
    const int64_t a_bytes = row_stride * 4, b_bytes = b_stride * 4, to_bytes = to_stride * 4;
    _tile_zero(0);
    _tile_zero(2);
    if (V == 2) {
      _tile_zero(1);
      _tile_zero(3);
    }
    for (int64_t k = 0; k < steps; k += 16) {
      _tile_loadd(4, a + k, a_bytes);
      _tile_loadd(5, a + 16 * row_stride + k, a_bytes);
      _tile_loadd(6, b + k * b_stride, b_bytes);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(2, 5, 6);
      if (V == 2) {
        _tile_loadd(7, b + k * b_stride + 16, b_bytes);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
    _tile_stored(0, to, to_bytes);
    _tile_stored(2, to + 16 * to_stride, to_bytes);
    if (V == 2) {
      _tile_stored(1, to + 16, to_bytes);
      _tile_stored(3, to + 16 * to_stride + 16, to_bytes);
    }
  }
};

}  // namespace

template std::unique_ptr<EncoderKernel> make_encoder<AmxBfloat16<AmxTiles>>(
    const LayerSizes&, const std::vector<LayerView>&, Keep);

}  // namespace canal
CANAL_TARGET_END

// Outside the region: this runs on every CPU.
namespace canal {

Tier amx_tier() {
  Tier tier = avx512_tier();  // what is float32 in all tiers
  tier.name = "amx";
  tier.reduced = true;
  tier.runs_here = has_amx;
  tier.make = make_encoder<AmxBfloat16<AmxTiles>>;
  return tier;
}

}  // namespace canal
#endif
