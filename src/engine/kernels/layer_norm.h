// Layer norm of a block: channels x tokens, a token per lane. Included inside a tier's target
// region.
#pragma once

namespace canal {

inline constexpr float norm_eps = 1e-5f;

// Mean and 1 / sd of each token of a vector. x: the vector's first channel.
template <class Format>
struct Moments {
  typename Format::Vec mean, inverse_sd;
};

template <class Format>
CANAL_KERNEL Moments<Format> moments(const float* x, int64_t dim, int64_t stride) {
  using S = typename Format::Simd;
  typename Format::Vec sum = S::broadcast(0.0f), squares = S::broadcast(0.0f);
  for (int64_t d = 0; d < dim; ++d) sum = sum + S::load(x + d * stride);
  const auto mean = sum * S::broadcast(1.0f / static_cast<float>(dim));
  for (int64_t d = 0; d < dim; ++d) {
    const auto from_mean = S::load(x + d * stride) - mean;
    squares = S::fma(from_mean, from_mean, squares);
  }
  const auto variance =
      S::fma(squares, S::broadcast(1.0f / static_cast<float>(dim)), S::broadcast(norm_eps));
  // An infinite variance is no scale: inf - inf makes it NaN, where 1 / inf would hide it as 0.
  return {mean, S::broadcast(1.0f) / S::sqrt(variance) + (variance - variance)};
}

// x: D x block, of which `tokens` are normed, whole vectors. put(d, t, a, b) is given channels d
// and d + 1 of the tokens from t on; beyond the last channel there is zero.
template <class Format, class Put>
void normalise(const float* x, int64_t dim, const std::vector<float>& weight,
               const std::vector<float>& bias, int64_t tokens, const Put& put) {
  using S = typename Format::Simd;
  constexpr int64_t block = Format::block;
  for (int64_t t = 0; t < tokens; t += Format::lanes) {
    const Moments<Format> m = moments<Format>(x + t, dim, block);
    auto normed = [&](int64_t d) {
      if (d == dim) return S::broadcast(0.0f);
      const auto scaled = (S::load(x + d * block + t) - m.mean) * m.inverse_sd;
      return S::fma(scaled, S::broadcast(weight[d]), S::broadcast(bias[d]));
    };
    for (int64_t d = 0; d < dim; d += 2) put(d, t, normed(d), normed(d + 1));
  }
}

}  // namespace canal
