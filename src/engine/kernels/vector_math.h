// Functions of vectors. Included inside a tier's target region (target.h).
#pragma once

namespace canal {

// 2^t. Polynomials of least relative error for 2^f on [-1/2, 1/2]: 1.9e-9, or 2.6e-6 where numbers
// are rounded to bfloat16 anyway.
template <class Format>
CANAL_KERNEL typename Format::Vec exp2_of(typename Format::Vec t) {
  using S = typename Format::Simd;
  using Vec = typename Format::Vec;
  // 2^-126 stands for all that is smaller. NaN passes: max gives its second operand then. Nothing
  // above 2^127 is asked for but infinity, which becomes NaN in f.
  t = S::max(S::broadcast(-126.0f), t);
  const Vec n = S::round(t), f = t - n;
  Vec p;
  if constexpr (Format::reduced) {
    p = S::fma(S::broadcast(9.57010197e-3f), f, S::broadcast(5.59178608e-2f));
    p = S::fma(p, f, S::broadcast(0.240247448f));
    p = S::fma(p, f, S::broadcast(0.693121815f));
    p = S::fma(p, f, S::broadcast(0.999999261f));
  } else {
    p = S::fma(S::broadcast(1.53458121e-4f), f, S::broadcast(1.33999313e-3f));
    p = S::fma(p, f, S::broadcast(9.61848896e-3f));
    p = S::fma(p, f, S::broadcast(5.55032878e-2f));
    p = S::fma(p, f, S::broadcast(0.240226469f));
    p = S::fma(p, f, S::broadcast(0.693147206f));
    p = S::fma(p, f, S::broadcast(1.0f));
  }
  return S::scale(p, n);
}

// Phi(x), the normal distribution function, and exp(-x^2 / 2) on the way. Abramowitz and Stegun
// 7.1.26, absolute error of erf below 1.5e-7.
template <class Format>
CANAL_KERNEL typename Format::Vec normal_cdf(typename Format::Vec x, typename Format::Vec& bell) {
  using S = typename Format::Simd;
  using Vec = typename Format::Vec;
  // Beyond 10 Phi is 0 or 1, and infinity has no reciprocal to go on with. NaN passes.
  const Vec z = S::min(S::broadcast(10.0f), S::abs(x) * S::broadcast(0.707106781f));
  const Vec t = S::reciprocal(S::fma(z, S::broadcast(0.3275911f), S::broadcast(1.0f)));
  Vec p = S::fma(S::broadcast(1.061405429f), t, S::broadcast(-1.453152027f));
  p = S::fma(p, t, S::broadcast(1.421413741f));
  p = S::fma(p, t, S::broadcast(-0.284496736f));
  p = S::fma(p, t, S::broadcast(0.254829592f));
  bell = exp2_of<Format>(z * z * S::broadcast(-1.44269504f));
  const Vec upper = S::broadcast(0.5f) * p * t * bell;  // 1 - Phi(|x|)
  // Phi(x) = 1/2 + sign(x) (1/2 - upper)
  return S::broadcast(0.5f) + S::with_sign(S::broadcast(0.5f) - upper, x);
}

template <class Format>
CANAL_KERNEL typename Format::Vec gelu_of(typename Format::Vec x) {
  typename Format::Vec bell;
  return x * normal_cdf<Format>(x, bell);
}

}  // namespace canal
