// Passes over long arrays that LibTorch's operators would make one by one, each from main memory
// and back. Included inside a tier's target region (target.h).
#pragma once

namespace canal {

// work(place, how many) for whole vectors, then once for what is left.
template <class Format, class Work>
CANAL_KERNEL void for_each_vector(int64_t count, const Work& work) {
  constexpr int64_t lanes = Format::lanes;
  for (int64_t at = 0; at + lanes <= count; at += lanes) work(at, lanes);
  if (count % lanes != 0) work(count - count % lanes, count % lanes);
}

// Fewer than a vector are filled up with zeros, so that every number goes the same way.
template <class Format>
CANAL_KERNEL typename Format::Vec load_some(const float* from, int64_t count) {
  if (count == Format::lanes) return Format::Simd::load_any(from);
  alignas(vector_alignment) float room[Format::lanes] = {};
  for (int64_t i = 0; i < count; ++i) room[i] = from[i];
  return Format::Simd::load(room);
}

template <class Format>
CANAL_KERNEL void store_some(float* to, typename Format::Vec a, int64_t count) {
  if (count == Format::lanes) {
    Format::Simd::store_any(to, a);
    return;
  }
  alignas(vector_alignment) float room[Format::lanes];
  Format::Simd::store(room, a);
  for (int64_t i = 0; i < count; ++i) to[i] = room[i];
}

template <class Format>
void adam_step(const AdamArrays& a, int64_t count, const AdamNumbers& n) {
  using Simd = typename Format::Simd;
  using Vec = typename Simd::Vec;
  const Vec beta1 = Simd::broadcast(n.beta1), beta2 = Simd::broadcast(n.beta2);
  const Vec rest1 = Simd::broadcast(n.rest1), rest2 = Simd::broadcast(n.rest2);
  const Vec size = Simd::broadcast(-n.size), root = Simd::broadcast(1 / n.root);
  const Vec eps = Simd::broadcast(n.eps), decay = Simd::broadcast(n.weight_decay);
  for_each_vector<Format>(count, [&](int64_t at, int64_t some) {
    const Vec p = load_some<Format>(a.parameter + at, some);
    const Vec g = Simd::fma(p, decay, load_some<Format>(a.gradient + at, some));
    const Vec m = Simd::fma(load_some<Format>(a.first + at, some), beta1, rest1 * g);
    const Vec v = Simd::fma(load_some<Format>(a.second + at, some), beta2, rest2 * (g * g));
    store_some<Format>(a.first + at, m, some);
    store_some<Format>(a.second + at, v, some);
    const Vec spread = Simd::fma(Simd::sqrt(v), root, eps);
    store_some<Format>(a.parameter + at, Simd::fma(m / spread, size, p), some);
  });
}

template <class Format>
void norm_linear_rows(const NormLinearRows& a, int64_t rows, int64_t width) {
  using Simd = typename Format::Simd;
  using Vec = typename Simd::Vec;
  for (int64_t r = 0; r < rows; ++r) {
    const Vec gain = Simd::broadcast(a.gain[r]), bias = Simd::broadcast(a.bias[r]);
    Vec dgain = Simd::broadcast(0.0f), dbias = Simd::broadcast(0.0f);
    for_each_vector<Format>(width, [&](int64_t c, int64_t some) {
      const Vec w = load_some<Format>(a.weight + r * width + c, some);
      const Vec sum = load_some<Format>(a.sum + c, some);
      const Vec g = load_some<Format>(a.gradient + r * width + c, some) -
                    load_some<Format>(a.shifted + c, some);
      dgain = Simd::fma(w, g, dgain);
      dbias = Simd::fma(w, sum, dbias);
      store_some<Format>(a.gradient + r * width + c, Simd::fma(gain, g, bias * sum), some);
    });
    a.gain_gradient[r] = Simd::sum(dgain);
    a.bias_gradient[r] = Simd::sum(dbias);
  }
}

}  // namespace canal
