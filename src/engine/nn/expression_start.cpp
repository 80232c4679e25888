#include "engine/nn/expression_start.h"

#include <ATen/ops/randn.h>

#include <cmath>

#include "engine/nn/operators.h"

namespace canal {

namespace {

constexpr double quarter_circle = 1.5707963267948966;
constexpr int64_t fewest_columns = 3;  // two directions and the mean

// What of x is at right angles to `other`. x, other: D
at::Tensor without(const at::Tensor& x, const at::Tensor& other) {
  return x - other * ((x * other).sum() / other.square().sum());
}

at::Tensor with_unit_entries(const at::Tensor& x) { return x / x.square().mean().sqrt(); }

at::Tensor draw_centred(int64_t dim, at::Generator& generator) {
  const at::Tensor x = at::randn({dim}, generator);
  return x - x.mean();
}

}  // namespace

at::Tensor draw_expression_tokens(int64_t tokens, int64_t dim, double sd,
                                  at::Generator& generator) {
  at::Tensor table = at::randn({tokens, dim}, generator);  // T x D
  const int64_t levels = tokens - 1;
  if (dim < fewest_columns || levels < 2) return table.mul_(sd);
  const at::Tensor silent = with_unit_entries(draw_centred(dim, generator));                    // D
  const at::Tensor highest = with_unit_entries(without(draw_centred(dim, generator), silent));  // D
  for (int64_t token = 0; token < levels; ++token) {
    const double angle =
        quarter_circle * static_cast<double>(token) / static_cast<double>(levels - 1);
    table.select(0, token).copy_(silent * std::cos(angle) + highest * std::sin(angle));
  }
  return table.mul_(sd);
}

at::Tensor expression_filter(const at::Tensor& token_table) {
  const int64_t dim = token_table.size(1);
  if (dim < fewest_columns || token_table.size(0) < 3) return {};
  auto centred = [&](int64_t token) {
    const at::Tensor row = token_table.select(0, token);
    return row - row.mean();
  };
  const at::Tensor silent = centred(0);  // D
  if (silent.square().sum().item<double>() <= 0) return {};
  const at::Tensor gained = without(centred(token_table.size(0) - 2), silent);  // D
  const double length = std::sqrt(gained.square().sum().item<double>());
  if (!(length > 0)) return {};
  // A layer-normed token is sqrt(D) long.
  return gained / (length * std::sqrt(static_cast<double>(dim)));
}

at::Tensor draw_before_relu(at::IntArrayRef shape, int64_t inputs, at::Generator& generator) {
  return at::randn(shape, generator).mul_(std::sqrt(2.0 / static_cast<double>(inputs)));
}

}  // namespace canal
